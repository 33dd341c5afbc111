"""What a series of attacked runs showed, as tables."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Run = dict[str, Any]


def text(runs: Sequence[Run], seed: int) -> str:
    """The whole report, as the documentation has it."""
    bad = [run for run in runs if run["violations"]]
    seconds = sum(run["seconds"] for run in runs) / max(len(runs), 1)
    parts = [
        f"{len(runs)} attacked runs (seed {seed}), {seconds:.1f} s each; something that must not happen in {len(bad)}.",
        _table(runs, "what was updated", lambda run: [run["scene"]]),
        _table(runs, "command", lambda run: [run["verb"]]),
        _table(runs, "users who attack", lambda run: [str(run["attackers"])]),
        _table(runs, "plant", lambda run: {_kind(deed) for deed in run["deeds"]}),
        violations(bad),
    ]
    return "\n\n".join(part for part in parts if part)


def violations(bad: Iterable[Run]) -> str:
    """What happened that must not, how often, and the first runs that show it."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for run in bad:
        for what in {_short(violation) for violation in run["violations"]}:
            found[what].append(run["number"])
    lines = [
        f"- {what}: {len(numbers)} ({', '.join(map(str, numbers[:4]))})"
        for what, numbers in sorted(found.items(), key=lambda item: -len(item[1]))
    ]
    return "\n".join(lines)


def _table(runs: Sequence[Run], title: str, of: Callable[[Run], Iterable[str]]) -> str:
    all_runs: Counter[str] = Counter()
    bad: Counter[str] = Counter()
    for run in runs:
        all_runs.update(set(of(run)))
        bad.update(set(of(run)) if run["violations"] else ())
    lines = [f"| {title} | runs | violations |", "|---|--:|--:|"]
    return "\n".join([*lines, *(f"| {name} | {number} | {bad[name]} |" for name, number in sorted(all_runs.items()))])


def _kind(deed: str) -> str:
    moment, _, rest = deed.partition(": ")
    kind = rest.rpartition(" at ")[0]
    return f"link, {moment}" if kind.startswith("link to") else f"{kind}, {moment}" if kind != moment else moment


def _short(violation: str) -> str:
    """Without what differs each time."""
    return re.sub(r"(opened \S*?)(\d+)", r"\1N", violation)[:160]
