"""Doing the steps of a plan, in order."""

from __future__ import annotations

from fsm.adapter import Done, Failed
from fsm.engine.executor.run_record import Ledger
from fsm.engine.executor.runner import Runner
from fsm.engine.journal import Kind, Record
from fsm.engine.plan import Plan
from fsm.engine.progress import EventKind as Told
from fsm.errors import Cancelled
from fsm.lifecycle import Event, State
from fsm.system import faults


class Forward:
    """The states `backing_up`, `updating` and `verifying`."""

    def __init__(self, ledger: Ledger, runner: Runner, *, brink: bool = False) -> None:
        self._ledger = ledger
        self._runner = runner
        self._brink = brink

    def begin(self, plan: Plan) -> None:
        """Freeze the plan and start its first step, in one commit."""
        ledger = self._ledger
        record = Record(Kind.PLANNED, data={"steps": [step.name for step in plan.steps]})
        ledger.move(
            ledger.events_to(self._state(0)),
            after=[record, *self._started(0)],
            plan=plan.model_dump_json(),
            position=0 if plan.steps else -1,
            from_version=None if plan.from_version is None else str(plan.from_version),
            to_version=str(plan.to_version),
            kind=plan.kind,
        )

    def go(self) -> None:
        """Do the started step and all that follow; ends in `done` or `rolling_back`."""
        ledger = self._ledger
        while ledger.run.state in (State.BACKING_UP, State.UPDATING, State.VERIFYING):
            index = ledger.run.position
            if self._brink and ledger.steps[index].downtime == "ends":
                return
            self._runner.enter(ledger.run.state)
            self._runner.tell(Told.STEP, ledger.steps[index].title, index)
            faults.point("step.before_do")
            try:
                result = self._runner.perform(index, lambda step, context: step.do(context))
            except Cancelled as error:
                self.fail(index, Failed(why=error.cause, blame="host"))
                return
            faults.point("step.after_do")
            if isinstance(result, Failed):
                self.fail(index, result)
            else:
                self._finish(index, result)

    def _finish(self, index: int, result: Done) -> None:
        """One commit for "this step ended, the next one starts", and for the states that lie between them."""
        ledger = self._ledger
        ledger.results[ledger.steps[index].name] = result.data
        following = index + 1
        target = self._state(following)
        ends = target is ledger.goal
        if target is State.DONE:
            self._settle()
        done = Record(Kind.STEP_DONE, index, {"data": result.data, "notes": list(result.notes)})
        ledger.move(
            ledger.events_to(target),
            before=[done],
            after=self._started(following),
            position=index if ends else following,
        )
        self._runner.tell(Told.STEP_DONE, ledger.steps[index].title, index)
        for note in result.notes:
            self._runner.tell(Told.NOTE, note, index)
        if ends:
            self._runner.enter(target)

    def conclude(self) -> None:
        """End a run that has waited for the others of its set: they are all there. To be done in one commit."""
        self._settle()
        self._ledger.move([Event.OK])

    def _settle(self) -> None:
        """What the host remembers of an end that is good. Before the end itself, so that no crash can skip it."""
        plan, policy = self._ledger.plan, self._ledger.journal.policy
        assert plan is not None, "it was frozen before its first step"
        policy.release(plan.component, plan.to_version)
        if plan.kind == "rollback":
            policy.hold(plan.component, f"rolled back from {plan.from_version} to {plan.to_version} by a person")

    def fail(self, index: int, failed: Failed) -> None:
        """End the way forward: the rollback begins."""
        ledger = self._ledger
        if failed.blame == "release" and ledger.plan is not None:
            # Before the failure itself: a crash in between only means that the run goes on and may clear it again.
            ledger.journal.policy.quarantine(ledger.run.component, ledger.plan.to_version, failed.why)
        self._runner.tell(Told.FAILED, failed.why, index)
        ledger.move(
            [Event.FAIL],
            before=[Record(Kind.STEP_FAILED, index, failed.model_dump(mode="json"))],
            reason=failed.why,
            todo=failed.todo,
        )

    def _state(self, index: int) -> State:
        """The state in which the step of that index runs; the run's goal behind the last one."""
        steps = self._ledger.steps
        return steps[index].phase if index < len(steps) else self._ledger.goal

    def _started(self, index: int) -> list[Record]:
        steps = self._ledger.steps
        return [Record(Kind.STEP_STARTED, index, {"name": steps[index].name})] if index < len(steps) else []
