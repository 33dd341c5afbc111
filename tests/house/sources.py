"""The modules of the product as syntax trees, parsed once for all tests that look at them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


@cache
def sources() -> tuple[Path, ...]:
    """Every module of the framework and of the component types."""
    return tuple(sorted(path for top in ("fsm", "components") for path in (ROOT / top).rglob("*.py")))


@cache
def tree(path: Path) -> ast.Module:
    """A module's syntax; whoever gets it must not change it."""
    return ast.parse(path.read_text(encoding="utf-8"))
