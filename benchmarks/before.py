"""What the boundary costs a host that has one user only: the same host, updated by this commit and by one from before.

Both are cloned and get an environment of their own, with what users install and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, ratio, timed
from benchmarks.polling import polling
from benchmarks.rig import ROOT, Bench, child, fsm
from benchmarks.webapp import Site

COMMIT: Final = "8772ea5a"
"""The last one that touched every tree as the user whom the updater runs as."""

NOW: Final = "HEAD"


def measure(bench: Bench) -> list[Figure]:
    """See the module."""
    rounds = bench.scaled(15, 1)
    with bench.room("before") as room, ExitStack() as stack:
        programs = {commit: _program(bench, room / commit, commit) for commit in (COMMIT, NOW)}
        sites = {commit: Site.made(room / f"host-{commit}", light=bench.quick) for commit in programs}
        numbers = {commit: count(1) for commit in programs}

        def call(commit: str, *words: str) -> None:
            if bench.quick:
                sites[commit].fsm(*words)
            else:
                child([*programs[commit], "--config", sites[commit].config, *words], cwd=sites[commit].place)

        for commit, site in sites.items():
            site.publish(0)
            call(commit, "update", "web")
            stack.callback(site.stop)

        def case(commit: str, measured: Callable[[Callable[[], None]], Callable[[], float]]) -> Callable[[], float]:
            def once() -> float:
                sites[commit].publish(next(numbers[commit]))
                return measured(lambda: call(commit, "update", "web"))()

            return once

        wall = bench.turns({commit: case(commit, timed) for commit in programs}, rounds)
        clients = {commit: stack.enter_context(polling(site.port)) for commit, site in sites.items()}
        down = bench.turns({commit: case(commit, clients[commit]) for commit in programs}, rounds)
        asked = {commit: timed(lambda commit=commit: call(commit, "status")) for commit in programs}  # type: ignore[misc]
        status = bench.turns(asked, 2 * rounds)
    peer = f"the same by {COMMIT}"
    return [
        ratio("an update of root's app, all of it root's", wall[NOW], peer, wall[COMMIT], 1.05),
        ratio("requests fail during that update", down[NOW], peer, down[COMMIT], 1.05),
        ratio("`fsm status` of that host", status[NOW], peer, status[COMMIT], 1.05),
    ]


def _program(bench: Bench, place: Path, commit: str) -> list[str]:
    """The command `fsm` of a commit, in an environment of its own; ours where only to see that the rest works."""
    if bench.quick:
        return fsm()
    child(["git", "clone", "--quiet", "--shared", "--no-checkout", ROOT, place])
    child(["git", "checkout", "--quiet", "--detach", commit], cwd=place)
    child(["make", ".venv/.runtime"], cwd=place)
    return [str(place / ".venv" / "bin" / "fsm")]
