"""A component that lives in memory: cells that steps set and reset, and scripts for what goes wrong.

The real executor, the real journal (a file) and the real guard work on it; only the things that steps would do to a
host are replaced by a dictionary, so that thousands of crashes can be tried in a second. A crash is an exception that
nothing catches, thrown at a fault point; the world and the journal's file are what is left on the disk.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from fsm.adapter import (
    Adapter,
    Done,
    Draft,
    Failed,
    Installed,
    Registry,
    RetryLater,
    Spec,
    Step,
    StepContext,
    StepResult,
    Target,
)
from fsm.engine.executor import Clock, Control, Executor, Surroundings
from fsm.engine.journal import Journal, Run
from fsm.engine.plan import Plan, freeze
from fsm.engine.progress import Observer
from fsm.errors import StepFailed, Transient
from fsm.formats.releases import Release
from fsm.lifecycle import State
from fsm.model import Version
from fsm.system import faults

Act = Literal[
    "ok",
    "fail",
    "fail_host",
    "retry",
    "raise",
    "transient",
    "os_error",
    "step_failed",
    "child",
    "slow",
    "nothing",
    "no_json",
]


class Crash(BaseException):
    """SIGKILL, as far as a world in memory can have one."""


@dataclass
class World:
    """What would be the host.

    Attributes:
        cells: what the steps changed; "old" or "new".
        acts: what `do` and `undo` of a step do when they are called next, by "do:name" and "undo:name".
        calls: every call of a step, in order.
        kept: steps whose service was stopped again for a run that was taken up later.
        started: steps whose service was started again for such a run.
        before_act: called before each effect, to check what must be durable by then.
    """

    cells: dict[str, str] = field(default_factory=dict)
    acts: dict[str, list[Act]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    before_act: Callable[[str, str], None] = lambda verb, name: None


WORLD = World()
"""The present one; steps are made anew from the journal, so they cannot hold it themselves."""


class Cell(Step):
    """Sets one cell to "new", and back to "old"."""

    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "set a cell"
    undo_title: ClassVar[str] = "reset the cell"

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        return self._act("do", ctx, "new")

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        return self._act("undo", ctx, "old")

    def keep_down(self, ctx: StepContext) -> StepResult:
        """See `Step.keep_down`."""
        WORLD.kept.append(self.name)
        return self._keep("keep", ctx) or super().keep_down(ctx)

    def keep_up(self, ctx: StepContext) -> StepResult:
        """See `Step.keep_up`."""
        WORLD.started.append(self.name)
        return self._keep("up", ctx) or super().keep_up(ctx)

    def _keep(self, verb: str, ctx: StepContext) -> StepResult | None:
        acts = WORLD.acts.get(f"{verb}:{self.name}", [])
        act = acts.pop(0) if acts else "ok"
        if act == "slow":
            ctx.sleep(1.0)
        return None if act in ("ok", "slow") else _misfortune(act)

    def _act(self, verb: str, ctx: StepContext, value: str) -> StepResult:
        WORLD.calls.append(f"{verb}:{self.name}")
        WORLD.before_act(verb, self.name)
        acts = WORLD.acts.get(f"{verb}:{self.name}", [])
        act = acts.pop(0) if acts else "ok"
        if act not in ("ok", "child"):
            return _misfortune(act)
        ctx.check()
        ctx.progress(1, 2, "cells")
        if act == "child":
            assert ctx.run(["sleep", "0.2"], timeout=10).code == 0
        faults.point("world.before_effect")
        WORLD.cells[self.name] = value
        faults.point("world.after_effect")
        return Done(data={"set": value}, notes=(f"{verb} {self.name}",))


def _misfortune(act: Act) -> StepResult:
    match act:
        case "fail":
            return Failed(why="it does not work", todo="mend it")
        case "fail_host":
            return Failed(why="the host is ill", blame="host")
        case "retry":
            return RetryLater(why="not yet", after=0.1)
        case "transient":
            raise Transient("cannot reach it", "the network is down", after=0.2)
        case "nothing":
            return None  # type: ignore[return-value] # a bug of an adapter that is not checked by mypy
        case "no_json":
            return Done(data={"made": Path("/nowhere")})
        case "os_error":
            raise OSError(28, "No space left on device")
        case "step_failed":
            raise StepFailed("cannot do it", "of that", "do this")
        case _:
            raise ZeroDivisionError("a bug")


def make_step(name: str, phase: State, downtime: Literal["begins", "ends"] | None, touches: bool) -> type[Cell]:
    """A step class of its own name and phase."""
    return type(
        name,
        (Cell,),
        {
            "name": name,
            "phase": phase,
            "downtime": downtime,
            "touches_live": touches,
            "__module__": __name__,
            "__annotations__": {},
        },
    )


STEPS = (
    make_step("save", State.BACKING_UP, None, False),
    make_step("copy", State.BACKING_UP, None, False),
    make_step("fetch", State.UPDATING, None, False),
    make_step("stop", State.UPDATING, "begins", True),
    make_step("swap", State.UPDATING, None, True),
    make_step("start", State.UPDATING, "ends", True),
    make_step("verify", State.VERIFYING, None, True),
    make_step("tidy", State.VERIFYING, None, True),
)


class CellAdapter(Adapter[Spec, Installed]):
    """The adapter of the world."""

    component_type: ClassVar[str] = "cells"
    spec: ClassVar[type[Spec]] = Spec
    steps: ClassVar[tuple[type[Step], ...]] = STEPS

    def inspect(self, target: Target, spec: Spec) -> Installed:
        """See `Adapter.inspect`."""
        return Installed(version=Version("1"))

    def draft(self, target: Target, spec: Spec, installed: Installed, release: Release) -> Draft:
        """See `Adapter.draft`."""
        return Draft(steps=tuple(step() for step in STEPS))


REGISTRY = Registry.of(CellAdapter())


class Time(Clock):
    """Monotonic time that passes only by waiting, so that no test waits for real."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.on_wait: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self.now

    def wait(self, event: threading.Event, seconds: float) -> None:
        """See `Clock.wait`."""
        self.now += max(seconds, 0.001)
        self.on_wait()


@dataclass
class Rig:
    """A journal in a directory, and what drives runs over it; as good as a new process each time."""

    directory: Path
    names: Sequence[str] = tuple(step.name for step in STEPS)
    observers: list[Observer] = field(default_factory=list)
    control: Control = field(default_factory=Control)
    time: Time = field(default_factory=Time)
    wall: datetime = datetime(2026, 11, 21, tzinfo=UTC)
    timeout: float = 60.0
    checked: Callable[[Run, Any], Plan] | None = None
    deadlines: dict[State, float] = field(default_factory=dict)

    def journal(self) -> Journal:
        """The journal, opened anew."""
        return Journal(self.directory / "journal.db", now=self._now)

    def _now(self) -> datetime:
        self.wall += timedelta(milliseconds=1)
        return self.wall

    def executor(self, journal: Journal) -> Executor:
        """An executor as a new process would make it."""
        around = Surroundings(
            self.directory, self.control, self.time, self.observers, self.deadlines, rng=random.Random(1)
        )
        return Executor(journal, REGISTRY, around)

    def plan(self, run: Run, context: Any) -> Plan:
        """The work of `checking`."""
        if self.checked is not None:
            return self.checked(run, context)
        steps = tuple(step(timeout=self.timeout) for step in STEPS if step.name in self.names)
        return freeze(run.component, "cells", Draft(steps=steps), from_version=Version("1"), to_version=Version("2"))

    def start(self, component: str = "c") -> Run:
        """Begin a run and drive it."""
        with self.journal() as journal:
            return self.executor(journal).drive(journal.begin(component, "cells", from_version="1"), self.plan)

    def resume(self, component: str = "c") -> Run:
        """What `fsm resume` does."""
        with self.journal() as journal:
            run = journal.active(component)
            assert run is not None
            return self.executor(journal).resume(run, self.plan)

    def rollback(self, component: str = "c") -> Run:
        """What `fsm cancel` does when nobody drives the run."""
        with self.journal() as journal:
            run = journal.active(component)
            assert run is not None
            return self.executor(journal).rollback(run, "cancelled on request")

    def retry(self, component: str = "c") -> Run:
        """What `fsm rollback` does to a failed run."""
        with self.journal() as journal:
            run = journal.latest(component)
            assert run is not None
            return self.executor(journal).retry(run)


@contextmanager
def crash_at(number: int, only: str | None = None) -> Iterator[list[str]]:
    """Crash at the fault point that is reached as the `number`-th (from 0); yields the names of those reached."""
    seen: list[str] = []

    def handler(name: str) -> None:
        if only is None or name == only:
            seen.append(name)
            if len(seen) == number + 1:
                raise Crash(name)

    faults.install(handler)
    try:
        yield seen
    finally:
        faults.install(None)


def fresh() -> World:
    """A new world, and the present one from now on."""
    WORLD.cells.clear()
    WORLD.acts.clear()
    WORLD.calls.clear()
    WORLD.kept.clear()
    WORLD.started.clear()
    WORLD.before_act = lambda verb, name: None
    return WORLD
