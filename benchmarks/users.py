"""What it costs that an app has a user of its own: two hosts that differ by who owns the app's directory."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, ratio, spread, timed
from benchmarks.polling import polling
from benchmarks.rig import Bench, child
from benchmarks.webapp import Site
from tests.users import OTHER, python_for_all

ADDED: Final = 0.3
"""Seconds that the user's process may take."""


def measure(bench: Bench) -> list[Figure]:
    """See the module.

    Raises:
        RuntimeError: this is not root's process, or there is no Python that other users can run.
    """
    if os.geteuid() != 0:
        raise RuntimeError("only root can act as somebody else; run this benchmark as root")
    program = [python_for_all(), "-m", "fsm"]
    rounds = bench.scaled(10, 1)

    def fsm(site: Site, *words: str) -> None:
        child([*program, "--config", site.config, *words], cwd=site.place)

    with bench.room("users") as room, ExitStack() as stack:
        sites = {name: Site.made(room / name, light=bench.quick) for name in ("root's", "a user's")}
        numbers = {name: count(1) for name in sites}
        for name, site in sites.items():
            site.publish(0)
            fsm(site, "update", "web")
            stack.callback(site.stop)
            if name == "a user's":
                for tree in (site.live, site.place / ".web.fsm"):
                    _give(tree)

        def case(name: str, measured: Callable[[Callable[[], None]], Callable[[], float]]) -> Callable[[], float]:
            def once() -> float:
                sites[name].publish(next(numbers[name]))
                return measured(lambda: fsm(sites[name], "update", "web"))()

            return once

        wall = bench.turns({name: case(name, timed) for name in sites}, rounds)
        clients = {name: stack.enter_context(polling(site.port)) for name, site in sites.items()}
        down = bench.turns({name: case(name, clients[name]) for name in sites}, rounds)
        asked = {name: timed(lambda site=site: fsm(site, "status")) for name, site in sites.items()}  # type: ignore[misc]
        status = bench.turns(asked, 2 * rounds)
    added = max(statistics.median(wall["a user's"]) - statistics.median(wall["root's"]), 0.0)
    peer, theirs = "the same of root's", spread(wall["root's"])
    return [
        Figure(
            "an update of a user's app takes longer",
            spread(wall["a user's"]),
            f"{peer}: {theirs}",
            added,
            "s",
            ADDED,
        ),
        ratio("requests fail during an update of a user's app", down["a user's"], peer, down["root's"], 1.05),
        ratio("`fsm status` with a user's app", status["a user's"], peer, status["root's"], 1.05),
    ]


def _give(tree: Path) -> None:
    """Make a tree a user's."""
    for folder, names, files in os.walk(tree):
        for name in (".", *names, *files):
            os.lchown(Path(folder, name), OTHER, OTHER)
