"""`fsm init`: a commented configuration that is valid as it stands, and switched on."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from fsm.adapter import Registry
from fsm.formats.trust import TrustSpec
from fsm.host.config import ComponentKeys, Settings, parse
from fsm.host.config_template import TEMPLATE, switched_on
from fsm.model import Model
from tests.unit.cli.conftest import Line

APP = Registry.discover().get("python_app").spec
CONTAINER = Registry.discover().get("container").spec


def test_it_is_valid_as_it_stands():
    """It configures nothing."""
    config = parse(tomllib.loads(TEMPLATE), Registry.discover(), base=Path("/etc/fsm"))
    assert not config.components
    assert config.settings == Settings()


def test_it_is_valid_switched_on():
    """Every setting that it shows exists, and has a value that passes."""
    config = parse(tomllib.loads(switched_on()), Registry.discover(), base=Path("/etc/fsm"))
    assert list(config.components) == ["core", "library", "web"]
    assert config.components["core"].keys.source is not None


def test_every_key_is_shown():
    """Of the host's settings, of components, and of Python apps; of [trust] in words, as it needs a key."""
    data = tomllib.loads(switched_on())
    assert set(data["fsm"]) == set(Settings.model_fields)
    assert set(data["components"]["core"]) == {*ComponentKeys.model_fields, *APP.model_fields} - {"trust"}
    assert all(f"# {key} = " in switched_on() for key in TrustSpec.model_fields)
    for name in ("environment", "migration", "retention"):
        model: Any = next(
            kind
            for kind in _models(APP.model_fields[name].annotation)
            if isinstance(kind, type) and issubclass(kind, Model)
        )
        assert set(data["components"]["core"][name]) == set(model.model_fields)


def _models(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__args__", (annotation,))


def test_every_key_of_a_container_is_shown():
    """With the defaults that it has."""
    data = tomllib.loads(switched_on())
    assert set(data["components"]["web"]) - {"type", "source"} == set(CONTAINER.model_fields)
    spec: Any = parse(data, Registry.discover()).component("web").spec
    shown = ("tag", "version_label", "others", "start_timeout", "settle_seconds", "healthcheck", "pull_timeout")
    for name in (*shown, "allowed_hosts", "reserve_mb", "retention"):
        assert getattr(spec, name) == CONTAINER.model_fields[name].default, name


def test_values_that_are_called_defaults_are_the_defaults():
    """What the comments promise."""
    config = parse(tomllib.loads(switched_on()), Registry.discover(), base=Path("/etc/fsm"))
    given, plain = config.settings, Settings()
    assert (given.jobs, given.check_interval_hours) == (plain.jobs, plain.check_interval_hours)
    from fsm.engine.executor.control import DEADLINES

    assert given.deadlines == DEADLINES
    spec: Any = config.components["core"].spec
    for name in (
        *("unlisted", "backup", "settle_seconds", "reserve_mb", "max_unpacked_mb", "allowed_hosts"),
        *("retention", "version"),
    ):
        assert getattr(spec, name) == APP.model_fields[name].default, name
    for name in ("requirements", "wheels", "link", "builder", "timeout"):
        model = type(spec.environment)
        assert getattr(spec.environment, name) == model.model_fields[name].default, name


def test_init_writes_it(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """To ./fsm.toml, to a path, or to what --config names; then the other commands work."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    ended = line.bare("init")
    assert (ended.code, ended.out[:14]) == (0, "wrote fsm.toml")
    assert (tmp_path / "fsm.toml").read_text() == TEMPLATE
    assert line.bare("init", "other.toml", "--json").results == [{"path": str(tmp_path / "other.toml")}]
    assert line.bare("--config", "third.toml", "init").code == 0
    assert line.bare("--config", "third.toml", "check").out == "no component has a source\n"


def test_init_never_overwrites(line: Line):
    """20, and the file is what it was."""
    before = line.path.read_text()
    ended = line("init")
    assert ended.code == 20
    assert "it exists already" in ended.err
    assert line.path.read_text() == before


def test_init_where_nothing_can_be_written(line: Line, tmp_path: Path):
    """2, with the reason."""
    ended = line.bare("init", str(tmp_path / "no" / "such" / "place.toml"))
    assert ended.code == 2
    assert "No such file or directory" in ended.err
