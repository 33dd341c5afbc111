"""Power cuts: hosts on disks of their own, runs that are killed with all that they have started, and boots."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import pytest

from fsm.lifecycle import State
from tests.crash.crash_case import CrashCase, Forge, Kill, Undisturbed, Workshop, listing
from tests.crash.scenarios import SCENARIOS
from tests.powercut.disk import Disk

MEMORY: Final = Path("/dev/shm")

_BY_TIME: Final = 0.4
_WRITTEN: Final = 0.5
_TWICE: Final = 0.25
"""Shares of the cuts that are drawn."""


@dataclass(frozen=True)
class Cut:
    """When the power is cut, and what was on the disk by then.

    Attributes:
        point: the fault point at which the updater is killed, and how many times it is reached before; None: by time.
        seconds: else how long after the updater was asked.
        seed: of what decides which files the kernel had written although nobody had asked for it; None: no others.
    """

    point: Kill | None = None
    seconds: float = 0.0
    seed: int | None = None

    def __str__(self) -> str:
        when = f"{self.point[0]}#{self.point[1]}" if self.point else f"{self.seconds:.3f} s"
        return when if self.seed is None else f"{when}, some files written ({self.seed})"


class Cuts:
    """Makes the hosts of one kind of file system, and cuts their power. A context manager.

    Args:
        kind: of `tests.powercut.disk.KINDS`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._place = Path(tempfile.mkdtemp(prefix="fsm-powercut-", dir="/var/tmp"))
        self._forge = Forge(self._place / "forge.log", "here")
        self._known: dict[str, tuple[Undisturbed, float]] = {}
        self._number = 0

    def __enter__(self) -> Self:
        self._forge.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._forge.__exit__()
        shutil.rmtree(self._place)

    def undisturbed(self, name: str) -> tuple[Undisturbed, float]:
        """How a scenario goes by itself on such a disk, and how many seconds that takes; recorded once."""
        if name not in self._known:
            with self._host(name) as (case, _):
                before, begun = listing(case.app_fixture.root), time.monotonic()
                answer = case.ask(SCENARIOS[name].verb)
                took, after = time.monotonic() - begun, listing(case.app_fixture.root)
                wanted = Undisturbed(answer["trail"], before, after, answer["results"][0])
                case.judge(wanted)
                self._known[name] = wanted, took
        return self._known[name]

    def draw(self, name: str, chance: random.Random) -> list[Cut]:
        """One cut of a scenario, or two in a row: at fault points, or at any time."""
        wanted, took = self.undisturbed(name)

        def one() -> Cut:
            seed = chance.randrange(1 << 30) if chance.random() < _WRITTEN else None
            if chance.random() < _BY_TIME:
                return Cut(seconds=chance.random() * took, seed=seed)
            number = chance.randrange(len(wanted.trail))
            point = wanted.trail[number]
            return Cut((point, wanted.trail[: number + 1].count(point)), seed=seed)

        return [one(), one()] if chance.random() < _TWICE else [one()]

    def cut(self, name: str, cuts: Sequence[Cut]) -> None:
        """Cut the power of a scenario, then of its resume, and so on; then resume in peace, and look.

        Raises:
            AssertionError: something of what was promised is not so.
        """
        wanted, _ = self.undisturbed(name)
        with self._host(name) as (case, disk):
            for each in cuts:
                _until(case, each)
                disk.cut(None if each.seed is None else random.Random(each.seed))
                boot(case)
            case.finish()
            case.judge_after_a_boot(wanted)

    @contextmanager
    def _host(self, name: str) -> Iterator[tuple[CrashCase, Disk]]:
        """A host on a new disk, everything of it synced."""
        self._number += 1
        template = self._template(name)
        place = self._place / f"{name}-{self._number}"
        with Disk(Path(tempfile.mkdtemp(prefix="fsm-disk-", dir=MEMORY)), place, self.kind) as disk:
            case = Workshop(self._forge, name, template, place / "host").crash_case()
            os.sync()
            try:
                yield case, disk
            finally:
                case.lose_power()

    def _template(self, name: str) -> Path:
        place = self._place / f"template-{name}"
        if not place.exists():
            with SCENARIOS[name].make_fixture(place) as app_fixture:
                SCENARIOS[name].prepare(app_fixture)
        return place


def boot(case: CrashCase) -> None:
    """Start the service as people do at any boot, where no run has come so far that it must."""
    run = case.run
    if (run is None or not run.in_progress or run.state is State.CHECKING) and case.app_fixture.version() is not None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FSM_CRASH_CASE", str(case.app_fixture.root))
            case.app_fixture.start()


def _until(case: CrashCase, cut: Cut) -> None:
    """Have the updater work until the power is cut."""

    over = threading.Event()

    def kill() -> None:
        over.wait(cut.seconds)
        while not case.forge.kill() and not over.wait(0.005):
            pass  # it has not begun yet

    killer = threading.Thread(target=kill)
    if cut.point is None:
        killer.start()
    case.finish(cut.point)
    over.set()
    if cut.point is None:
        killer.join()
    case.lose_power()
