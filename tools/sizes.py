"""The gate on lengths: files stay small enough to hold in the head, functions small enough to see at once.

A file beyond `FILE_AIM` lines, or a function beyond `FUNCTION_AIM`, is listed; beyond the limit it fails. Lines are
those an editor shows; a function's docstring does not count, it is there to be long. Cyclomatic complexity and missing
docstrings are ruff's business.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
TREES: Final = ("fsm", "components", "tools", "benchmarks", "examples", "tests")
FILE_AIM: Final = 300
FILE_LIMIT: Final = 400
FUNCTION_AIM: Final = 40
FUNCTION_LIMIT: Final = 60


class Size(NamedTuple):
    """A file or a function, and its length in lines."""

    where: str
    lines: int


def files(root: Path, trees: Iterable[str] = TREES) -> list[Path]:
    """Every Python file below the named directories of `root`, sorted."""
    return sorted(path for tree in trees for path in (root / tree).rglob("*.py"))


def functions(text: str, name: str) -> Iterator[Size]:
    """Every function in a module's `text`, as `name:line function`, with its lines less those of its docstring."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node, clean=False) is not None
            yield Size(f"{name}:{node.lineno} {node.name}", _lines(node) - (_lines(node.body[0]) if documented else 0))


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def summary(kind: str, sizes: list[Size], aim: int, limit: int) -> tuple[list[str], int]:
    """What to print about `sizes`, and how many of them exceed `limit`."""
    if not sizes:
        return [f"{kind}: none"], 0
    lengths = [size.lines for size in sizes]
    lines = [f"{kind}: {len(sizes)}, lines median {statistics.median(lengths):g}, max {max(lengths)} (limit {limit})"]
    for size in sorted(sizes, key=lambda size: -size.lines):
        if size.lines > limit:
            lines.append(f"  error: {size.where} has {size.lines} lines, more than {limit}; split it")
        elif size.lines > aim:
            lines.append(f"  warning: {size.where} has {size.lines} lines, the aim is {aim}")
    return lines, sum(length > limit for length in lengths)


def main(root: Path = ROOT) -> int:
    """Print the numbers of the checkout at `root`; 1 where something is too long."""
    texts = {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in files(root)}
    shipped = {name: text for name, text in texts.items() if name.startswith(("fsm/", "components/"))}
    too_long = 0
    for kind, group in (("shipped", shipped), ("all", texts)):
        lines, errors = summary(
            f"{kind} files", [Size(name, text.count("\n")) for name, text in group.items()], FILE_AIM, FILE_LIMIT
        )
        more, worse = summary(
            f"{kind} functions",
            [size for name, text in group.items() for size in functions(text, name)],
            FUNCTION_AIM,
            FUNCTION_LIMIT,
        )
        print("\n".join([*lines, *more] if kind == "all" else [lines[0], more[0]]))
        too_long += errors + worse
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main())
