"""`docs/reference/api.md` and `errors.md`: everything public is there, and what docstrings say of fields is right."""

from __future__ import annotations

import dataclasses
import inspect
import re
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm import adapter, kit
from tools import reference_api

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
DESCRIBED = (
    *reference_api.CONTRACT,
    *reference_api.STEPS,
    fsm.ProgressEvent,
    fsm.EventKind,
    fsm.Outcome,
    fsm.BlockedBy,
)


def _fields(kind: type[Any]) -> set[str]:
    """What a value of a class has: of a model, a dataclass, a tuple or an enumeration."""
    if issubclass(kind, Enum):
        return set(kind.__members__)
    if dataclasses.is_dataclass(kind):
        return {field.name for field in dataclasses.fields(kind)}
    return set(getattr(kind, "model_fields", getattr(kind, "_fields", ())))


@pytest.mark.parametrize("kind", DESCRIBED, ids=lambda kind: kind.__name__)
def test_a_docstring_tells_of_every_field_and_of_no_other(kind: type[Any]):
    """A reader of the reference sees what is there."""
    sections = [
        part.text for part in reference_api.parts(inspect.cleandoc(kind.__doc__ or "")) if part.title == "Attributes"
    ]
    told = {name for text in sections for names, _ in reference_api.ENTRY.findall(text) for name in names.split(", ")}
    assert told == _fields(kind)


@pytest.mark.parametrize("name", [*fsm.__all__, *adapter.__all__, *kit.__all__])
def test_every_public_name_is_in_the_reference(name: str):
    """Nobody has to read the source to learn what a name is."""
    assert re.search(rf"\b{name}\b", REFERENCE)


def test_a_signature_reads_as_it_is_written():
    """With the star before what must be named, and texts in quotes."""
    verbs = reference_api.updater()
    assert "def check(name: str, *, force: bool = False) -> CheckResult\n" in verbs
    assert "@classmethod\ndef from_data(\n    data: dict[str, Any],\n    *,\n    base: Path | None = None,\n" in verbs
    assert "def hold(name: str, why: str = '') -> None\n" in verbs
    assert "#### `Updater.status`" in verbs, "what it has from its base"


def test_every_verb_of_asyncio_is_told_of_once():
    """With how it is called; what it takes stands with `Updater`."""
    rows = re.findall(r"^\| [^|]+ \| (`.*`) \|$", reference_api.asynchronous(), re.MULTILINE)
    told = [name for row in rows for name in row.strip("`").split("`, `")]
    assert sorted(told) == sorted(name for name in vars(fsm.AsyncUpdater) if not name.startswith("_"))
    assert "| starts at once; gives a `Running` | `update`, " in reference_api.asynchronous()


def test_defaults_read_as_they_are_written():
    """A mode is octal, and a function has its name, not where it lies in memory."""
    shared = reference_api.shared()
    assert "mode: int = 0o644" in shared
    assert "<function" not in shared


def test_errors_stand_below_what_they_are_a_kind_of():
    """A program that catches the one catches the other."""
    rows = reference_api.exceptions().splitlines()
    refused = next(index for index, row in enumerate(rows) if "`Refused`" in row)
    assert rows[refused].startswith("| &emsp;`Refused` | refuse |")
    assert rows[refused + 1].startswith("| &emsp;&emsp;`ConfigError` | usage |")


def test_what_a_line_tells_stands_in_one():
    """A short member is an entry of a list; what a type of the kit has from `Adapter` stands with `Adapter` only."""
    assert "- `run_id` (`int`): The run's number in the journal.\n" in reference_api.steps()
    shared = reference_api.shared()
    assert "- `sweep_foreign(directory: Path) -> None`: The same in a directory that others write to as well" in shared
    assert "- `layout(target: Target, spec: SpecT) -> Layout`: " in shared
    assert "def draft(" not in shared
