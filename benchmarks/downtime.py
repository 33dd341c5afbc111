"""For how long an update of the demo app lets requests fail, beside a bare restart and document 001's procedure."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count

from benchmarks import document001
from benchmarks.figures import Figure, ratio
from benchmarks.polling import polling
from benchmarks.rig import Bench, child, module
from benchmarks.webapp import Site


def measure(bench: Bench) -> list[Figure]:
    """See the module."""
    rounds = bench.scaled(12, 1)
    with bench.room("downtime") as room, ExitStack() as stack:
        ours = Site.made(room / "fsm", light=bench.quick).installed(stack)
        theirs = Site.made(room / "document001", light=bench.quick)
        stack.callback(theirs.stop)
        archives = [theirs.publish(number) for number in range(rounds + 2)]
        document001.first(theirs, archives[0])
        numbers = count(1)

        def update() -> None:
            ours.publish(next(numbers))
            ours.fsm("update", "web")

        steps = iter(archives[1:])
        poll_ours, poll_theirs = (stack.enter_context(polling(site.port)) for site in (ours, theirs))
        light = ["light"] if bench.quick else []
        cases = {
            "restart": poll_ours(lambda: child(module("restart", ours.place, str(ours.port)))),
            "update": poll_ours(update),
            "001": poll_theirs(
                lambda: child(module("document001", theirs.place, str(theirs.port), next(steps), *light))
            ),
        }
        found = bench.turns(cases, rounds)
    what = "requests fail during an update"
    return [
        ratio(what, found["update"], "bare stop and start", found["restart"], 1.15),
        ratio(what, found["update"], "document 001's procedure", found["001"], 10, "at least"),
    ]
