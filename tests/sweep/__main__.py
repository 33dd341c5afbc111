"""`make sweep`: strikes at the system calls of runs, one in each case, and says what came of it."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from typing import Final

from tests import series
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
    parser = series.options("tests.sweep", __doc__, "case", 3000)
    series.shared(parser, "case")
    parser.add_argument("--scenario", default="", help="only scenarios that have this in their names")
    parser.add_argument("--mode", action="append", choices=MODES, help="only this; may be given several times")
    given = parser.parse_args(argv)
    if why := missing():
        parser.exit(2, f"cannot sweep: {why}\n")
    RESULTS.mkdir(parents=True, exist_ok=True)
    names = [name for name in SCENARIOS if given.scenario in name]
    title = "-".join([str(given.seed), *filter(None, [given.scenario]), *(given.mode or ())])
    with Sweep() as sweep:
        if given.only is not None:
            return _alone(sweep, names, given)
        log = RESULTS / f"{title}-from-{given.first}.jsonl"
        modes = given.mode or MODES
        series.go_on(log, given.first, given.cases, given.seconds, partial(perform, sweep, names, modes, given.seed))
    logs = [series.known(log) for log in sorted(RESULTS.glob(f"{title}-from-*.jsonl"))]
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
