"""Writes results into `docs/benchmarks.md`, each benchmark's between its own two marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure
from benchmarks.rig import ROOT

PAGE: Final = ROOT / "docs" / "benchmarks.md"

_VERDICT: Final = {True: "yes", False: "**no**", None: "–"}


def table(figures: Sequence[Figure]) -> str:
    """Figures as a Markdown table."""
    lines = ["| | fsm | against | figure | limit | kept |", "|---|---|---|--:|--:|:-:|"]
    for figure in figures:
        limit = "–" if figure.limit is None else f"{figure.sense} {figure.limit:g} {figure.unit}"
        cells = (figure.what, figure.ours, figure.against or "–", value(figure), limit, _VERDICT[figure.ok])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def value(figure: Figure) -> str:
    """The number that the limit is about, with its unit."""
    digits = 0 if figure.value >= 100 else 1 if figure.value >= 10 else 2
    return f"{figure.value:.{digits}f} {figure.unit}"


def block(figures: Sequence[Figure], machine: str) -> str:
    """What stands between the marks."""
    return f"\n{table(figures)}\n\nMeasured {machine}.\n"


def write(name: str, figures: Sequence[Figure], machine: str, page: Path = PAGE) -> None:
    """Put the results of one benchmark into the page.

    Raises:
        ValueError: the page has no marks of that name.
    """
    text = page.read_text(encoding="utf-8")
    marks = re.compile(rf"(<!-- measured: {re.escape(name)} -->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL)
    if not marks.search(text):
        raise ValueError(f"{page} has no marks for {name!r}")
    page.write_text(marks.sub(lambda match: match[1] + block(figures, machine) + match[2], text), encoding="utf-8")
