"""Every module with the first line of its docstring, for `docs/architecture.md`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.contracts import component_packages

ROOT: Final = Path(__file__).resolve().parent.parent

PACKAGES: Final = ("host", "engine", "kit", "services", "sources", "release", "formats", "system")
"""The packages whose modules are listed, from above; the command line has one file for each command."""

TOP: Final = "fsm"
"""What programs and adapters import."""


def modules(root: Path = ROOT) -> str:
    """A table for what stands at the top, and one for each package: a module, and what it is for."""
    top = [path for path in _inside(root / TOP) if not path.is_dir()]
    lines = ["", "### `fsm/`", "", *_table(top)]
    for name in PACKAGES:
        folder = root / TOP / name
        lines += [f"### `fsm/{name}/`", "", *_table(_inside(folder))]
    return "\n".join(lines) + "\n"


def types(root: Path = ROOT) -> str:
    """A table for each component type: the files that only it has, and after them those that all have."""
    folders = [root / "components" / name for name in component_packages(root)]
    shared = set.intersection(*({path.name for path in _inside(folder)} for folder in folders))
    lines = [""]
    for folder in folders:
        own = [path for path in _inside(folder) if path.name not in shared]
        lines += [f"### `components/{folder.name}/`", "", _says(folder), "", *_table(own)]
    names = ", ".join(f"`{Path(name).stem}`" for name in sorted(shared))
    return "\n".join([*lines, f"In each of them: {names}.", "", ""])


def _table(paths: list[Path]) -> Iterator[str]:
    yield from ("| module | what it is for |", "|---|---|")
    for path in paths:
        yield from _rows(path, "")
    yield ""


def _rows(path: Path, above: str) -> Iterator[str]:
    """A module; a package, and what is in it."""
    name = f"{above}{path.name}{'/' if path.is_dir() else ''}"
    yield f"| `{name}` | {_says(path)} |"
    for inner in _inside(path) if path.is_dir() else ():
        yield from _rows(inner, name)


def _inside(folder: Path) -> list[Path]:
    found = [*folder.glob("[a-z]*.py"), *(path.parent for path in folder.glob("*/__init__.py"))]
    return sorted(found, key=lambda path: path.stem)


def _says(path: Path) -> str:
    """The first line of a module's docstring."""
    source = (path / "__init__.py" if path.is_dir() else path).read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").split("\n")[0].replace("|", "\\|").replace("``", "`")
