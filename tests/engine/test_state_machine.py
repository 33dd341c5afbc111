"""Random plans, failures, crashes, cancels, interrupts and resumes, with the promises checked after every move.

The world is in memory, the journal, the guard and the executor are real. Whatever Hypothesis does to a run, these hold:
the log's chain is whole; a run at rest is what its state says (`done` all new, `rolled_back` and `idle` all old); no
effect ever happens before its step's start is durable; at most one run is in progress; attempts stay within the limit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fsm.engine.executor import Control
from fsm.engine.journal import Kind, Run
from fsm.lifecycle import LIMIT, RESTING, State
from tests.world import STEPS, Crash, Rig, crash_at, fresh

NAMES = [step.name for step in STEPS]
FAULTS = st.lists(
    st.tuples(
        st.sampled_from([f"{verb}:{name}" for verb in ("do", "undo") for name in NAMES]),
        st.sampled_from(["fail", "fail_host", "retry", "raise", "transient", "os_error", "step_failed"]),
    ),
    max_size=4,
)
CRASHES = st.none() | st.integers(0, 60)
PLANS = st.lists(st.sampled_from(NAMES), unique=True).map(lambda names: sorted(names, key=NAMES.index))


class Life(RuleBasedStateMachine):
    """One host, and everything that can happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.world = fresh()
        self.rig = Rig(Path(self.directory.name))
        self.rig.journal().close()
        self.world.before_act = self._written
        self.run_: Run | None = None

    def teardown(self) -> None:
        """Leave nothing behind."""
        fresh()
        self.directory.cleanup()

    def _written(self, verb: str, name: str) -> None:
        """Write before act: the start of what happens now is the newest thing that the journal says about its step."""
        with self.rig.journal() as journal:
            run = journal.active("c")
            assert run is not None
            assert run.state is State.ROLLING_BACK if verb == "undo" else run.state is not State.ROLLING_BACK
            names = [planned for planned in NAMES if planned in self.rig.names]
            assert names[run.position] == name
            starts = {row.step for row in journal.log(run.id) if row.kind is Kind.STEP_STARTED}
            assert run.position in starts

    def _drive(self, act: Callable[[], Run], crash: int | None) -> None:
        self.rig.control = Control()
        try:
            with crash_at(10**9 if crash is None else crash):
                self.run_ = act()
        except Crash:
            with self.rig.journal() as journal:
                self.run_ = journal.latest("c")

    @initialize(names=PLANS)
    def _plan(self, names: list[str]) -> None:
        self.rig.names = tuple(names)

    @property
    def active(self) -> bool:
        """Whether a run is in progress."""
        return self.run_ is not None and self.run_.in_progress

    @precondition(lambda self: not self.active)
    @rule(names=PLANS, faults=FAULTS, crash=CRASHES)
    def update(self, names: list[str], faults: list[tuple[str, str]], crash: int | None) -> None:
        """A new run, from the old version, over a plan of its own."""
        if self.run_ is not None and self.run_.state is State.FAILED:
            return
        self.world.cells.clear()
        self.world.acts.clear()
        self.rig.names = tuple(names)
        self._misfortunes(faults)
        with self.rig.journal() as journal:
            before = journal.latest("c")
        self._drive(self.rig.start, crash)
        if self.run_ is not None and before is not None and self.run_.id == before.id:
            self.run_ = None  # killed before the new run was begun; the old one says nothing about this world

    @precondition(lambda self: self.active)
    @rule(faults=FAULTS, crash=CRASHES)
    def resume(self, faults: list[tuple[str, str]], crash: int | None) -> None:
        """After a crash or an interrupt."""
        self._misfortunes(faults)
        self._drive(self.rig.resume, crash)

    @precondition(lambda self: self.active)
    @rule(crash=CRASHES)
    def cancel_here(self, crash: int | None) -> None:
        """`fsm cancel` while nobody drives the run."""
        self._drive(self.rig.rollback, crash)

    @precondition(lambda self: self.active)
    @rule(crash=CRASHES)
    def cancel_from_elsewhere(self, crash: int | None) -> None:
        """`fsm cancel` while another process drives the run: it hears of it at a check."""
        with self.rig.journal() as journal:
            run = journal.active("c")
            assert run is not None
            journal.request_cancel(run)
        self.rig.time.now += 1.0
        self._drive(self.rig.resume, crash)

    @precondition(lambda self: self.active)
    @rule(waits=st.integers(0, 3), urgent=st.booleans())
    def interrupt(self, waits: int, urgent: bool) -> None:
        """SIGTERM in the middle of a resume, perhaps twice."""
        left = [waits]

        def stop(verb: str, name: str) -> None:
            self._written(verb, name)
            left[0] -= 1
            if left[0] < 0:
                self.rig.control.stop()
                if urgent:
                    self.rig.control.stop()

        self.world.before_act = stop
        self._drive(self.rig.resume, None)
        self.world.before_act = self._written

    @precondition(lambda self: self.run_ is not None and self.run_.state is State.FAILED)
    @rule(crash=CRASHES)
    def mend_and_retry(self, crash: int | None) -> None:
        """A person has mended the cause."""
        self.world.acts.clear()
        self._drive(self.rig.retry, crash)

    def _misfortunes(self, faults: list[tuple[str, str]]) -> None:
        for call, act in faults:
            self.world.acts.setdefault(call, []).append(act)  # type: ignore[arg-type] # drawn from the literals

    @invariant()
    def the_log_is_whole(self) -> None:
        """Nothing was lost or changed."""
        with self.rig.journal() as journal:
            assert journal.verify()[0] == []

    @invariant()
    def a_run_at_rest_is_what_it_says(self) -> None:
        """The state is the truth about the world."""
        if self.run_ is None or self.run_.in_progress:
            return
        values = {self.world.cells.get(name, "old") for name in self.rig.names}
        if self.run_.state is State.DONE:
            assert values <= {"new"}
        elif self.run_.state is not State.FAILED:
            assert values <= {"old"}
        else:
            assert self.run_.todo

    @invariant()
    def the_journal_agrees(self) -> None:
        """At most one run is in progress, ended ones rest, and no attempt exceeds the limit."""
        with self.rig.journal() as journal:
            runs = journal.runs("c")
        assert sum(run.ended_at is None for run in runs) <= 1
        assert all((run.state in RESTING) == (run.ended_at is not None) for run in runs)
        assert all(0 <= run.attempt <= LIMIT for run in runs)


Life.TestCase.settings = settings(stateful_step_count=12)
TestLife = Life.TestCase
