"""What the façade does with sets: who is in them, their locks, and their results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from fsm.engine.journal import Journal, Kind, Run
from fsm.engine.locks import ComponentLock
from fsm.engine.run_facts import Outcome
from fsm.errors import Busy, UsageError
from fsm.host import results
from fsm.host.context import Host
from fsm.host.set_driver import SetDriver
from fsm.lifecycle import State
from fsm.model import Seconds

if TYPE_CHECKING:
    from fsm.engine.report import UpdateResult


class SetRuns:
    """The sets of one host. Results are that of the set itself, and those of its members after it."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def chosen(self, members: str | Sequence[str]) -> tuple[str, dict[str, list[str]]]:
        """The name of a set, and its members, dependencies first, each with the members that it depends on.

        Args:
            members: the name of a configured set, or components.

        Raises:
            UsageError: there is no such set or component, or it has less than two members.
        """
        config = self._host.config
        names = config.set_of(members) if isinstance(members, str) else tuple(dict.fromkeys(members))
        if len(names) < 2:
            raise UsageError("cannot update them together", "a set needs at least two members", "name more components")
        needs = {name: [x for x in config.component(name).keys.depends_on if x in names] for name in names}
        label = members if isinstance(members, str) else "+".join(names)
        return f"@{label}", {name: needs[name] for name in TopologicalSorter(needs).static_order()}

    def known(self, name: str) -> None:
        """Refuse the name of a set, after its ``@``, that there is not.

        Raises:
            UsageError: it is neither that of a configured set nor made of components' names.
        """
        label = name.removeprefix("@")
        members = label.split("+")
        if len(members) == 1:
            self._host.config.set_of(label)
        else:
            for each in members:
                self._host.config.component(each)

    def update(self, members: str | Sequence[str], *, jobs: int | None, force: bool) -> list[UpdateResult]:
        """See `Updater.update_set`."""
        name, needs = self.chosen(members)
        begun = self.owner(name)
        if begun is not None:
            # With the members that it began with, whatever the configuration says by now.
            return self._again(begun, lambda driver, now: driver.resume(now), jobs)

        def work(journal: Journal, driver: SetDriver) -> Run | None:
            active = journal.active(name)
            if active is not None:
                return driver.resume(active)
            if self._host.control.requested:
                return None
            return driver.go(driver.begin(name, needs, force=force))

        return self._locked(name, list(needs), work, jobs)

    def resume(self, run: Run) -> list[UpdateResult]:
        """Continue a set's run that was interrupted."""
        return self._again(run, lambda driver, now: driver.resume(now))

    def cancel(self, run: Run, timeout: Seconds) -> list[UpdateResult]:
        """Roll a set's run in progress back: by asking the process that drives it, or here when none does."""
        with self._host.journal() as journal:

            def ask() -> None:
                for each in (run, *journal.members(run.id)):
                    if each.in_progress:
                        journal.request_cancel(each)

            journal.together(ask)
        until = time.monotonic() + timeout
        while True:
            ends = self._again(run, lambda driver, now: driver.cancel(now))
            over = time.monotonic() >= until or self._host.control.requested
            if ends[0].outcome is not Outcome.BUSY or over:
                return ends
            time.sleep(0.2)

    def owner(self, name: str) -> Run | None:
        """The set's run in progress, of a set after its ``@`` or of one that a component belongs to.

        Also of one whose own run has ended already: where another member fails, that one is back before the others.
        """
        with self._host.journal(readonly=True) as journal:
            return journal.active(name) if name.startswith("@") else journal.owner(name)

    def has_failed(self, name: str) -> bool:
        """Whether a member could not be rolled back: taking that up again tears no set apart."""
        with self._host.journal(readonly=True) as journal:
            latest = journal.latest(name)
            return latest is not None and latest.state is State.FAILED

    def _again(self, run: Run, work: Callable[[SetDriver, Run], Run], jobs: int | None = None) -> list[UpdateResult]:
        with self._host.journal(readonly=True) as journal:
            members = list(journal.asked(run)["needs"])

        def go_on(journal: Journal, driver: SetDriver) -> Run:
            now = journal.run(run.id) or run
            return work(driver, now) if now.in_progress else now

        return self._locked(run.component, members, go_on, jobs)

    def _locked(
        self, name: str, members: Sequence[str], work: Callable[[Journal, SetDriver], Run | None], jobs: int | None
    ) -> list[UpdateResult]:
        try:
            with self._holding(name, *members), self._host.journal() as journal:
                run = work(journal, SetDriver(self._host, journal, jobs or self._host.config.settings.jobs))
                if run is None:
                    return [results.without_run(name, Outcome.INTERRUPTED)]
                return self._results(journal, run, members)
        except Busy as error:
            return [results.without_run(name, Outcome.BUSY, reason=error.why, todo=error.todo)]

    @contextmanager
    def _holding(self, *names: str) -> Iterator[None]:
        """The locks of all, always taken in one order."""
        with ExitStack() as locks:
            for name in sorted(names):
                locks.enter_context(ComponentLock(self._host.config.state_dir, name))
            yield

    def _results(self, journal: Journal, run: Run, members: Sequence[str]) -> list[UpdateResult]:
        own = {each.component: self._host.report(journal, each) for each in journal.members(run.id)}
        planned = any(row.kind is Kind.PLANNED for row in journal.log(run.id))
        for name in members if planned else ():
            latest = results.without_run(name, Outcome.UP_TO_DATE, reason="no newer release")
            own.setdefault(name, latest)
        return [self._host.report(journal, run), *own.values()]
