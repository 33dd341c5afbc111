"""What keeping the old version costs while the service is down, whatever its size, beside packing and copying it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, duration, ratio, timed
from benchmarks.rig import BareContext, Bench
from benchmarks.webapp import Site
from fsm.adapter import Done
from fsm.engine.progress import EventKind, ProgressEvent
from fsm.engine.report import Outcome, UpdateResult
from fsm.system import inventory
from fsm.updater import Updater
from fsm_python_app.layout import Layout
from fsm_python_app.moves import Exchange

PER_DIRECTORY: Final = 100
TEXT: Final = b"def work(values):\n    return [value * 2 for value in values if value > 1]\n\n\n"

RUN: Final = 4711
"""Number of a run that there is not, for the step that is measured alone."""


def measure(bench: Bench) -> list[Figure]:
    """See the module."""
    files, size = bench.scaled(50_000, 200), bench.scaled(1 << 30, 1 << 20)
    with bench.room("backup") as room, ExitStack() as stack:
        site = Site.made(room / "host", light=bench.quick).installed(stack)
        grow(site.live / "assets", files, size)
        site.publish(1)
        os.sync()
        step = bench.turns(_step(site), 20)
        shutil.rmtree(Layout.of(site.live).run(RUN))
        gaps = _Gaps()
        updater = Updater.from_config(site.config, observers=[gaps])
        cases = {
            "update": lambda: gaps.of(updater.update("web", force=True)),
            "rollback": lambda: gaps.of(updater.rollback("web", data="restore")),
            "inventory": timed(lambda: inventory.take(site.live).save(room / "inventory")),
            "tar": _onto(room / "copy.tar.gz", lambda to: ["tar", "czf", to, "-C", site.place, "web"]),
            "cp": _onto(room / "copy", lambda to: ["cp", "-a", site.live, to]),
        }
        found = bench.turns(cases, 3)
    tree = f"{files:,} files, {size / 2**20:,.0f} MiB"
    down = "backup and swap in an update, from stopped to start"
    return [
        duration(f"{down}: {tree}", found["update"], under_ms=50),
        duration("the same in `fsm rollback`", found["rollback"], under_ms=50),
        duration("the exchange and its sync alone", step["do"], under_ms=50),
        duration("its undo alone", step["undo"], under_ms=50),
        ratio(down, found["update"], "`tar czf` of the tree", found["tar"], sense="at least"),
        ratio(down, found["update"], "`cp -a` of the tree", found["cp"], sense="at least"),
        duration("beforehand, while the service runs: inventory of the tree with SHA-256", found["inventory"]),
    ]


def grow(tree: Path, files: int, size: int) -> None:
    """Fill a tree with so many files of `size` bytes together; half of each is text, half is noise."""
    noise = random.Random(1)  # the same tree each time
    even = size // files
    for number in range(files):
        directory = tree / f"d{number // PER_DIRECTORY:04}"
        if number % PER_DIRECTORY == 0:
            directory.mkdir(parents=True)
        # Two neighbours of different size together have twice the average.
        length = even // 2 if number % 2 else even + even // 2
        text = TEXT * (length // 2 // len(TEXT) + 1)
        (directory / f"f{number}").write_bytes(text[: length // 2] + noise.randbytes(length - length // 2))


class _Gaps:
    """Hears when the service has been stopped, and when its start begins."""

    def __init__(self) -> None:
        self._stopped = 0.0
        self._gap = 0.0

    def __call__(self, event: ProgressEvent) -> None:
        if event.kind is EventKind.STEP_DONE and event.step == "stop_service":
            self._stopped = time.perf_counter()
        elif event.kind is EventKind.STEP and event.step == "start_service":
            self._gap = time.perf_counter() - self._stopped

    def of(self, result: UpdateResult) -> float:
        """The seconds between the two in the run that has just ended."""
        if result.outcome is not Outcome.DONE:
            raise RuntimeError(result.headline)
        return self._gap


def _step(site: Site) -> dict[str, Callable[[], float]]:
    """The exchange of the big tree with another one, and back, by the step itself."""
    layout = Layout.of(site.live)
    tree = layout.paths(RUN).tree
    tree.mkdir(parents=True)
    inodes = {"new": tree.stat().st_ino, "old": site.live.stat().st_ino}
    context = BareContext(run_id=RUN, results={"prepare": inodes})
    step = Exchange(layout=layout)

    def do() -> None:
        if not isinstance(step.do(context), Done):
            raise RuntimeError("the trees were not exchanged")

    def undo() -> None:
        if not isinstance(step.undo(context), Done):
            raise RuntimeError("the trees were not exchanged back")

    return {"do": timed(do), "undo": timed(undo)}


def _onto(target: Path, command: Callable[[Path], Sequence[str | Path]]) -> Callable[[], float]:
    """A command that makes `target` anew; removing the last one does not count."""

    def case() -> float:
        if target.is_dir():
            shutil.rmtree(target)
        target.unlink(missing_ok=True)
        os.sync()
        return timed(lambda: subprocess.run(command(target), check=True))()

    return case
