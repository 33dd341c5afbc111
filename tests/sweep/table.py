"""What came of a sweep, as a table."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.crash.scenarios import SCENARIOS

_TYPES = {"python_app": "Python app", "pair": "set of Python apps", "git": "git checkout"}


def text(cases: Sequence[Mapping[str, Any]], seed: int) -> str:
    """The page's part.

    Args:
        cases: what `tests.sweep.sweep.perform` has told.
        seed: of the series.
    """
    wrong = [case for case in cases if case["wrong"]]
    # The last strike of a case may come too late: what a resume has to do differs.
    missed = sum(len(case["struck"]) < len(case["faults"]) for case in cases)
    modes = sorted({_mode(case) for case in cases})
    made, bad = Counter(map(_cell, cases)), Counter(map(_cell, wrong))
    seconds = statistics.median(case["seconds"] for case in cases)
    lines = [
        f"{len(cases):,} cases (seed {seed}), {seconds:.1f} s each (median); "
        f"in {missed} the command ended before the call. Not as promised: {len(wrong)}.",
        "",
        f"| what was struck | {' | '.join(modes)} | not as promised |",
        "|---" + "|--:" * (len(modes) + 1) + "|",
    ]
    for what in sorted({what for what, _ in made}):
        cells = [str(made[what, mode]) for mode in modes]
        lines.append(f"| {what} | {' | '.join(cells)} | {sum(bad[what, mode] for mode in modes)} |")
    told = [
        f"- {case['number']}, {case['scenario']}, {', '.join(case['struck'])}: {case['wrong'][:200]}" for case in wrong
    ]
    return "\n".join([*lines, "", *told[:20]]).rstrip()


def _cell(case: Mapping[str, Any]) -> tuple[str, str]:
    return _what(case), _mode(case)


def _mode(case: Mapping[str, Any]) -> str:
    return str(case["kinds"][-1])


def _what(case: Mapping[str, Any]) -> str:
    scenario = SCENARIOS[case["scenario"]]
    if len(case["faults"]) > 1:
        verb = "resume"
    elif scenario.verb in ("rollback", "bring_back", "bring_back_written"):
        verb = "rollback" if scenario.verb == "rollback" else "bring back"
    else:
        verb = "update" if scenario.outcome == "done" else "failed update"
    return f"{_TYPES[scenario.kind]}: {verb}"
