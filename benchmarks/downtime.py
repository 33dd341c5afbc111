"""For how long an update of the demo app lets requests fail, beside a bare restart and document 001's procedure."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count

from benchmarks import document001
from benchmarks.figures import Figure, ratio
from benchmarks.rig import ROOT, Bench, child, environment, module
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
        poll_ours, poll_theirs = stack.enter_context(_polling(ours)), stack.enter_context(_polling(theirs))
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


@contextmanager
def _polling(site: Site) -> Iterator[Callable[[Callable[[], object]], Callable[[], float]]]:
    """Makes cases of work: each yields how long the app did not answer meanwhile."""
    with subprocess.Popen(
        module("poller", str(site.port)),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        asking, answers = client.stdin, client.stdout
        assert asking is not None
        assert answers is not None

        def tell(line: str) -> str:
            asking.write(f"{line}\n")
            asking.flush()
            return answers.readline()

        def polled(work: Callable[[], object]) -> Callable[[], float]:
            def case() -> float:
                tell("start")
                work()
                return float(tell("stop"))

            return case

        try:
            yield polled
        finally:
            asking.close()
