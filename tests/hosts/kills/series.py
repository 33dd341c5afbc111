"""Many kills of one scenario, one after the other on one machine; seeded, so that a series can be had again."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Final

from tests.hosts.home import BedError, say
from tests.hosts.kills.scenario import Scenario
from tests.hosts.kills.trial import Trial, begin, draw, perform
from tests.hosts.machine import Machine
from tests.powercut.disk import no_writeback

_TOO_MANY: Final = 3
"""Times as many kills as were wished for: no series goes on for ever because its kills come at the wrong time."""


@dataclass
class Series:
    """The kills of one scenario.

    Attributes:
        scenario: its name.
        seed: of the series.
        span: seconds that an undisturbed update took, from the call to its end.
        trials: in order, those that came too early or too late as well.
        disk: the file system that lost what was not synced; empty where none did.
    """

    scenario: str
    seed: int
    span: float
    trials: list[Trial] = field(default_factory=list)
    disk: str = ""

    @property
    def name(self) -> str:
        """Of the scenario, and of the disk where there was one."""
        return f"{self.scenario}-{self.disk}" if self.disk else self.scenario

    @property
    def counted(self) -> list[Trial]:
        """The kills that came in the middle of an update."""
        return [trial for trial in self.trials if trial.counts]

    @property
    def problems(self) -> list[str]:
        """What went wrong, one line each."""
        return [
            f"{self.name}, seed {self.seed}, kill {trial.number} in {trial.killed_in} after {trial.moment:.2f} s: "
            f"{problem}"
            for trial in self.trials
            for problem in trial.problems
        ]


class Range:
    """A machine for a series, replaced by a new one when it is no longer what it should be."""

    def __init__(self, scenario: Scenario, disk: str) -> None:
        self._scenario, self._disk = scenario, disk
        self._number = 0
        self.host = self._new()
        self.span = self.measure(broken=False)
        self.span_broken = self.measure(broken=True) if scenario.can_break else self.span

    def __enter__(self) -> Range:
        return self

    def __exit__(self, *_: object) -> None:
        self.host.remove()

    def _new(self) -> Machine:
        name = self._scenario.name.replace("_", "-")
        host = Machine.start(name, docker=self._scenario.docker, disk=self._disk)
        try:
            self._scenario.prepare(host)
        except BaseException:
            host.remove()
            raise
        return host

    def next_number(self) -> int:
        """The number of the next release, newer than all before."""
        self._number += 1
        return self._number

    def renew(self) -> None:
        """Replace the machine."""
        self.host.remove()
        self.host = self._new()

    def measure(self, *, broken: bool) -> float:
        """Seconds of an update that nobody disturbs.

        Raises:
            BedError: it does not end as it should.
        """
        scenario, version = self._scenario, f"1.{self.next_number()}.0"
        old = scenario.installed(self.host)
        scenario.publish(self.host, version, broken=broken)
        child = begin(scenario, self.host)
        began = time.monotonic()
        said, _ = child.communicate(timeout=600)
        seconds = time.monotonic() - began
        wanted = old if broken else dict.fromkeys(old, version)
        if (child.returncode == 0) == broken or scenario.answers(self.host) != wanted:
            words = said.decode(errors="replace")[-3000:]
            raise BedError(f"an undisturbed update ends with {child.returncode}: {words}")
        return seconds


def perform_series(
    scenario: Scenario,
    count: int,
    seed: int,
    *,
    disk: str = "",
    budget: float = 3600.0,
    keep: Callable[[Series], None] = lambda series: None,
    look: Callable[[Trial, Machine], None] = lambda trial, host: None,
) -> Series:
    """Kill a machine again and again.

    Args:
        scenario: what is updated.
        count: kills in the middle of an update that are wanted.
        seed: decides when, of which release, and whether the boot is killed as well.
        disk: the kind of file system that is to lose what was not synced; empty: none.
        budget: seconds after which no further kill is begun, once one has counted.
        keep: called after each kill, so that a series that is broken off is not lost.
        look: called with each machine that is not what it should be, before it goes.
    """
    random_ = random.Random(f"{scenario.name} {seed}")
    with no_writeback() if disk else nullcontext(), Range(scenario, disk) as field_:
        series = Series(scenario.name, seed, field_.span, disk=disk)
        until = time.monotonic() + budget
        while len(series.counted) < count and len(series.trials) < _TOO_MANY * count:
            if series.counted and time.monotonic() >= until:
                break
            trial = draw(random_, scenario, field_.next_number(), field_.span, field_.span_broken)
            series.trials.append(trial)
            try:
                perform(scenario, field_.host, trial)
            except (BedError, subprocess.TimeoutExpired) as error:
                trial.problems.append(f"the bed itself failed: {error}")
            say(describe(scenario, trial, len(series.counted), count))
            keep(series)
            if trial.problems:
                look(trial, field_.host)
                field_.renew()
        if scenario.components and series.trials:
            _update_once_more(field_, series)
    return series


def _update_once_more(field_: Range, series: Series) -> None:
    """A host that was killed so often is still one that can be updated."""
    try:
        field_.measure(broken=False)
    except (BedError, subprocess.TimeoutExpired) as error:
        series.trials[-1].problems.append(f"the next update, undisturbed: {error}")


def describe(scenario: Scenario, trial: Trial, counted: int, count: int) -> str:
    """One line about one kill."""
    kind = "broken release" if trial.broken else "release"
    again = "" if trial.again is None else f", again {trial.again:.2f} s after the boot"
    took = "" if trial.resume_seconds is None else f"; resume {trial.resume_seconds:.2f} s"
    head = f"{scenario.name} {counted}/{count}: {kind} {trial.number} killed after {trial.moment:.2f} s in"
    return (
        f"{head} {trial.killed_in}{again}: {trial.outcome}{took}{''.join(f'; PROBLEM {one}' for one in trial.problems)}"
    )
