"""Doing the steps of a plan, in order."""

from __future__ import annotations

from fsm.adapter import Done, Failed
from fsm.engine.executor.run_record import RunRecord
from fsm.engine.executor.runner import Runner
from fsm.engine.journal import Kind, Record
from fsm.engine.plan import Plan
from fsm.engine.progress import EventKind as Told
from fsm.errors import Cancelled
from fsm.lifecycle import Event, State
from fsm.system import faults


class Forward:
    """The states `backing_up`, `updating` and `verifying`."""

    def __init__(self, record: RunRecord, runner: Runner, *, until_start: bool = False) -> None:
        self._record = record
        self._runner = runner
        self._until_start = until_start

    def begin(self, plan: Plan) -> None:
        """Freeze the plan and start its first step, in one commit."""
        record = self._record
        row = Record(Kind.PLANNED, data={"steps": [step.name for step in plan.steps]})
        record.move(
            record.events_to(self._state(0)),
            after=[row, *self._started(0)],
            plan=plan.model_dump_json(),
            position=0 if plan.steps else -1,
            from_version=None if plan.from_version is None else str(plan.from_version),
            to_version=str(plan.to_version),
            kind=plan.kind,
        )

    def go(self) -> None:
        """Do the started step and all that follow; ends in `done` or `rolling_back`."""
        record = self._record
        while record.run.state in (State.BACKING_UP, State.UPDATING, State.VERIFYING):
            index = record.run.position
            if self._until_start and record.steps[index].downtime == "ends":
                return
            self._runner.enter(record.run.state)
            record.step(index)  # what it takes to load it is over before it is said to begin
            self._runner.tell(Told.STEP, record.steps[index].title, index)
            faults.point("step.before_do")
            try:
                result = self._runner.perform(index, "do")
            except Cancelled as error:
                self.cancel(index, error)
                return
            faults.point("step.after_do")
            if isinstance(result, Failed):
                self.fail(index, result)
            else:
                self._finish(index, result)

    def _finish(self, index: int, result: Done) -> None:
        """One commit for "this step ended, the next one starts", and for the states that lie between them."""
        record = self._record
        record.results[record.steps[index].name] = result.data
        following = index + 1
        target = self._state(following)
        ends = target is record.goal
        if target is State.DONE:
            self._settle()
        if not ends and record.steps[following].touches_live:
            record.thaw()
        done = Record(Kind.STEP_DONE, index, {"data": result.data, "notes": list(result.notes)})
        record.move(
            record.events_to(target),
            before=[done],
            after=self._started(following),
            position=index if ends else following,
        )
        self._runner.tell(Told.STEP_DONE, record.steps[index].title, index)
        for note in result.notes:
            self._runner.tell(Told.NOTE, note, index)
        if ends:
            self._runner.enter(target)

    def conclude(self) -> None:
        """End a run that has waited for the others of its set: they are all there. To be done in one commit."""
        self._settle()
        self._record.move([Event.OK])

    def _settle(self) -> None:
        """What the host remembers of an end that is good. Before the end itself, so that no crash can skip it."""
        plan, policy = self._record.plan, self._record.journal.policy
        assert plan is not None, "it was frozen before its first step"
        policy.release(plan.component, plan.to_version)
        if plan.kind == "rollback":
            policy.hold(plan.component, f"rolled back from {plan.from_version} to {plan.to_version} on request")

    def cancel(self, index: int, error: Cancelled) -> None:
        """End the way forward because somebody asked for that: the rollback begins, and nothing is to blame."""
        self._turn_back(index, Failed(why=error.cause, blame="host"), Told.CANCELLED)

    def fail(self, index: int, failed: Failed) -> None:
        """End the way forward: the rollback begins."""
        record = self._record
        if failed.blame == "release" and record.plan is not None:
            # Before the failure itself: a crash in between only means that the run goes on and may clear it again.
            record.journal.policy.quarantine(record.run.component, record.plan.to_version, failed.why)
        self._turn_back(index, failed, Told.FAILED)

    def _turn_back(self, index: int, failed: Failed, told: Told) -> None:
        self._runner.tell(told, failed.why, index)
        self._record.move(
            [Event.FAIL],
            before=[Record(Kind.STEP_FAILED, index, failed.model_dump(mode="json"))],
            reason=failed.why,
            todo=failed.todo,
        )

    def _state(self, index: int) -> State:
        """The state in which the step of that index runs; the run's goal behind the last one."""
        steps = self._record.steps
        return steps[index].phase if index < len(steps) else self._record.goal

    def _started(self, index: int) -> list[Record]:
        steps = self._record.steps
        return [Record(Kind.STEP_STARTED, index, {"name": steps[index].name})] if index < len(steps) else []
