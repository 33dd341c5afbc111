"""What `--json` prints is what the reference describes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from fsm.cli.app import COMMANDS, fsm
from fsm.cli.shapes import ErrorParts
from fsm.formats.trust import SecretKey
from fsm.model import Model
from tests.github.fake import FakeGitHub
from tests.unit.cli.conftest import Line, damage, interrupted
from tools.reference_json import SHAPES

MODELS = {type(shape.example).__name__: type(shape.example) for shape in SHAPES}

CALLS = [
    ("CheckResult", ("check",), 0),
    ("UpdateResult", ("plan",), 0),
    ("UpdateResult", ("update", "--dry-run"), 0),
    ("UpdateResult", ("update", "--version", "9.9"), 20),
    ("UpdateResult", ("resume",), 0),
    ("UpdateResult", ("cancel",), 0),
    ("UpdateResult", ("rollback", "--to", "9.9"), 20),
    ("UpdateResult", ("show", "1"), 0),
    ("UpdateResult", ("rollback", "--dry-run", "--data", "keep"), 0),
    ("UpdateResult", ("data", "app", "bring-back", "99"), 20),
    ("KeptData", ("data", "app", "list"), 0),
    ("RunReport", ("history",), 0),
    ("ComponentStatus", ("status",), 0),
    ("ComponentStatus", ("hold",), 0),
    ("ComponentStatus", ("unhold",), 0),
    ("ComponentStatus", ("pin", "app", "<9"), 0),
    ("Verified", ("history", "--verify"), 0),
    ("Finding", ("doctor",), 0),
    ("SetAside", ("doctor", "--set-aside-journal"), 0),
    ("InstalledUnits", ("install-service", "--remove", "--user"), 0),
    ("UnitText", ("install-service", "--dry-run"), 0),
    ("BuiltRelease", ("release", "build", "--description", "{root}/update.yaml", "--output", "{root}/out"), 0),
    ("PublishedRelease", ("release", "publish", "--description", "{root}/update.yaml", "--output", "{root}/out"), 0),
    ("WithdrawnList", ("release", "yank", "1.0.0", "why", "--key", "{root}/ci.key", "--output", "{root}/out"), 0),
    ("KeyFile", ("keys", "show", "{root}/ci.pub", "{root}/ci.key"), 0),
    ("ReleaseProblem", ("release", "check", "--description", "{root}/broken.yaml"), 20),
    ("Written", ("init", "{root}/other.toml"), 0),
]


def test_every_command_is_called_here():
    """A new command needs its shape in the reference."""
    assert {call[0] for _, call, _ in CALLS} | {"completion"} == {entry.name for entry in COMMANDS}
    assert {name for name, _, _ in CALLS} == set(MODELS)


@pytest.mark.processes
@pytest.mark.parametrize(("name", "call", "code"), CALLS, ids=str)
def test_results_have_their_documented_shape(
    name: str, call: tuple[str, ...], code: int, updated: Line, monkeypatch: pytest.MonkeyPatch
):
    """Exactly the fields, each of its type."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(updated.app_fixture.root / "config"))
    if call[0] in ("resume", "cancel", "show", "history"):
        interrupted(updated)
    elif call[0] == "data" or call[:2] == ("rollback", "--dry-run"):
        (updated.app_fixture.live / "data").mkdir()
        (updated.app_fixture.live / "data/log").touch()
        assert updated("update").code == 0
    elif "--set-aside-journal" in call:
        updated("check")
        damage(updated.app_fixture.state / "journal.db")
    elif call[0] == "release":
        describe(updated.app_fixture.root)
    secret = SecretKey.generate()
    (updated.app_fixture.root / "ci.key").write_text(secret.file())
    (updated.app_fixture.root / "ci.pub").write_text(secret.public_key.file())
    with FakeGitHub() as github:
        github.add_repository("o/r")
        for key, value in {"REPOSITORY": "o/r", "API_URL": github.api_url, "TOKEN": github.token}.items():
            monkeypatch.setenv(f"GITHUB_{key}", value)
        ended = updated(*(word.format(root=updated.app_fixture.root) for word in call), "--json")
    assert ended.code == code, ended
    assert ended.results
    for result in ended.results:
        _fits(MODELS[name], result)


def describe(root: Path) -> None:
    """A description of one component, and one of none."""
    (root / "VERSION").write_text("1.0.0\n", encoding="utf-8")
    (root / "update.yaml").write_text(
        "components: [{name: app, type: python_app, artifacts: [{path: VERSION}]}]", encoding="utf-8"
    )
    (root / "broken.yaml").write_text("components: []", encoding="utf-8")


def _fits(model: type[Model], data: dict[str, Any]) -> None:
    assert set(data) == set(model.model_fields)
    model.model_validate_json(json.dumps(data))
    assert "" not in _values(data), data


def _values(data: Any) -> Iterator[Any]:
    """Everything in a document, without its keys, and without what the fields of an adapter's steps are."""
    parts = [data[key] for key in data if key != "args"] if isinstance(data, dict) else data
    for part in parts if isinstance(parts, list) else ():
        yield from _values(part)
    yield data


def test_errors_have_their_documented_shape(line: Line):
    """In place of results."""
    ended = line("update", "nobody", "--json")
    _fits(ErrorParts, ended.error)
    assert ended.error["code"] == ended.code == 2


def leaves(parent: click.Context, name: str) -> Iterator[tuple[str, ...]]:
    """A command, or those below it."""
    assert isinstance(parent.command, click.Group)
    command = parent.command.get_command(parent, name)
    if not isinstance(command, click.Group):
        yield (name,)
        return
    with click.Context(command, parent=parent) as context:
        for below in command.list_commands(context):
            yield from ((name, *path) for path in leaves(context, below))


def test_json_is_offered_everywhere(line: Line):
    """But for completion scripts."""
    with click.Context(fsm) as context:
        paths = [path for entry in COMMANDS for path in leaves(context, entry.name)]
    assert ("release", "build") in paths
    assert [path for path in paths if "--json" not in line.bare(*path, "--help").out] == [("completion",)]
