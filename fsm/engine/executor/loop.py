"""The loop over the lifecycle: what is done in each state, and after a crash in it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from fsm.adapter import Failed, Registry
from fsm.engine.executor.backward import Backward
from fsm.engine.executor.context import Context
from fsm.engine.executor.control import StepDeadline, Surroundings
from fsm.engine.executor.forward import Forward
from fsm.engine.executor.run_record import RunRecord
from fsm.engine.executor.runner import Runner
from fsm.engine.journal import Journal, Kind, LogRow, Record, Run
from fsm.engine.journal.stored import damaged
from fsm.engine.plan import Plan
from fsm.engine.progress import EventKind, log
from fsm.engine.questions import Questions
from fsm.engine.worker import Acting
from fsm.errors import Cancelled, FsmError, Interrupted, JournalError, Transient, UpToDate
from fsm.lifecycle import LIMIT, Event, State
from fsm.system import faults
from fsm.system.masking import kept_secrets, masked_text
from fsm.system.processes import Identity
from fsm.system.shell import Child, Redactor, Shell, Sink, end_orphans

Checked = Callable[[Run, Context], Plan]
"""The work of `checking`: gets the run and a context; returns the plan, or raises.

Raises:
    UpToDate: there is nothing to do.
    Transient: worth another try until the state's deadline.
    FsmError: the update is refused.
"""


class Executor:
    """Drives one run at a time; one object for each thread.

    Args:
        journal: open for writing.
        registry: finds the steps of a frozen plan.
        around: where, under whose control, and who listens.
    """

    def __init__(self, journal: Journal, registry: Registry, around: Surroundings) -> None:
        self._journal = journal
        self._registry = registry
        self._around = around

    def drive(
        self, run: Run, checking: Checked | None = None, *, until_start: bool = False, resumed: bool = False
    ) -> Run:
        """Take a new run, or one that was just resumed, as far as it goes.

        Args:
            run: in progress.
            checking: the work of its first state; needed unless that is over.
            until_start: only as far as it goes while its service is down: up to the step that starts it.
            resumed: whether the host may have been booted since it was last driven.

        Returns:
            The run at rest, or still in progress when it was interrupted.

        Raises:
            JournalError: the journal cannot be written; the run stays where it is and can be resumed.
            PlanUnknown: the frozen plan does not fit this version.
        """
        record = RunRecord(self._journal, self._registry, run)
        return self._drive(record, checking, until_start=until_start, resumed=resumed)

    def _drive(self, record: RunRecord, checking: Checked | None = None, *, until_start: bool, resumed: bool) -> Run:
        runner = Runner(record, self._around)
        forward = Forward(record, runner, until_start=until_start)
        backward = Backward(record, runner, until_start=until_start)
        try:
            if record.run.state is State.CHECKING:
                assert checking is not None, "only a run that is past checking is driven without"
                self._check(record, runner, checking)
            if record.kept_down is not None:
                self._keep_down(record, runner, record.kept_down, forward, backward)
            if resumed and not until_start and record.kept_up is not None:
                self._keep_up(record, runner, record.kept_up, forward, backward)
            if record.run.state in (State.BACKING_UP, State.UPDATING, State.VERIFYING):
                forward.go()
            if record.run.state is State.ROLLING_BACK:
                backward.go()
            if until_start and record.run.in_progress:
                self._pause(record, "its service is started later")
        except Interrupted as error:
            self._pause(record, str(error))
            if record.run.state is State.VERIFIED:
                raise  # its set may not end before it was seen to run
        except (KeyboardInterrupt, SystemExit) as error:
            self._pause(record, f"the program was ended by {type(error).__name__}")
            raise
        return record.run

    def _pause(self, record: RunRecord, why: str) -> None:
        """Not a crash: the attempt that was cut short on purpose does not count against the run."""
        paused = [Record(Kind.INTERRUPTED, data={"why": why})]
        record.run = self._journal.write(record.run, paused, attempt=max(record.run.attempt - 1, 0))

    def resume(self, run: Run, checking: Checked, *, until_start: bool = False) -> Run:
        """Continue a run that a crash, a reboot or an interrupt left in progress.

        Safe to ask for twice. What still runs of the crashed process's children is ended first.
        `until_start`: see `drive`.

        Raises:
            StillRunning: that cannot be ended.
            JournalError, PlanUnknown: see `drive`.
        """
        if run.state is State.VERIFIED:  # it waits for others: nothing is left to do for it but to run
            return run if until_start else self.drive(run, resumed=True)
        end_orphans(self._children(run), self._marker(run), grace=5.0)
        faults.point("resume.orphans_ended")
        record = RunRecord(self._journal, self._registry, run)
        attempt = run.attempt + 1
        if attempt > LIMIT:
            why = f"the updater made no progress in {LIMIT} attempts {self._doing(record)}"
            reason = f"{run.reason}; {why}" if run.state is State.ROLLING_BACK else why
            self._stuck(record, reason)
        else:
            record.move([], [Record(Kind.RESUMED, run.position, {"attempt": attempt})], attempt=attempt)
        faults.point("resume.written")
        return self._drive(record, checking, until_start=until_start, resumed=True)

    def keep_up(self, run: Run) -> str:
        """See, after a boot, that the old version runs of a member of a set that has gone back before the others.

        Returns:
            Why it does not; empty if it does, or is nobody's to start.
        """
        record = RunRecord(self._journal, self._registry, run)
        if record.kept_up is None:
            return ""
        result = Runner(record, self._around).perform(record.kept_up, "keep_up")
        return result.why if isinstance(result, Failed) else ""

    def is_down(self, run: Run) -> bool:
        """Whether a run in progress needs its service to stay down until it is taken up again.

        Raises:
            PlanUnknown: the frozen plan does not fit this version.
        """
        return RunRecord(self._journal, self._registry, run).down

    def needs_down(self, run: Run) -> bool:
        """Whether its service must not run just now: the run is between the stop and the start.

        Raises:
            PlanUnknown: the frozen plan does not fit this version.
        """
        return run.in_progress and RunRecord(self._journal, self._registry, run).kept_down is not None

    def rollback(self, run: Run, why: str) -> Run:
        """Roll back a run in progress that nobody drives just now."""
        record = RunRecord(self._journal, self._registry, run)
        end_orphans(self._children(run), self._marker(run), grace=5.0)
        if run.state is not State.ROLLING_BACK:
            record.move([Event.FAIL], [Record(Kind.CANCEL_REQUESTED)], reason=why)
        return self._drive(record, until_start=False, resumed=True)

    def retry(self, run: Run) -> Run:
        """Take up the rollback of a failed run again, after a person has mended the cause."""
        record = RunRecord(self._journal, self._registry, run)
        record.move([Event.RETRY], todo="")
        return self._drive(record, until_start=False, resumed=True)

    def look(self, run: Run, checking: Checked) -> Plan:
        """The work of `checking` for a member of a set, whose own run has not begun; what is transient is tried again.

        Args:
            run: of the set, under the member's name and type.
            checking: gets that run and a context.

        Raises:
            UpToDate, FsmError: as `checking` does.
        """
        record = RunRecord(self._journal, self._registry, run)
        runner = Runner(record, self._around)
        runner.enter(State.CHECKING)
        return self._patiently(record, runner, checking)

    def freeze(self, run: Run, plan: Plan) -> Run:
        """Have a new run begin with a plan that was made before; its first step is not done yet."""
        record = RunRecord(self._journal, self._registry, run)
        record.take_up(plan)
        Forward(record, Runner(record, self._around)).begin(plan)
        return record.run

    def conclude(self, run: Run) -> Run:
        """End a run that is `verified`, as all the others of its set are. Nobody is told: see `announce`."""
        record = RunRecord(self._journal, self._registry, run)
        Forward(record, Runner(record, self._around)).conclude()
        return record.run

    def announce(self, run: Run) -> None:
        """Let the observers know which state a run is in."""
        Runner(RunRecord(self._journal, self._registry, run), self._around).enter(run.state)

    def bare_context(self, component: str, component_type: str) -> Context:
        """A context without a run, for looking ahead: its children are not journaled, as nothing will resume them."""
        marker, adapter = f"{secrets.token_hex(12)}.0", self._registry.get(component_type)
        return Context(
            run_id=0,
            component=component,
            title="plan",
            results={},
            touched=False,
            deadline=StepDeadline(
                self._around.clock, self._around.clock.monotonic() + self._around.limit(State.CHECKING)
            ),
            control=self._around.control,
            clock=self._around.clock,
            deferred=False,
            cancelled=None,
            tell=lambda kind, message, done, total, unit: None,
            shell=lambda poll: Shell(marker=marker, record=lambda child: None, poll=poll, secrets=kept_secrets()),
            questions=lambda poll: Questions(adapter, self._around.workers, poll),
            act_as=lambda user: Acting(
                self._around.workers,
                adapter,
                user,
                marker,
                record=lambda child: None,
                log=lambda title: Sink(Redactor(())),
            ),
        )

    @staticmethod
    def _keep_down(record: RunRecord, runner: Runner, index: int, forward: Forward, backward: Backward) -> None:
        """See that the service is down which this run had stopped: a boot may have started it, or a person."""
        while record.run.state in (State.UPDATING, State.VERIFYING, State.ROLLING_BACK):
            runner.enter(record.run.state)
            try:
                result = runner.perform(index, "keep_down")
            except Cancelled as error:
                forward.cancel(record.run.position, error)
                continue
            faults.point("resume.kept_down")
            if not isinstance(result, Failed):
                return
            failing = backward if record.run.state is State.ROLLING_BACK else forward
            # Whatever started it: the release has had no part in that.
            failing.fail(record.run.position, result.model_copy(update={"blame": "host"}))

    @staticmethod
    def _keep_up(record: RunRecord, runner: Runner, index: int, forward: Forward, backward: Backward) -> None:
        """See that the service runs which this run has started, or let go on: a boot has ended it."""
        while record.kept_up == index:
            if record.run.state is not State.VERIFIED:
                runner.enter(record.run.state)
            try:
                result = runner.perform(index, "keep_up")
            except Cancelled as error:
                forward.cancel(record.run.position, error)
                return
            faults.point("resume.kept_up")
            if not isinstance(result, Failed):
                return
            # The host has just been booted: what does not start then says nothing about the release.
            failed = result.model_copy(update={"blame": "host"})
            back = record.run.state is State.ROLLING_BACK
            if record.run.position < index and not back:
                runner.tell(EventKind.NOTE, f"the old version does not start: {failed.why}", index)
                return
            (backward if back else forward).fail(record.run.position, failed)

    def _stuck(self, record: RunRecord, reason: str) -> None:
        todo = record.run.todo
        if record.run.state is State.ROLLING_BACK:
            todo = Backward.todo(record)
        elif record.plan is not None:
            self._journal.policy.quarantine(record.run.component, record.plan.to_version, reason)
        record.move([Event.STUCK], reason=reason, todo=todo)

    def _doing(self, record: RunRecord) -> str:
        run = record.run
        if 0 <= run.position < len(record.steps):
            undoing = "undoing " if run.state is State.ROLLING_BACK else ""
            return f"at {undoing}the step {record.steps[run.position].name!r}"
        return f"in the state {run.state}"

    def _check(self, record: RunRecord, runner: Runner, checking: Checked) -> None:
        runner.enter(State.CHECKING)
        try:
            plan = self._patiently(record, runner, checking)
            record.take_up(plan)
        except UpToDate as error:
            record.move([Event.UP_TO_DATE], reason=str(error))
            return
        except (Interrupted, JournalError):
            raise
        except FsmError as error:
            record.move([Event.FAIL], reason=masked_text(error.cause), todo=error.todo)
            return
        except OSError as error:  # a full disk, one that is read-only: the host's trouble, and nothing was touched
            record.move([Event.FAIL], reason=f"cannot make a plan: {error}", todo="mend that, then update again")
            return
        except Exception as error:
            log.exception("checking %s failed unexpectedly", record.run.component)
            record.move([Event.FAIL], reason=f"{type(error).__name__}: {error}", todo="this is a bug; report it")
            return
        Forward(record, runner).begin(plan)

    def _patiently(self, record: RunRecord, runner: Runner, checking: Checked) -> Plan:
        """Try again while the network is not up; a source that stays away ends the check, nothing else."""
        deadline = StepDeadline(self._around.clock, self._around.clock.monotonic() + self._around.limit(State.CHECKING))
        context = runner.context(None, deadline)
        tries = 0
        while True:
            context.check()
            try:
                return checking(record.run, context)
            except Transient as error:
                delay = runner.delay(tries, error.after)
                if delay >= deadline.remaining():
                    raise
                tries += 1
                runner.tell_retry(str(error), delay)
                context.sleep(delay)

    def _marker(self, run: Run) -> str:
        """What children of this run carry in their environment, so that a resume finds those that hid."""
        return self._around.marker(run.id)

    def _children(self, run: Run) -> list[Child]:
        return [_child(row) for row in self._journal.log(run.id) if row.kind is Kind.CHILD]


def _child(row: LogRow) -> Child:
    try:
        return Child(identity=Identity.model_validate(row.data["identity"]), argv0=row.data["argv0"])
    except ValueError as error:
        raise damaged(f"row {row.seq} of its log") from error
