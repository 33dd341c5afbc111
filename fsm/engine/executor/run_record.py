"""One run as the executor works on it: the journal's row, the frozen plan, and what finished steps returned."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from fsm.adapter import Registry, Step
from fsm.engine import plan as plans
from fsm.engine.journal import SET, Journal, Kind, Record, Run
from fsm.engine.journal.stored import damaged
from fsm.engine.machine import Guard
from fsm.engine.plan import Plan, PlannedStep
from fsm.lifecycle import RESTING, SET_TABLE, TABLE, Event, State


class RunRecord:
    """Couples the guard with the journal: no state is entered that is not written, none written that is not legal."""

    def __init__(self, journal: Journal, registry: Registry, run: Run) -> None:
        self.journal = journal
        self.run = run
        self.registry = registry
        self.plan: Plan | None = None
        self._thawed: dict[int, Step] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self._guard: Guard | None = None
        text = journal.plan(run.id)
        if text is not None:
            self.plan = plans.load(text)
            if not -1 <= run.position < len(self.steps):
                raise damaged(f"run {run.id}", f"there is no step {run.position}")
            if self.touched:
                self.thaw()
            self._read_results()

    @property
    def steps(self) -> tuple[PlannedStep, ...]:
        """What the plan says of its steps; none before there is a plan."""
        return () if self.plan is None else self.plan.steps

    def take_up(self, plan: Plan) -> None:
        """Take up a new plan.

        Raises:
            PlanUnknown: see `plan.thaw`.
        """
        self.plan, self._thawed = plan, {}
        self.thaw()

    def step(self, index: int) -> Step:
        """A step, ready to be done or undone; a resume takes up one after the other, see `thaw`.

        Raises:
            PlanUnknown: see `plan.thaw`.
        """
        assert self.plan is not None, "there are no steps before there is a plan"
        if index not in self._thawed:
            self._thawed[index] = plans.thaw_step(self.plan, index, self.registry)
        return self._thawed[index]

    def thaw(self) -> None:
        """Have all steps ready: no service is stopped for what this version cannot finish, or undo.

        A resume that has touched nothing yet does so only before it would: the interrupted step need not wait for the
        models of the others.

        Raises:
            PlanUnknown: see `plan.thaw`.
        """
        for index in range(len(self.steps)):
            self.step(index)

    def _read_results(self) -> None:
        for row in self.journal.log(self.run.id):
            if row.kind is Kind.STEP_DONE and row.step is not None:
                if not 0 <= row.step < len(self.steps):
                    raise damaged(f"row {row.seq} of its log", f"there is no step {row.step}")
                self.results[self.steps[row.step].name] = row.data.get("data", {})

    @property
    def touched(self) -> bool:
        """Whether a step that touches the live component has started (and not all of them are undone)."""
        return self.plan is not None and plans.touched(self.plan, range(self.run.position + 1))

    @property
    def down(self) -> bool:
        """Whether the component's service is down just now because of this run."""
        state = False
        for step in self.steps[: self.run.position + 1]:
            if step.downtime == "begins":
                state = True
            elif step.downtime == "ends" and step is not self.steps[self.run.position]:
                state = False
        return state

    @property
    def kept_down(self) -> int | None:
        """The step that stopped the service for the present step's sake; None if that one needs it not so."""
        if not self.down or self.steps[self.run.position].downtime is not None:
            return None  # a step that stops or starts the service sees to it itself
        return max(i for i, step in enumerate(self.steps[: self.run.position]) if step.downtime == "begins")

    @property
    def kept_up(self) -> int | None:
        """The step that knows which services run with what was reached so far; None if they are down, or on the way.

        Before the stop, and behind its undo, that is the step which stops them; behind the start, the one which starts.
        """
        if not self.run.in_progress and self.run.state is not State.ROLLED_BACK:
            return None
        kinds = [step.downtime for step in self.steps]
        stop = kinds.index("begins") if "begins" in kinds else -1
        if self.run.position < stop:
            return stop
        if self.run.state is State.ROLLING_BACK:
            return None
        reached = self.run.position + (self.run.state is State.VERIFIED)
        return max((i for i in range(reached) if kinds[i] == "ends"), default=None)

    def move(
        self,
        events: Sequence[Event],
        before: Sequence[Record] = (),
        after: Sequence[Record] = (),
        *,
        plan: str | None = None,
        **changes: Any,
    ) -> None:
        """Fire events and write everything in one commit: `before`, a row for each new state, `after`.

        Args:
            events: in order; may be empty, then only the records and changes are written.
            plan: the plan to freeze with this commit.
            changes: fields of the run to set; `attempt` starts anew unless given.
        """
        moves = self._fire(events)
        state = moves[-1].data["to"] if moves else self.run.state
        # Leaving a resting state takes the run up again, entering one ends it: both in the same commit as the state.
        ended = state in RESTING if events else None
        closing = [Record(Kind.ENDED, data={"state": state})] if ended else []
        self.run = self.journal.write(
            self.run,
            [*before, *moves, *after, *closing],
            plan=plan,
            ended=ended,
            **{"attempt": 1, "state": state, **changes},
        )

    def _fire(self, events: Sequence[Event]) -> list[Record]:
        """What the guard says to the events; it is not asked (and costs nothing) where there are none."""
        if not events:
            return []
        if self._guard is None or self._guard.state is not self.run.state:
            # Kept for the moves to come: taking a guard up costs as much time as all of a commit but its sync.
            self._guard = Guard(self.run.state, SET_TABLE if self.run.kind == SET else TABLE)
            weakref.finalize(self, self._guard.release)
        guard = self._guard
        return [
            Record(Kind.STATE, data={"from": guard.state, "event": event, "to": guard.fire(event)}) for event in events
        ]

    def note(self, kind: Kind, step: int | None = None, **data: Any) -> None:
        """Write one row that changes nothing else about the run."""
        self.run = self.journal.write(self.run, [Record(kind, step, data)])

    @property
    def goal(self) -> State:
        """Where the last step leads: a member of a set waits there for the others."""
        return State.DONE if self.run.part_of is None else State.VERIFIED

    def events_to(self, target: State) -> list[Event]:
        """The events that lead from the present state to a later one, when all goes well."""
        states = [State.CHECKING, State.BACKING_UP, State.UPDATING, State.VERIFYING, self.goal]
        events = [Event.OK] * (states.index(target) - states.index(self.run.state))
        return [*events[:-1], Event.WAIT] if target is State.VERIFIED else events
