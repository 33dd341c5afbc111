"""The loop over the lifecycle: what is done in each state, and after a crash in it."""

from __future__ import annotations

from collections.abc import Callable

from fsm.adapter import Failed, Registry
from fsm.engine.executor.backward import Backward
from fsm.engine.executor.context import Context
from fsm.engine.executor.control import StepDeadline, Surroundings
from fsm.engine.executor.forward import Forward
from fsm.engine.executor.run_record import Ledger
from fsm.engine.executor.runner import Runner
from fsm.engine.journal import Journal, Kind, Record, Run
from fsm.engine.plan import Plan
from fsm.engine.progress import log
from fsm.errors import FsmError, Interrupted, JournalError, Transient, UpToDate
from fsm.lifecycle import LIMIT, Event, State
from fsm.system import faults
from fsm.system.processes import Identity
from fsm.system.shell import Child, Shell, end_orphans

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

    def drive(self, run: Run, checking: Checked | None = None, *, brink: bool = False) -> Run:
        """Take a new run, or one that was just resumed, as far as it goes.

        Args:
            run: in progress.
            checking: the work of its first state; needed unless that is over.
            brink: only as far as it goes while its service is down: up to the step that starts it.

        Returns:
            The run at rest, or still in progress when it was interrupted.

        Raises:
            JournalError: the journal cannot be written; the run stays where it is and can be resumed.
            PlanUnknown: the frozen plan does not fit this version.
        """
        ledger = Ledger(self._journal, self._registry, run)
        runner = Runner(ledger, self._around)
        forward = Forward(ledger, runner, brink=brink)
        backward = Backward(ledger, runner, brink=brink)
        try:
            if ledger.run.state is State.CHECKING:
                assert checking is not None, "only a run that is past checking is driven without"
                self._check(ledger, runner, checking)
            if ledger.kept_down is not None:
                self._keep_down(ledger, runner, ledger.kept_down, forward, backward)
            if ledger.run.state in (State.BACKING_UP, State.UPDATING, State.VERIFYING):
                forward.go()
            if ledger.run.state is State.ROLLING_BACK:
                backward.go()
            if brink and ledger.run.in_progress:
                self._pause(ledger, "its service is started later")
        except Interrupted as error:
            self._pause(ledger, str(error))
        return ledger.run

    def _pause(self, ledger: Ledger, why: str) -> None:
        """Not a crash: the attempt that was cut short on purpose does not count against the run."""
        paused = [Record(Kind.INTERRUPTED, data={"why": why})]
        ledger.run = self._journal.write(ledger.run, paused, attempt=max(ledger.run.attempt - 1, 0))

    def resume(self, run: Run, checking: Checked, *, brink: bool = False) -> Run:
        """Continue a run that a crash, a reboot or an interrupt left in progress.

        Safe to ask for twice. What still runs of the crashed process's children is ended first. `brink`: see `drive`.
        """
        if run.state is State.VERIFIED:
            return run  # nothing is left to do for it alone
        end_orphans(self._children(run), self._marker(run), grace=5.0)
        faults.point("resume.orphans_ended")
        ledger = Ledger(self._journal, self._registry, run)
        attempt = run.attempt + 1
        if attempt > LIMIT:
            why = f"the updater was killed {LIMIT} times while it was {self._doing(ledger)}"
            reason = f"{run.reason}; {why}" if run.state is State.ROLLING_BACK else why
            self._stuck(ledger, reason)
        else:
            ledger.move([], [Record(Kind.RESUMED, run.position, {"attempt": attempt})], attempt=attempt)
        faults.point("resume.written")
        return self.drive(ledger.run, checking, brink=brink)

    def is_down(self, run: Run) -> bool:
        """Whether a run in progress needs its service to stay down until it is taken up again.

        Raises:
            PlanUnknown: the frozen plan does not fit this version.
        """
        return Ledger(self._journal, self._registry, run).down

    def rollback(self, run: Run, why: str) -> Run:
        """Roll back a run in progress that nobody drives just now."""
        ledger = Ledger(self._journal, self._registry, run)
        end_orphans(self._children(run), self._marker(run), grace=5.0)
        if run.state is not State.ROLLING_BACK:
            ledger.move([Event.FAIL], [Record(Kind.CANCEL_REQUESTED)], reason=why)
        return self.drive(ledger.run)

    def retry(self, run: Run) -> Run:
        """Take up the rollback of a failed run again, after a person has mended the cause."""
        ledger = Ledger(self._journal, self._registry, run)
        ledger.move([Event.RETRY], todo="")
        return self.drive(ledger.run)

    def look(self, run: Run, checking: Checked) -> Plan:
        """The work of `checking` for a member of a set, whose own run has not begun; what is transient is tried again.

        Args:
            run: of the set, under the member's name.
            checking: gets that run and a context.

        Raises:
            UpToDate, FsmError: as `checking` does.
        """
        ledger = Ledger(self._journal, self._registry, run)
        runner = Runner(ledger, self._around)
        runner.enter(State.CHECKING)
        return self._patiently(ledger, runner, checking)

    def freeze(self, run: Run, plan: Plan) -> Run:
        """Have a new run begin with a plan that was made before; its first step is not done yet."""
        ledger = Ledger(self._journal, self._registry, run)
        ledger.thaw(plan)
        Forward(ledger, Runner(ledger, self._around)).begin(plan)
        return ledger.run

    def conclude(self, run: Run) -> Run:
        """End a run that is `verified`, as all the others of its set are. Nobody is told: see `announce`."""
        ledger = Ledger(self._journal, self._registry, run)
        Forward(ledger, Runner(ledger, self._around)).conclude()
        return ledger.run

    def announce(self, run: Run) -> None:
        """Let the observers know which state a run is in."""
        Runner(Ledger(self._journal, self._registry, run), self._around).enter(run.state)

    def bare_context(self, component: str) -> Context:
        """A context without a run, for looking ahead: its children are not journaled, as nothing will resume them."""
        marker = f"{self._around.name}.0"
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
            shell=lambda poll: Shell(marker=marker, record=lambda child: None, poll=poll, secrets=self._around.secrets),
        )

    @staticmethod
    def _keep_down(ledger: Ledger, runner: Runner, index: int, forward: Forward, backward: Backward) -> None:
        """See that the service is down which this run had stopped: a boot may have started it, or a person."""
        while ledger.run.state in (State.UPDATING, State.VERIFYING, State.ROLLING_BACK):
            runner.enter(ledger.run.state)
            result = runner.perform(index, lambda step, context: step.keep_down(context))
            faults.point("resume.kept_down")
            if not isinstance(result, Failed):
                return
            failing = backward if ledger.run.state is State.ROLLING_BACK else forward
            failing.fail(ledger.run.position, result)

    def _stuck(self, ledger: Ledger, reason: str) -> None:
        todo = ledger.run.todo
        if ledger.run.state is State.ROLLING_BACK:
            todo = Backward.todo(ledger)
        elif ledger.plan is not None:
            self._journal.policy.quarantine(ledger.run.component, ledger.plan.to_version, reason)
        ledger.move([Event.STUCK], reason=reason, todo=todo)

    def _doing(self, ledger: Ledger) -> str:
        run = ledger.run
        if 0 <= run.position < len(ledger.steps):
            verb = "undoing" if run.state is State.ROLLING_BACK else "at"
            return f"{verb} the step {ledger.steps[run.position].name!r}"
        return f"in the state {run.state}"

    def _check(self, ledger: Ledger, runner: Runner, checking: Checked) -> None:
        runner.enter(State.CHECKING)
        try:
            plan = self._patiently(ledger, runner, checking)
            ledger.thaw(plan)
        except UpToDate as error:
            ledger.move([Event.UP_TO_DATE], reason=str(error))
            return
        except (Interrupted, JournalError):
            raise
        except FsmError as error:
            ledger.move([Event.FAIL], reason=error.cause, todo=error.todo)
            return
        except Exception as error:
            log.exception("checking %s failed unexpectedly", ledger.run.component)
            ledger.move([Event.FAIL], reason=f"{type(error).__name__}: {error}", todo="this is a bug; report it")
            return
        Forward(ledger, runner).begin(plan)

    def _patiently(self, ledger: Ledger, runner: Runner, checking: Checked) -> Plan:
        """Try again while the network is not up; a source that stays away ends the check, nothing else."""
        deadline = StepDeadline(self._around.clock, self._around.clock.monotonic() + self._around.limit(State.CHECKING))
        context = runner.context(None, deadline)
        tries = 0
        while True:
            context.check()
            try:
                return checking(ledger.run, context)
            except Transient as error:
                delay = runner.delay(tries, error.after)
                if delay >= deadline.remaining():
                    raise
                tries += 1
                runner.tell_retry(str(error), delay)
                context.sleep(delay)

    def _marker(self, run: Run) -> str:
        """What children of this run carry in their environment, so that a resume finds those that hid."""
        return f"{self._around.name}.{run.id}"

    def _children(self, run: Run) -> list[Child]:
        return [
            Child(identity=Identity.model_validate(row.data["identity"]), argv0=row.data["argv0"])
            for row in self._journal.log(run.id)
            if row.kind is Kind.CHILD
        ]
