"""The rooms of each wing, from the first sentences of their modules, for `docs/architecture.md`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent

WINGS: Final = ("host", "engine", "kit", "services", "sources", "release", "formats", "system")
"""The wings whose rooms are listed, from above; the command line has one file for each command."""

TOP: Final = "fsm"
"""What programs and adapters import."""


def rooms(root: Path = ROOT) -> str:
    """A table for what stands at the top, and one for each wing: a module or package, and what it is for."""
    lines = ["", "### `fsm/`", "", *_table(root / TOP, packages=False)]
    for wing in WINGS:
        lines += [f"### `fsm/{wing}/`", "", *_table(root / TOP / wing, packages=True)]
    return "\n".join(lines) + "\n"


def types(root: Path = ROOT) -> str:
    """A table of the files of the component types: which type has each."""
    folders = sorted(found.parent for found in (root / "components").glob("*/__init__.py"))
    names = sorted({path.stem for folder in folders for path in folder.glob("[a-z]*.py")})
    shared = [name for name in names if all((folder / f"{name}.py").exists() for folder in folders)]
    lines = ["", "| package | what it updates | its own files |", "|---|---|---|"]
    for folder in folders:
        own = sorted(path.stem for path in folder.glob("[a-z]*.py") if path.stem not in shared)
        lines.append(f"| `{folder.name}` | {_says(folder)} | {_names(own)} |")
    return "\n".join([*lines, "", f"In each of them: {_names(shared)}.", "", ""])


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(folder: Path, *, packages: bool) -> Iterator[str]:
    yield from ("| room | what it is for |", "|---|---|")
    for room in _rooms(folder, packages=packages):
        yield f"| `{room.name}{'/' if room.is_dir() else ''}` | {_says(room)} |"
    yield ""


def _rooms(folder: Path, *, packages: bool) -> list[Path]:
    found = list(folder.glob("[a-z]*.py"))
    if packages:
        found += [path.parent for path in folder.glob("*/__init__.py")]
    return sorted(found, key=lambda path: path.stem)


def _says(room: Path) -> str:
    """The first line of a module's docstring."""
    source = (room / "__init__.py" if room.is_dir() else room).read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").split("\n")[0].replace("|", "\\|").replace("``", "`")
