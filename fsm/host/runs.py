"""What the façade does with runs: update, roll back and cancel, one component or several; and their results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from graphlib import CycleError
from itertools import chain

from fsm.adapter import DataChoice
from fsm.engine.executor import Executor
from fsm.engine.journal import Journal, Run
from fsm.engine.locks import ComponentLock
from fsm.engine.report import Outcome, UpdateResult
from fsm.engine.scheduling import in_order
from fsm.errors import Busy, UsageError
from fsm.host.context import Host
from fsm.host.results import safely, without_run
from fsm.host.set_runs import SetRuns
from fsm.lifecycle import State
from fsm.model import Seconds


class Runs:
    """The runs of one call; `fsm.updater.Updater` says what each verb does.

    Args:
        host: with the control of that call.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._sets = SetRuns(host)

    def update(self, name: str, *, version: str | None, force: bool) -> UpdateResult:
        """See `Updater.update`."""
        self._host.prepare(name)
        owner = self._sets.owner(name)
        if owner is not None:
            return of(name, self._sets.resume(owner))

        def work(journal: Journal, executor: Executor) -> Run | None:
            _refuse_member(journal, name)
            active = journal.active(name)
            if active is not None:
                return executor.resume(active, self._host.checked(name, journal))
            if self._host.control.requested:
                return None
            run = self._host.begin(journal, name, data={"wanted": version, "force": bool(force)})
            return executor.drive(run, self._host.checked(name, journal))

        return self._host.locked(name, work)

    def update_all(self, names: Sequence[str], *, jobs: int | None, force: bool) -> list[UpdateResult]:
        """See `Updater.update_all`."""
        begun = self._resumed_sets(names)
        units = self._units([name for name in names if name not in begun])
        part_of = {member: unit for unit, members in units.items() for member in members}
        needs = {
            unit: {member: self._host.config.component(member).keys.depends_on for member in members}
            for unit, members in units.items()
        }

        def one(unit: str, results: dict[str, list[UpdateResult]]) -> list[UpdateResult]:
            known = {each.component: each for each in (*begun.values(), *chain.from_iterable(results.values()))}
            outside = {other for others in needs[unit].values() for other in others} - needs[unit].keys()
            for other in sorted(outside & known.keys()):
                if known[other].outcome not in (Outcome.DONE, Outcome.UP_TO_DATE):
                    why = f"it depends on {other}, which was not updated ({known[other].outcome})"
                    refused = dict.fromkeys((unit, *units[unit]))
                    return [without_run(each, Outcome.REFUSED, reason=why) for each in refused]
            return safely(unit, partial(self._update_unit, unit, units[unit], jobs, force=force))

        order = {
            unit: {part_of[other] for others in inner.values() for other in others if other in part_of} - {unit}
            for unit, inner in needs.items()
        }
        try:
            results = in_order(order, one, jobs=jobs or self._host.config.settings.jobs)
        except CycleError as error:
            raise UsageError(
                "cannot update them in one order",
                f"a set depends on a component that depends on the set: {' -> '.join(map(str, error.args[1]))}",
                "put all of them into the set",
            ) from error
        ends = {unit: iter([found]) for unit, found in results.items()}
        return list(chain.from_iterable([begun[x]] if x in begun else next(ends[part_of[x]], []) for x in names))

    def _update_unit(self, unit: str, members: Sequence[str], jobs: int | None, *, force: bool) -> list[UpdateResult]:
        if not unit.startswith("@"):
            return [self.update(unit, version=None, force=force)]
        label = unit.removeprefix("@")
        return self._sets.update(label if label in self._host.config.sets else members, jobs=jobs, force=force)

    def _units(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What of some components is updated as one: the sets of which all members are named, and each of the others.

        Sets that share members are one.
        """
        sets = [set(members) for members in self._host.config.sets.values() if set(members) <= set(names)]
        labels = {frozenset(members): name for name, members in self._host.config.sets.items()}
        found: dict[str, tuple[str, ...]] = {}
        for name in names:
            if any(name in members for members in found.values()):
                continue
            members = {name}
            while more := [each for each in sets if each & members and not each <= members]:
                members = members.union(*more)
            whole = tuple(each for each in names if each in members)
            label = labels.get(frozenset(whole), "+".join(whole))
            found[name if len(whole) == 1 else f"@{label}"] = whole
        return found

    def _resumed_sets(self, names: Sequence[str]) -> dict[str, UpdateResult]:
        """Go on with the sets that some of these components are in: each once, whichever of its members are named."""
        owners = {name: owner for name in names if (owner := self._sets.owner(name)) is not None}
        sets = {owner.id: owner for owner in owners.values()}
        ends = {each: safely(owner.component, partial(self._sets.resume, owner)) for each, owner in sets.items()}
        return {name: of(name, ends[owner.id]) for name, owner in owners.items()}

    def update_set(self, members: str | Sequence[str], *, jobs: int | None, force: bool) -> list[UpdateResult]:
        """See `Updater.update_set`."""
        return self._sets.update(members, jobs=jobs, force=force)

    def rollback(self, name: str, *, to: str | None, data: DataChoice | None, timeout: Seconds) -> UpdateResult:
        """See `Updater.rollback`; `timeout` is for the set that the component belongs to."""
        owner = self._sets.owner(name)
        if owner is not None and not self._sets.has_failed(name):
            _refuse_choice(name, owner, data)
            return of(name, self._sets.cancel(owner, timeout))

        def work(journal: Journal, executor: Executor) -> Run | None:
            latest = journal.latest(name)
            if latest is None or latest.state is not State.FAILED:
                _refuse_member(journal, name)
            if latest is not None and (latest.in_progress or latest.state is State.FAILED):
                _refuse_choice(name, latest, data)
            if latest is not None and latest.in_progress:
                return executor.rollback(latest, "rolled back on request")
            if latest is not None and latest.state is State.FAILED:
                return executor.retry(latest)
            if self._host.control.requested:
                return None
            run = self._host.begin(journal, name, kind="rollback", data={"to": to, "files": data})
            return executor.drive(run, self._host.checked(name, journal))

        return self._host.locked(name, work)

    def bring_back(self, name: str, kept: str) -> UpdateResult:
        """See `Updater.bring_back`."""
        owner = self._sets.owner(name)

        def work(journal: Journal, executor: Executor) -> Run | None:
            if owner is not None:
                _refuse_member(journal, name)
            latest = journal.latest(name)
            if latest is not None and (latest.in_progress or latest.state is State.FAILED):
                how = "is not finished" if latest.in_progress else "has failed"
                raise Busy(
                    f"cannot bring files of {name} back now",
                    f"run {latest.id} {how}",
                    f"finish that first with `fsm {'resume' if latest.in_progress else 'rollback'} {name}`",
                )
            if self._host.control.requested:
                return None
            run = self._host.begin(journal, name, kind="data", data={"kept": kept})
            return executor.drive(run, self._host.checked(name, journal))

        return self._host.locked(name, work)

    def cancel(self, name: str, *, timeout: Seconds) -> UpdateResult:
        """See `Updater.cancel`."""
        owner = self._sets.owner(name)
        if owner is not None:
            return of(name, self._sets.cancel(owner, timeout))
        todo = "`fsm rollback` undoes a finished update"
        if name.startswith("@"):
            self._sets.known(name)
            raise UsageError(f"cannot cancel {name}", "nothing of this set is in progress", f"{todo}, member by member")
        self._host.config.component(name)
        with self._host.journal() as journal:
            run = journal.active(name)
            if run is None:
                raise UsageError(f"cannot cancel {name}", "nothing is in progress", todo)
            journal.request_cancel(run)
            until = time.monotonic() + timeout
            while time.monotonic() < until and not self._host.control.requested:
                try:
                    with ComponentLock(self._host.config.state_dir, name):
                        return self._cancel_here(journal, run)
                except Busy:
                    time.sleep(0.2)
            return self._host.report(journal, journal.run(run.id) or run)

    def _cancel_here(self, journal: Journal, run: Run) -> UpdateResult:
        now = journal.run(run.id) or run
        if now.in_progress:
            now = self._host.executor(journal).rollback(now, "cancelled on request")
        return self._host.report(journal, now)


def _refuse_choice(name: str, run: Run, data: DataChoice | None) -> None:
    """Refuse a choice where there is none: a run that is undone takes back all that it did.

    Raises:
        UsageError: there is a choice.
    """
    if data is not None:
        why = f"run {run.id} is not finished, and undoing it takes preserved files back to what they were before it"
        raise UsageError(f"cannot choose what becomes of the files of {name}", why, "leave out --data")


def _refuse_member(journal: Journal, name: str) -> None:
    """Refuse a component whose set has begun since it was looked for: to be asked under the component's lock.

    Raises:
        Busy: alone it would be at another version than its set.
    """
    owner = journal.owner(name)
    if owner is not None:
        why = f"it is part of {owner.component}, which is interrupted"
        raise Busy(f"cannot work on {name} now", why, "finish that first with `fsm resume`")


def of(name: str, results: Sequence[UpdateResult]) -> UpdateResult:
    """What became of one component; where the set ended before it had a run, what became of the set."""
    return next((result for result in results if result.component == name), results[0])
