"""The reference of the `--json` shapes: fields from the models' JSON schemas, meanings from their docstrings."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from fsm.adapter import Finding, KeptData
from fsm.cli.output import SCHEMA
from fsm.cli.shapes import (
    BuiltFile,
    BuiltRelease,
    ErrorParts,
    PublishedFile,
    PublishedRelease,
    ReleaseProblem,
    UnitText,
    Verified,
    WithdrawnList,
    WithdrawnVersion,
    Written,
)
from fsm.engine.plan import DiskNeed, DownloadNeed, Plan, PlannedStep
from fsm.engine.report import ComponentStatus, Outcome, RunReport, StepReport, StepStatus, UpdateResult
from fsm.errors import BlockedBy, ConfigError
from fsm.host.boot.installing import InstalledUnits
from fsm.host.checking import CheckResult
from fsm.host.journal_reset import SetAside
from fsm.lifecycle import State
from fsm.model import Model, Version
from fsm.release.keyfiles import KeyFile, KeyState


class Shape(NamedTuple):
    """One kind of result: the commands that print it, and an example."""

    commands: str
    example: Model


_STEP: Final = StepReport(
    name="download",
    title="download and check the artifact",
    phase=State.UPDATING,
    status=StepStatus.DONE,
    started_at="2026-03-01T04:00:01.250+00:00",
    seconds=2.5,
    retries=1,
    message="the network is unreachable",
)
_RUN: Final = RunReport(
    run=7,
    component="core",
    state=State.DONE,
    outcome=Outcome.DONE,
    from_version="1.0.0",
    to_version="1.1.0",
    touched=True,
    started_at="2026-03-01T04:00:01.125+00:00",
    ended_at="2026-03-01T04:00:09.625+00:00",
    seconds=8.5,
    downtime=0.75,
    notes=("1 local file stays in the backup at /opt/app/.core.fsm/backups/1.0.0@7/tree: local.txt",),
    steps=(_STEP,),
)
_PLAN: Final = Plan(
    component="core",
    component_type="python_app",
    from_version=Version("1.0.0"),
    to_version=Version("1.1.0"),
    steps=(
        PlannedStep(
            name="stop_service",
            phase=State.UPDATING,
            title="stop the service",
            undo_title="start the service",
            touches_live=True,
            downtime="begins",
            timeout=600.0,
            args={"unit": "core"},
        ),
    ),
    downloads=(DownloadNeed(name="core-1.1.0.tar.gz", size=48213),),
    disk_need=(DiskNeed(path=Path("/opt/app"), size=67_542_781),),
    preserved=(".env", "data/"),
)

SHAPES: Final = (
    Shape(
        "`check`",
        CheckResult(
            component="core",
            installed="1.0.0",
            latest="1.1.0",
            update_available=True,
            target="1.1.0",
            reason="1.1.0 is newer than the installed 1.0.0",
            notes="Answers faster.",
            checked_at="2026-03-01T04:00:00+00:00",
        ),
    ),
    Shape(
        "`plan`, `update`, `resume`, `rollback`, `data NAME bring-back`, `cancel` and `show`",
        UpdateResult(component="core", outcome=Outcome.PLANNED, from_version="1.0.0", to_version="1.1.0", plan=_PLAN),
    ),
    Shape("`history`", _RUN),
    Shape(
        "`data NAME list`",
        KeptData(
            id="9",
            run=9,
            version=Version("1.0.0"),
            made_at="2026-03-01T04:00:00+00:00",
            why="set_aside",
            path=Path("/opt/app/.core.fsm/data/9/files"),
            files=3,
            size=10240,
            preserve=("data/",),
        ),
    ),
    Shape(
        "`status`, `hold`, `unhold` and `pin`",
        ComponentStatus(
            component="core",
            type="python_app",
            installed="1.1.0",
            latest="1.1.0",
            checked_at="2026-03-01T04:00:00+00:00",
            pin="~=1.0",
        ),
    ),
    Shape("`history --verify`", Verified(rows=212, newest_hash="9f86d081884c7d659a2feaa0c55ad015" * 2)),
    Shape(
        "`doctor`",
        Finding(
            level="warning",
            subject="core",
            message="run 8 is interrupted in the state updating",
            todo="run `fsm resume core`",
        ),
    ),
    Shape(
        "`doctor --set-aside-journal`",
        SetAside(
            moved=("/var/lib/fsm/journal.db.set-aside-20260301T040000Z",), leftovers=("/opt/app/.core.fsm/run-8",)
        ),
    ),
    Shape(
        "`install-service` and `install-service --remove`",
        InstalledUnits(
            directory=Path("/etc/systemd/system"),
            written=("fsm-resume.service",),
            unchanged=("fsm-check.service", "fsm-check.timer"),
        ),
    ),
    Shape(
        "`install-service --dry-run`",
        UnitText(name="fsm-resume.service", text="[Unit]\nDescription=Continue interrupted updates (fsm-updater)\n"),
    ),
    Shape(
        "`release build`",
        BuiltRelease(
            version="1.4.0",
            tag="v1.4.0",
            manifests={"core": "dist/update-manifest.yaml"},
            sums=("dist/SHA256SUMS",),
            artifacts=(
                BuiltFile(
                    component="core",
                    name="core-1.4.0.tar.gz",
                    path="dist/core-1.4.0.tar.gz",
                    size=48213,
                    sha256="sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                ),
            ),
        ),
    ),
    Shape(
        "`release yank`",
        WithdrawnList(
            repository="example/core",
            sequence=1,
            is_new=True,
            url="https://github.com/example/core/releases/tag/fsm-withdrawn-1",
            withdrawn=(WithdrawnVersion(component="core", version="1.4.0", why="loses the settings"),),
        ),
    ),
    Shape(
        "`keys new`, `keys rotate`, `keys revoke` and `keys show`",
        KeyFile(
            path="fsm-keyring.yaml",
            kind="keyring",
            version=2,
            threshold=1,
            verified=True,
            keys=(
                KeyState(
                    name="ci",
                    id="E7620F1842B4E81F",
                    key="RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
                    not_after="2027-03-01T00:00:00Z",
                ),
            ),
        ),
    ),
    Shape(
        "`release publish`",
        PublishedRelease(
            tag="v1.4.0",
            url="https://github.com/example/core/releases/tag/v1.4.0",
            draft=False,
            files=(
                PublishedFile(
                    name="core-1.4.0.tar.gz",
                    size=48213,
                    sha256="sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    how="uploaded",
                ),
            ),
        ),
    ),
    Shape(
        "`release check`, one for each problem",
        ReleaseProblem(
            file="update.yaml",
            line=5,
            column=15,
            message="update.yaml:5:15: 'dist/*.tar.gz' matches no file; build first, or correct the pattern",
        ),
    ),
    Shape("`init`", Written(path="/etc/fsm/fsm.toml")),
)
"""Every kind of result that a command prints with ``--json``."""


NAMED: Final = (State, Outcome, StepStatus, BlockedBy)
"""The lists of words that many fields have: each is told once, and named where it is meant."""


def words() -> str:
    """A table of the words that a field of a named type may have."""
    rows = (f"| {kind.__name__} | {', '.join(f'`{each}`' for each in kind)} |\n" for kind in NAMED[:-1])
    return f"\n| type | one of |\n|---|---|\n{''.join(rows)}\n"


def shapes() -> str:
    """A section for each shape: its fields and, unless the table shows all of it, an example of one result."""
    described: set[str] = set()
    return "\n" + "\n".join(line for shape in SHAPES for line in _section(shape, described)) + "\n" + _error()


def blocked() -> str:
    """A table of what can keep an update back."""
    meanings = _meanings(BlockedBy)
    rows = "".join(f"| `{each}` | {meanings[each.name]} |\n" for each in BlockedBy)
    return f"\n| BlockedBy | meaning |\n|---|---|\n{rows}\n"


def _section(shape: Shape, described: set[str]) -> Iterator[str]:
    model = type(shape.example)
    yield f"## {model.__name__}"
    yield ""
    yield f"Printed by {shape.commands}. {_summary(model)}"
    yield ""
    for part in parts(model):
        if part.__name__ in described and part is not model:
            continue
        described.add(part.__name__)
        if part is not model:
            yield from (f"### {part.__name__}", "", _summary(part), "")
        yield from _fields(part)
    if shape is SHAPES[0] or len(parts(model)) > 1:
        yield from _example(shape.example.model_dump(mode="json"))


def _error() -> str:
    error = ConfigError("/etc/fsm/fsm.toml: fsm.jobs", "is wrong: input should be a valid integer", "correct it")
    parts = ErrorParts(type="ConfigError", code=2, message=str(error), what=error.what, why=error.why, todo=error.todo)
    lines = ["## Errors", "", _summary(ErrorParts), "", *_fields(ErrorParts)]
    return "\n".join([*lines, *_example({"schema": SCHEMA, "error": parts.model_dump(mode="json")})]) + "\n"


def _example(document: dict[str, Any]) -> Iterator[str]:
    yield from ("```json", json.dumps(document, indent=2, ensure_ascii=False), "```", "")


def _summary(model: type[Model]) -> str:
    return inspect.getdoc(model).splitlines()[0]  # type: ignore[union-attr] # a gate holds that each has one


def parts(model: type[Model]) -> list[type[Model]]:
    """The model and the models that its fields have, each once."""
    found = [model]
    for current in found:
        for info in current.model_fields.values():
            found += [each for each in _models(info.annotation) if each not in found]
    return found


def _models(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)


def _fields(model: type[Model]) -> Iterator[str]:
    """A table of the fields.

    Raises:
        KeyError: the docstring says nothing about one of them.
    """
    meanings = _meanings(model)
    whole = model.model_json_schema(mode="serialization")
    base, told = _told(model)
    if base is not None:
        fields = "all fields" if told is base else ", ".join(f"`{name}`" for name in base.model_fields)
        yield from (f"It has {fields} of [{told.__name__}](#{told.__name__.lower()}), and:", "")
    yield from ("| field | type | meaning |", "|---|---|---|")
    own = {name: each for name, each in whole["properties"].items() if name not in getattr(base, "model_fields", {})}
    for name, schema in own.items():
        kind = _type(schema, whole.get("$defs", {}))
        meaning = meanings[name].replace("empty", "null") if kind == "string or null" else meanings[name]
        yield f"| `{name}` | {kind} | {meaning} |"
    yield ""


def _told(model: type[Model]) -> tuple[type[Model] | None, type[Model]]:
    """The base of a model whose fields another section has, and the model of that section."""
    printed = [type(shape.example) for shape in SHAPES]
    before = printed[: printed.index(model)] if model in printed else []
    for base in model.__mro__[1 : model.__mro__.index(Model)]:
        for other in [*printed, *before]:
            if base is other or (other in before and issubclass(other, base)):
                return base, other
    return None, model


def _meanings(model: type) -> dict[str, str]:
    """The ``Attributes`` of the docstrings, also of the models that this one extends."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        section = (inspect.cleandoc(kind.__doc__ or "")).partition("Attributes:\n")[2]
        for names, text in re.findall(r"^    (\w[\w, ]*): ((?:.|\n     )*)", section, re.MULTILINE):
            plain = " ".join(text.split()).replace("None", "null").replace("``", "`")
            found |= dict.fromkeys(names.split(", "), plain)
    return found


def _type(schema: dict[str, Any], known: dict[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        is_list = "enum" in known[name] and name not in {kind.__name__ for kind in NAMED}
        return _type(known[name], known) if is_list else name
    if "anyOf" in schema:
        return " or ".join(_type(part, known) for part in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'], known)}"
    return str(schema.get("type", "any value"))
