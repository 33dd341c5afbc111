"""What the command itself takes to start, beside an interpreter that does nothing."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from benchmarks.figures import Figure, ratio, timed
from benchmarks.rig import Bench, child, fsm
from benchmarks.webapp import Site


def measure(bench: Bench) -> list[Figure]:
    """See the module. The host has one Python app, installed by a run that the journal tells of."""
    with bench.room("startup") as room, ExitStack() as stack:
        site = Site.made(room / "host", light=bench.quick).installed(stack)
        cases = {
            "bare": timed(lambda: child([sys.executable, "-c", "pass"])),
            "click": timed(lambda: child([sys.executable, "-c", "import click"])),
            "help": timed(lambda: child([*fsm(), "--help"])),
            "status": timed(lambda: site.fsm("status")),
            "resume": timed(lambda: site.fsm("resume")),
        }
        found = bench.turns(cases, 40)
    bare = "`python -c pass`"
    return [
        ratio("`fsm --help`", found["help"], bare, found["bare"], 3.5),
        ratio("for scale: `python -c 'import click'`, which other commands pay", found["click"], bare, found["bare"]),
        ratio("`fsm status`", found["status"], bare, found["bare"], 5),
        ratio("`fsm resume` with nothing to do", found["resume"], bare, found["bare"], 5),
    ]
