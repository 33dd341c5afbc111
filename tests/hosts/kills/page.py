"""Writes what the kills showed into `docs/reliability.md`, between its marks."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.hosts.kills.series import Series
from tests.hosts.rootfs import ROOT

PAGE: Final = ROOT / "docs" / "reliability.md"

_COLUMNS: Final = (
    "what was updated",
    "kills",
    "new version",
    "old version",
    "half of each",
    "in no good state",
    "resume, median / max",
    "answers after, median / max",
)


def outcomes(series: Sequence[Series], titles: Mapping[str, str]) -> str:
    """One line for each scenario: kills, outcomes, problems, times."""
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" + "|--:" * (len(_COLUMNS) - 1) + "|"]
    for one in series:
        bad = [trial for trial in one.counted if trial.problems]
        good = Counter(trial.outcome for trial in one.counted if not trial.problems)
        resumed = [trial.resume_seconds for trial in one.counted if trial.resume_seconds is not None]
        cells = (
            titles[one.scenario] + (f", {one.disk}" if one.disk else ""),
            str(len(one.counted)),
            str(good["done"] + good["new"]),
            str(good["rolled_back"] + good["old"]),
            str(good["half"]),
            f"**{len(bad)}**" if bad else "0",
            _span(resumed),
            _span([trial.answer_seconds for trial in one.counted if not trial.problems]),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def states(series: Sequence[Series], titles: Mapping[str, str]) -> str:
    """In which state of the machine the kills came."""
    names = ("checking", "backing_up", "updating", "verifying", "verified", "rolling_back")
    lines = [f"| what was updated | {' | '.join(names)} | boot killed as well | broken releases |"]
    lines.append("|---" + "|--:" * (len(names) + 2) + "|")
    for one in series:
        killed = Counter(trial.killed_in for trial in one.counted)
        if not any(killed[name] for name in names):
            continue
        again = sum(trial.again is not None for trial in one.counted)
        broken = sum(trial.broken for trial in one.counted)
        cells = [titles[one.scenario], *(str(killed[name]) for name in names), str(again), str(broken)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def failures(series: Sequence[Series], titles: Mapping[str, str]) -> str:
    """What was wrong, and how often."""
    lines = []
    for one in series:
        found = Counter(_kind(problem) for trial in one.counted for problem in trial.problems)
        lines += [f"- {titles[one.scenario]}: {what} ({number} times)" for what, number in found.most_common()]
    return "\n".join(lines) or "Nothing was."


def write(blocks: Mapping[str, str], page: Path = PAGE) -> None:
    """Put texts between their marks.

    Raises:
        ValueError: the page has no such marks.
    """
    text = page.read_text(encoding="utf-8")
    for name, block in blocks.items():
        marks = re.compile(
            rf"(<!-- measured: {re.escape(name)} -->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL
        )
        if not marks.search(text):
            raise ValueError(f"{page} has no marks for {name!r}")
        text = marks.sub(lambda match, block=block: f"{match[1]}\n{block}\n\n{match[2]}", text)  # type: ignore[misc]
    page.write_text(text, encoding="utf-8")


def _kind(problem: str) -> str:
    """A problem without what differs each time: versions, and the logs behind it."""
    return re.sub(r"\b\d+\.\d+\.\d+\b", "…", problem.splitlines()[0])[:160]


def _span(values: Iterable[float]) -> str:
    found = sorted(values)
    return f"{statistics.median(found):.1f} / {found[-1]:.1f} s" if found else "–"
