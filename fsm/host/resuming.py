"""Resuming what is in progress, and when a boot that waits may go on (`fsm.system.boot_hold`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from fsm.engine.executor import Executor
from fsm.engine.journal import Journal, Run
from fsm.engine.progress import EventKind, ProgressEvent, tell
from fsm.host.context import Host
from fsm.host.results import safely
from fsm.host.set_runs import SetRuns
from fsm.model import Seconds
from fsm.system import boot_hold

if TYPE_CHECKING:
    from fsm.engine.report import UpdateResult

PAUSE: Final[Seconds] = 1.0
"""Between two tries to make a tree whole that the boot waits for."""


class Resuming:
    """Continues runs from the journal alone; `fsm.updater.Updater.resume` says what that means.

    Args:
        host: with the control of that call.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._sets = SetRuns(host)

    def resume(self, name: str | None, *, within: Seconds | None) -> list[UpdateResult]:
        """See `Updater.resume`."""
        with self._host.journal() as journal:
            runs = journal.runs(name, in_progress=True)
            # The boot that goes on starts everything: it waits for trees that this call does not name as well.
            waiting = journal.runs(in_progress=True) if boot_hold.holding() else []
            down = {run.component for run in waiting if self._host.is_down(run, journal)}
        owners = {run.component: self._sets.owner(run.component) for run in runs}
        work: dict[str, Callable[[], list[UpdateResult]]] = {}
        for each, owner in owners.items():
            if owner is None:
                work[each] = partial(self._one, each)
            else:
                work[owner.component] = partial(self._sets.resume, owner)
        sets = [owner for owner in owners.values() if owner is not None]
        with self._host.within([*runs, *sets], within):
            if boot_hold.holding():
                broken = self._made_whole(down)
                if broken:
                    # To go on with another one would start its service, and for that the boot would have to go on.
                    return self._as_they_are(runs, broken)
                boot_hold.release()
            found = {each: work[each]() if name else safely(each, work[each]) for each in sorted(work)}
        return [result for results in found.values() for result in results]

    def _made_whole(self, names: Iterable[str]) -> dict[str, UpdateResult]:
        """First every tree is made whole; then the boot may start what it likes, and so may we.

        What hinders that (another updater, a full disk) is waited for, as long as systemd waits for us.

        Returns:
            What became of those that are not, where this call was asked to stop.
        """
        left, said = sorted(names), dict[str, str]()
        while True:
            ends = {each: safely(each, partial(self._one, each, until_start=True))[0] for each in left}
            runs = [run for each in left if (run := self._host.needs_down(each)) is not None]
            left = [run.component for run in runs]
            if not left or self._host.control.requested:
                return {each: ends[each] for each in left}
            for run in runs:
                why = f"the boot waits until its tree is whole: {ends[run.component].reason or 'it was interrupted'}"
                if said.get(run.component) != why:
                    said[run.component] = why
                    event = ProgressEvent(EventKind.RETRY, run.component, run.id, run.state, why)
                    tell(self._host.observers, event)
            self._host.control.wake.wait(PAUSE)

    def _as_they_are(self, runs: Iterable[Run], known: dict[str, UpdateResult]) -> list[UpdateResult]:
        with self._host.journal() as journal:
            now = {run.component: journal.run(run.id) or run for run in runs}
            return [known.get(each) or self._host.report(journal, now[each]) for each in sorted(now)]

    def _one(self, name: str, *, until_start: bool = False) -> list[UpdateResult]:
        def work(journal: Journal, executor: Executor) -> Run:
            run = journal.active(name)
            if run is not None:
                return executor.resume(run, self._host.checked(name, journal), until_start=until_start)
            latest = journal.latest(name)
            assert latest is not None, "it was in progress a moment ago"
            return latest

        return [self._host.locked(name, work)]
