"""The inputs and outputs of the action, as tables of `action.yml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fsm.formats.yamldoc import load

ACTION: Final = Path(__file__).resolve().parent.parent / "action.yml"


def inputs(path: Path = ACTION) -> str:
    """A table of the inputs, in the order of the file."""
    rows = [
        f"| `{name}` | {_default(each['default'])} | {each['description']}. |" for name, each in _read(path, "inputs")
    ]
    return "\n".join(["", "| input | default | meaning |", "|---|---|---|", *rows, "\n"])


def outputs(path: Path = ACTION) -> str:
    """A table of the outputs, in the order of the file."""
    rows = [f"| `{name}` | {each['description']}. |" for name, each in _read(path, "outputs")]
    return "\n".join(["", "| output | meaning |", "|---|---|", *rows, "\n"])


def _read(path: Path, section: str) -> list[tuple[str, dict[str, Any]]]:
    found: dict[str, dict[str, Any]] = load(path.read_bytes(), where=path.name).data[section]
    return list(found.items())


def _default(value: str) -> str:
    return f"`{value}`" if value else "–"
