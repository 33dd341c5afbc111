"""The fault points that the source names; see `fsm.system.faults`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def declared(*packages: Path) -> Iterator[tuple[str, Path]]:
    """Every fault point named in the Python files below `packages`, with the file that names it."""
    for package in packages:
        for path in sorted(package.rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)) if "faults" in text else ():
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr == "point"
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "faults"
                ):
                    argument = node.args[0]
                    if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                        raise ValueError(f"{path}:{node.lineno}: a fault point's name must be a literal string")
                    yield argument.value, path
