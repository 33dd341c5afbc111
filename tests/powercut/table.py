"""What came of a series of power cuts, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any


def text(cuts: Sequence[dict[str, Any]], seed: int) -> str:
    """The page's part.

    Args:
        cuts: what `tests.powercut.__main__.perform` has told.
        seed: of the series.
    """
    twice = sum(len(one["cuts"]) > 1 for one in cuts)
    timed = sum(each[0].isdigit() for one in cuts for each in one["cuts"])
    some = sum("some files" in each for one in cuts for each in one["cuts"])
    made, wrong = Counter(_kind(one) for one in cuts), Counter(_kind(one) for one in cuts if one["wrong"])
    lines = [
        f"{len(cuts):,} runs (seed {seed}), {twice} of them cut twice: {timed} cuts at any time, the others at fault",
        f"points; {some} with some files written that nobody had synced. Not as promised: {sum(wrong.values())}.",
        "",
        "| file system | what | runs | not as promised |",
        "|---|---|--:|--:|",
        *(f"| {kind} | {what} | {count} | {wrong[kind, what]} |" for (kind, what), count in sorted(made.items())),
    ]
    failed = [one for one in cuts if one["wrong"]]
    lines += ["", *(f"- {one['kind']} {one['number']}, {one['scenario']}: {one['wrong'][:200]}" for one in failed[:20])]
    return "\n".join(lines).rstrip()


def _kind(one: dict[str, Any]) -> tuple[str, str]:
    name = str(one["scenario"])
    return str(one["kind"]), "git checkouts" if name.startswith("git") else "sets" if "set" in name else "Python apps"
