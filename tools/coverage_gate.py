"""The gate on coverage: a floor for the whole, every branch for what a crash would find.

Reads the report of `coverage json` (https://coverage.readthedocs.io/en/latest/commands/cmd_json.html).
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

FLOOR: Final = 92.0
"""Per cent, of branches and of lines with branches, over everything."""

COMPLETE: Final = re.compile(r"fsm/(lifecycle\.py|engine/(journal|machine|executor)(_\w+)?(\.py|/.+\.py))$")
"""The files that decide what happens after a crash: 100 % of lines and of branches."""


def branches(summary: dict[str, Any]) -> float:
    """Per cent of the branches that were taken; 100 where there are none."""
    return 100.0 * summary["covered_branches"] / summary["num_branches"] if summary["num_branches"] else 100.0


def problems(report: dict[str, Any]) -> list[str]:
    """One sentence for each number below its floor."""
    totals = report["totals"]
    found = [
        f"{what}: {share:.2f} % is covered, {FLOOR:g} % is the least"
        for what, share in (("branches", branches(totals)), ("lines and branches", totals["percent_covered"]))
        if share < FLOOR
    ]
    for name, entry in sorted(report["files"].items()):
        posix = name.replace("\\", "/")
        if COMPLETE.search(posix) and (entry["missing_lines"] or entry["missing_branches"]):
            jumps = ", ".join(f"{start}->{end if end > 0 else 'exit'}" for start, end in entry["missing_branches"])
            lines = ", ".join(map(str, entry["missing_lines"]))
            found.append(f"{posix}: must be complete; lines without a test: {lines or '-'}; branches: {jumps or '-'}")
    return found


def table(report: dict[str, Any]) -> list[str]:
    """The files that are not complete, least covered first, and the total."""
    rows = [(entry["summary"]["percent_covered"], name) for name, entry in report["files"].items()]
    totals = report["totals"]
    last = f"{totals['percent_covered']:6.2f} %  in all; branches alone {branches(totals):.2f} %"
    return [*(f"{share:6.2f} %  {name}" for share, name in sorted(rows) if share < 100), last]


def main(argv: list[str]) -> int:
    """Print the numbers of the report that `argv` names; 1 where one is below its floor."""
    if len(argv) != 1:
        print("usage: coverage_gate.py REPORT.json", file=sys.stderr)
        return 2
    report = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    found = problems(report)
    print("\n".join([*table(report), *(f"error: {problem}" for problem in found)]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
