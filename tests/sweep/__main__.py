"""`make sweep`: strikes at the system calls of runs, one in each case, and says what came of it."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests.crash.crash_case import ROOT
from tests.crash.scenarios import SCENARIOS
from tests.hosts.kills import page
from tests.sweep import table
from tests.sweep.calls import missing
from tests.sweep.sweep import MODES, Sweep, perform

RESULTS: Final = ROOT / "build" / "sweep"


def main(argv: list[str]) -> int:
    """The command line. A series that was stopped goes on where it was: its cases are kept in `RESULTS`.

    Returns:
        The exit code: 1 if something was not as promised.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--first", type=int, default=0, help="begin with this case: another process has the others")
    parser.add_argument("--only", type=int, help="this case alone, and all that its commands say and change")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so many")
    parser.add_argument("--scenario", default="", help="only scenarios that have this in their names")
    parser.add_argument("--mode", action="append", choices=MODES, help="only this; may be given several times")
    parser.add_argument("--page", action="store_true", help="write the table into docs/reliability.md")
    given = parser.parse_args(argv)
    if why := missing():
        parser.exit(2, f"cannot sweep: {why}\n")
    RESULTS.mkdir(parents=True, exist_ok=True)
    names = [name for name in SCENARIOS if given.scenario in name]
    series = "-".join([str(given.seed), *filter(None, [given.scenario]), *(given.mode or ())])
    with Sweep() as sweep:
        if given.only is not None:
            return _alone(sweep, names, given)
        _series(sweep, names, RESULTS / f"{series}-from-{given.first}.jsonl", given)
    logs = [_known(log) for log in sorted(RESULTS.glob(f"{series}-from-*.jsonl"))]
    cases = [case for log in logs for case in log]
    print(table.text(cases, given.seed))
    if given.page:
        page.write({"sweep": table.text(cases, given.seed)})
    return 1 if any(case["wrong"] for case in cases) else 0


def _alone(sweep: Sweep, names: list[str], given: argparse.Namespace) -> int:
    case = perform(sweep, names, given.mode or MODES, given.seed, given.only)
    for heard in sweep.forge.heard:
        print(*heard.seen, sep="\n")
        print(heard)
    print(json.dumps(case, indent=1))
    return 1 if case["wrong"] else 0


def _series(sweep: Sweep, names: list[str], log: Path, given: argparse.Namespace) -> None:
    began = time.monotonic()
    with log.open("a") as lines:
        for number in range(given.first + len(_known(log)), given.cases):
            if time.monotonic() - began > given.seconds:
                break
            case = perform(sweep, names, given.mode or MODES, given.seed, number)
            print(json.dumps(case), file=lines, flush=True)


def _known(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
