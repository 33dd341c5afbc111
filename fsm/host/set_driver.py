"""Several components as one: all of them reach their new versions, or none does.

A set's run is a run of the journal like any other, of the lifecycle `SET_TABLE`; the members' runs belong to it. In
`checking` every member's plan is made, and all members' runs begin in one commit. In `updating` each goes through its
own lifecycle to `verified` and waits, dependencies first. When all wait, one commit makes all of them, and the set,
`done`: there is no moment in which one is and another is not. Where one fails, all are rolled back, last one first.
What is next always follows from the journal alone, so a resume does not need to know where the set was interrupted.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from fsm.engine.executor import Executor
from fsm.engine.executor.context import Context
from fsm.engine.executor.run_record import RunRecord
from fsm.engine.journal import SET, Journal, Kind, Record, Run
from fsm.engine.plan import Plan
from fsm.engine.scheduling import in_order
from fsm.errors import Cancelled, FsmError, Interrupted, JournalError, Refused, UpToDate
from fsm.host.context import Host
from fsm.lifecycle import LIMIT, Event, State
from fsm.system import faults

CANCELLED: Final = "cancelled on request"


class SetDriver:
    """Drives the run of one set. Its caller holds the locks of the set and of every member.

    Args:
        host: this host.
        journal: open for writing.
        jobs: how many members at the same time, where none depends on the other.
    """

    def __init__(self, host: Host, journal: Journal, jobs: int) -> None:
        self._host = host
        self._journal = journal
        self._jobs = jobs
        self._executor: Executor = host.executor(journal)
        self._resumed = False

    def begin(self, name: str, needs: Mapping[str, Sequence[str]], *, force: bool) -> Run:
        """Write down that the set is to be updated.

        Args:
            name: with its `@`.
            needs: the members, dependencies first, each with the members that it depends on.
            force: as for a single component.
        """
        asked = {"needs": {member: list(others) for member, others in needs.items()}, "force": bool(force)}
        run = self._journal.begin(name, SET, kind=SET, data=asked)
        faults.point("set.begun")
        return run

    def go(self, run: Run) -> Run:
        """Take the set's run as far as it goes.

        Returns:
            It at rest, or still in progress when it was interrupted.

        Raises:
            JournalError, PlanUnknown: it stays where it is and can be resumed.
        """
        steps = ((State.CHECKING, self._check), (State.UPDATING, self._forward), (State.ROLLING_BACK, self._backward))
        try:
            for state, work in steps:
                if run.state is state:
                    self._executor.announce(run)
                    run = work(run)
        except Interrupted as error:
            return self._pause(run, str(error))
        except (KeyboardInterrupt, SystemExit) as error:
            self._pause(run, f"the program was ended by {type(error).__name__}")
            raise
        self._executor.announce(run)
        return run

    def _pause(self, run: Run, why: str) -> Run:
        """Not a crash: the attempt that was cut short on purpose does not count against the set."""
        paused = [Record(Kind.INTERRUPTED, data={"why": why})]
        return self._journal.write(self._now(run), paused, attempt=max(run.attempt - 1, 0))

    def resume(self, run: Run) -> Run:
        """Continue after a crash, a reboot or an interrupt. Any member's progress counts as the set's.

        While they are rolled back, each counts for itself: to give up the set would leave the others where they are.
        """
        self._resumed = True
        progress = [[own.state, own.position] for own in self._journal.members(run.id)]
        passes = [row for row in self._journal.log(run.id) if row.kind in (Kind.RESUMED, Kind.INTERRUPTED)]
        before = [row.data.get("progress") for row in passes if row.kind is Kind.RESUMED]
        attempt = run.attempt + 1
        if before and before[-1] != progress:
            # The pass that got on was the first one here, unless it was cut short on purpose.
            attempt = 1 if passes[-1].kind is Kind.INTERRUPTED else 2
        if attempt > LIMIT and run.state is not State.ROLLING_BACK:
            why = f"the updater made no progress in {LIMIT} attempts"
            run = self._move(run, [Event.STUCK], reason=why)
        else:
            resumed = Record(Kind.RESUMED, data={"attempt": attempt, "progress": progress})
            run = self._move(run, [], [resumed], attempt=attempt)
        faults.point("set.resumed")
        return self.go(run)

    def cancel(self, run: Run) -> Run:
        """Roll a set back that nobody drives just now."""
        self._resumed = True
        if run.state is State.CHECKING:
            return self._move(run, [Event.FAIL], [Record(Kind.CANCEL_REQUESTED)], reason=CANCELLED)
        if run.state is State.UPDATING:
            run = self._move(run, [Event.FAIL], [Record(Kind.CANCEL_REQUESTED)], reason=CANCELLED)
        return self.go(run)

    def _move(self, run: Run, events: Sequence[Event], records: Sequence[Record] = (), **changes: Any) -> Run:
        record = RunRecord(self._journal, self._host.registry, run)
        record.move(events, records, **changes)
        return record.run

    def _now(self, run: Run) -> Run:
        return self._journal.run(run.id) or run

    def _asked(self, run: Run) -> dict[str, Any]:
        return self._journal.asked(run)

    def _check(self, run: Run) -> Run:
        """Make every member's plan before any of them is touched."""
        asked = self._asked(run)
        plans: dict[str, Plan] = {}
        for name in asked["needs"]:
            try:
                self._refuse_interrupted(name)
                as_member = run._replace(component=name, component_type=self._host.config.component(name).keys.type)
                plans[name] = self._executor.look(as_member, partial(self._plan, asked["force"]))
            except UpToDate:
                continue
            except (Interrupted, JournalError):
                raise
            except Cancelled as error:
                return self._move(run, [Event.FAIL], reason=error.cause)
            except FsmError as error:
                self._host.blocked[run.id] = error.blocked
                return self._move(run, [Event.FAIL], reason=f"{name}: {error.cause}", todo=error.todo)
        faults.point("set.planned")
        if not plans:
            return self._move(run, [Event.UP_TO_DATE], reason="every member is up to date")
        run = self._journal.together(partial(self._begin_members, run, plans, asked["force"]))
        faults.point("set.members_begun")
        return run

    def _plan(self, force: bool, run: Run, ctx: Context) -> Plan:
        return self._host.checking(run.component, self._journal).plan(ctx, force=force)

    def _refuse_interrupted(self, name: str) -> None:
        owner = self._journal.owner(name)
        if owner is None and self._journal.active(name) is None:
            return
        # One that is at rest already belongs to its set until that has ended: the set may go back yet.
        own = "it has an interrupted run of its own"
        why = own if owner is None else f"it is part of {owner.component}, which is interrupted"
        raise Refused(f"cannot update {name} with its set", why, "finish that first with `fsm resume`")

    def _begin_members(self, run: Run, plans: Mapping[str, Plan], force: bool) -> Run:
        for name, plan in plans.items():
            wanted = {"wanted": str(plan.to_version), "force": force}
            own = self._host.begin(self._journal, name, data=wanted, part_of=run.id)
            self._executor.freeze(own, plan)
        return self._move(run, [Event.OK], [Record(Kind.PLANNED, data={"members": list(plans)})])

    def _forward(self, run: Run) -> Run:
        """Bring every member to `verified`, then end all of them at once."""
        members = {own.component: own for own in self._journal.members(run.id)}
        needs = {name: others for name, others in self._asked(run)["needs"].items() if name in members}
        halted = threading.Event()
        if any(not own.in_progress for own in members.values()):
            halted.set()  # as a resume finds it: nobody else needs to go on
        ends = in_order(needs, lambda name, _: self._drive(members[name], halted), jobs=self._jobs)
        for own in ends.values():
            if own is not None and own.in_progress and own.state is not State.VERIFIED:
                raise Interrupted(f"cannot continue with {run.component}", f"{own.component} was interrupted")
        if self._journal.together(partial(self._commit, run)):
            faults.point("set.committed")
            run = self._now(run)
            for own in self._journal.members(run.id):
                self._executor.announce(own)
            return run
        return self._backward(self._turn_back(run))

    def _drive(self, own: Run, halted: threading.Event) -> Run | None:
        """One member's way, in a thread of its own; None if it has become pointless."""
        if halted.is_set():
            return None
        with self._host.journal() as journal:
            executor = self._host.executor(journal)
            if own.part_of is not None and journal.cancel_requested(own.part_of):
                halted.set()
                return None
            if own.in_progress:
                own = executor.resume(own, _never) if self._resumed else executor.drive(own)
        if own.state is not State.VERIFIED:
            halted.set()
        faults.point("set.member_ended")
        return own

    def _commit(self, run: Run) -> bool:
        """All members and the set become `done`, unless one is not `verified` or somebody has cancelled."""
        members = self._journal.members(run.id)
        if self._journal.cancel_requested(run.id) or any(own.state is not State.VERIFIED for own in members):
            return False
        for own in members:
            self._executor.conclude(own)
        self._move(run, [Event.OK])
        return True

    def _turn_back(self, run: Run) -> Run:
        """Write down that the set is rolled back, and because of whom."""
        run = self._now(run)
        ended = [own for own in self._journal.members(run.id) if not own.in_progress]
        culprit = next((own for own in ended if own.state is State.FAILED), ended[0] if ended else None)
        asked = f"cancelled: {self._journal.cancel_reason(run.id)}"
        reason = asked if run.cancel or culprit is None else f"{culprit.component}: {culprit.reason}"
        return self._move(run, [Event.FAIL], reason=reason, todo="" if culprit is None else culprit.todo)

    def _backward(self, run: Run) -> Run:
        """Roll back every member that has not been, the last one first."""
        faults.point("set.turned_back")
        members = self._journal.members(run.id)
        for each in reversed(members):
            if not each.in_progress:
                continue
            if each.state is State.ROLLING_BACK:
                own = self._executor.resume(each, _never)
            else:
                own = self._executor.rollback(each, f"it is updated together with others: {run.reason}")
            if own.in_progress:
                raise Interrupted(f"cannot continue with {run.component}", f"{own.component} was interrupted")
            faults.point("set.member_undone")
        failed = {own.component: own for own in self._journal.members(run.id) if own.state is State.FAILED}
        gone_back = [each for each in members if self._resumed and each.state is State.ROLLED_BACK]
        down = {each.component: why for each in gone_back if (why := self._executor.keep_up(each))}
        if not failed and not down:
            return self._move(run, [Event.OK])
        reasons = [f"{', '.join(failed)} could not be rolled back"] if failed else []
        reasons += [f"{name} does not start again: {why}" for name, why in down.items()]
        todo = next(iter(failed.values())).todo if failed else "start it, or find in its log why it does not"
        return self._move(run, [Event.FAIL], reason=f"{run.reason}; then {'; '.join(reasons)}", todo=todo)


def _never(run: Run, ctx: Context) -> Plan:
    """The work of `checking` of a run that began behind it."""
    raise AssertionError(f"run {run.id} has a plan")
