"""`make powercut`: cuts the power of runs on several file systems, and says what came of it."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests import series
from tests.crash.scenarios import SCENARIOS
from tests.hosts.kills import page
from tests.powercut import table
from tests.powercut.disk import KINDS, no_writeback
from tests.powercut.outage import Cuts

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = ROOT / "build" / "powercut"

CUT: Final = tuple(name for name, scenario in SCENARIOS.items() if scenario.way != "copy")
"""Scenarios that mount nothing themselves."""


def main(argv: list[str]) -> int:
    """The command line. A series that was stopped goes on where it was: its cuts are kept in `RESULTS`.

    Returns:
        The exit code: 1 if something was not as promised.
    """
    parser = series.options("tests.powercut", __doc__, "cut", 500, "on each file system")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only these file systems")
    parser.add_argument("--scenario", default="", help="only scenarios that have this in their names")
    given = parser.parse_args(argv)
    RESULTS.mkdir(parents=True, exist_ok=True)
    names = [name for name in CUT if given.scenario in name]
    with no_writeback():
        for kind in given.kind or KINDS:
            with Cuts(kind) as cuts:
                _series(cuts, names, given)
    title = f"{given.seed}{given.scenario}"
    every = [one for kind in KINDS for one in series.known(RESULTS / f"{title}-{kind}.jsonl")]
    print(table.text(every, given.seed))
    if given.page:
        page.write({"powercut": table.text(every, given.seed)})
    return 1 if any(one["wrong"] for one in every) else 0


def _series(cuts: Cuts, names: list[str], given: argparse.Namespace) -> None:
    log = RESULTS / f"{given.seed}{given.scenario}-{cuts.kind}.jsonl"
    numbers = range(len(series.known(log)), given.cuts) if given.only is None else [given.only]
    for number in numbers:
        one = perform(cuts, names, given.seed, number)
        if one["wrong"] or given.only is not None:
            print(json.dumps(one, indent=1), flush=True)
        if given.only is None:
            with log.open("a") as lines:
                print(json.dumps(one), file=lines)


def perform(cuts: Cuts, names: list[str], seed: int, number: int) -> dict[str, Any]:
    """Draw one cut of a series, and make it; what came of it."""
    chance = random.Random(f"{seed} {cuts.kind} {number}")
    name = names[number % len(names)]
    drawn, begun, wrong = cuts.draw(name, chance), time.monotonic(), ""
    try:
        cuts.cut(name, drawn)
    except AssertionError as error:
        wrong = str(error) or "see the assertion"
    took = round(time.monotonic() - begun, 2)
    words = [str(each) for each in drawn]
    return {"number": number, "kind": cuts.kind, "scenario": name, "cuts": words, "seconds": took, "wrong": wrong}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
