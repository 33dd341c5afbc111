"""The façade for programs: check, plan, update, resume, rollback, status, history, cancel, hold, pin.

Every verb takes names of components and returns typed results; what an operator must do is in them, in plain words.
Nothing here prints, and nothing here decides about states: `fsm.executor` does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fsm import boot
from fsm import plan as plans
from fsm.adapter import Backup, Finding, Registry
from fsm.checking import CheckResult
from fsm.config import Config, load, parse
from fsm.errors import Busy, FsmError, UsageError
from fsm.executor import Executor
from fsm.glance import About, status_of
from fsm.host import Host
from fsm.journal import Journal, Run
from fsm.lifecycle import State
from fsm.locks import ComponentLock
from fsm.model import Seconds, Version
from fsm.plan import Plan
from fsm.progress import Observer
from fsm.report import ComponentStatus, Outcome, RunReport, UpdateResult, run_report, typed
from fsm.scheduling import in_order
from fsm.selection import Pin

__all__ = ["UpdateResult", "Updater"]


class Updater:
    """Updates the components of one host.

    Args:
        config: from `fsm.config.load` or `fsm.config.parse`.
        registry: the component types; by default those of the installed packages.
        observers: called with every `fsm.progress.ProgressEvent`; what they raise is logged and ignored.
    """

    def __init__(self, config: Config, *, registry: Registry | None = None, observers: Sequence[Observer] = ()) -> None:
        self.config = config
        self._host = Host(config, registry or Registry.discover(), observers)

    @classmethod
    def from_config(
        cls, path: Path | None = None, *, registry: Registry | None = None, observers: Sequence[Observer] = ()
    ) -> Updater:
        """Read `fsm.toml`, from `path` or from where it is searched.

        Raises:
            ConfigError: with file, key and remedy.
        """
        registry = registry or Registry.discover()
        return cls(load(path, registry), registry=registry, observers=observers)

    @classmethod
    def from_data(
        cls,
        data: dict[str, Any],
        *,
        base: Path | None = None,
        registry: Registry | None = None,
        observers: Sequence[Observer] = (),
    ) -> Updater:
        """A configuration in memory, in the shape of `fsm.toml`.

        Raises:
            ConfigError: with the key and the remedy.
        """
        registry = registry or Registry.discover()
        return cls(parse(data, registry, base=base), registry=registry, observers=observers)

    @property
    def components(self) -> tuple[str, ...]:
        """The configured components' names."""
        return tuple(self.config.components)

    def observe(self, observer: Observer) -> None:
        """Add an observer."""
        self._host.observers.append(observer)

    def stop(self) -> None:
        """Ask what runs to stop at its next safe point; asked twice, at once. For signal handlers."""
        self._host.control.stop()

    def check(self, name: str, *, force: bool = False) -> CheckResult:
        """Ask the component's source for a newer release; without `force`, a young answer is believed.

        Raises:
            UsageError: no such component, or it has no source.
            Transient, Refused: the source cannot be asked, or its answer not be used.
        """
        with self._host.journal() as journal:
            return self._host.checking(name, journal).check(force=force)

    def check_all(self, *, force: bool = False) -> list[CheckResult]:
        """Check every component with a source; one that fails stops no other, its result says why."""
        names = [name for name, component in self.config.components.items() if component.keys.source]
        return [self._check_safely(name, force) for name in names]

    def _check_safely(self, name: str, force: bool) -> CheckResult:
        try:
            return self.check(name, force=force)
        except FsmError as error:
            return CheckResult(component=name, checked_at="", reason="the check failed", error=str(error))

    def plan(self, name: str, *, version: str | None = None, force: bool = False) -> Plan:
        """What an update would do, as a frozen plan; changes nothing.

        Raises:
            UpToDate: there is nothing to do.
            Transient, Refused: as for an update.
        """
        wanted = parse_version(version)
        with self._host.journal() as journal:
            checking = self._host.checking(name, journal)
            context = self._host.executor(journal).bare_context(name)
            return checking.plan(context, wanted=wanted, force=force)

    def update(self, name: str, *, version: str | None = None, force: bool = False) -> UpdateResult:
        """Bring one component to its newest allowed release, or to `version`.

        A run that was interrupted earlier is resumed instead, and its result returned.

        Args:
            name: the component.
            version: an exact version; may be older than the installed one.
            force: try it although it is held or failed here before.

        Returns:
            The result; a refusal, a rollback or a failure is a result, not an exception.

        Raises:
            UsageError, ConfigError: the call or the configuration is wrong.
            JournalError, PlanUnknown: a person is needed; nothing was changed by this call.
        """
        keys = self.config.component(name).keys
        parse_version(version)

        def work(journal: Journal, executor: Executor) -> Run:
            active = journal.active(name)
            if active is not None:
                return executor.resume(active, self._host.checked(name, journal))
            run = journal.begin(name, keys.type, data={"wanted": version, "force": force})
            return executor.drive(run, self._host.checked(name, journal))

        return self._host.locked(name, work)

    def update_all(
        self, names: Sequence[str] | None = None, *, jobs: int | None = None, force: bool = False
    ) -> list[UpdateResult]:
        """Update several components: dependencies first, independent ones at the same time.

        Returns:
            The results, in the order of `names`. A component whose dependency did not reach its version is refused.
        """
        chosen = list(dict.fromkeys(names or self.components))
        needs = {name: self.config.component(name).keys.depends_on for name in chosen}

        def one(name: str, results: dict[str, UpdateResult]) -> UpdateResult:
            for other in needs[name]:
                if other in results and results[other].outcome not in (Outcome.DONE, Outcome.UP_TO_DATE):
                    why = f"it depends on {other}, which was not updated ({results[other].outcome})"
                    return UpdateResult(component=name, outcome=Outcome.REFUSED, reason=why)
            try:
                return self.update(name, force=force)
            except FsmError as error:
                return UpdateResult(component=name, outcome=Outcome.FAILED, reason=str(error))

        results = in_order(needs, one, jobs=jobs or self.config.settings.jobs)
        return [results[name] for name in chosen]

    def resume(self, name: str | None = None, *, within: Seconds | None = None) -> list[UpdateResult]:
        """Continue every run that a crash, a reboot or an interrupt left in progress. Safe to ask for twice.

        Works from the journal alone: also for components that are no longer configured. A component that another
        updater works on just now is left to it, and reported as busy.

        Args:
            name: only this component. Without it, a run that cannot be continued stops no other; its result says why.
            within: seconds; what has not reached its goal by then is rolled back.
        """
        with self._host.journal() as journal:
            runs = journal.runs(name, in_progress=True)
            down = {run.component for run in runs if self._host.is_down(run, journal)}
        with self._host.within(runs, within):
            if boot.holding():
                # First every tree is made whole; then the boot may start what it likes, and so may we.
                for each in sorted(down):
                    self._resume_safely(each, brink=True)
                boot.release()
            found = sorted(run.component for run in runs)
            return [self._resume(each) if name else self._resume_safely(each) for each in found]

    def _resume_safely(self, name: str, *, brink: bool = False) -> UpdateResult:
        try:
            return self._resume(name, brink=brink)
        except FsmError as error:
            return UpdateResult(component=name, outcome=Outcome.FAILED, reason=str(error))

    def _resume(self, name: str, *, brink: bool = False) -> UpdateResult:
        def work(journal: Journal, executor: Executor) -> Run:
            run = journal.active(name)
            if run is not None:
                return executor.resume(run, self._host.checked(name, journal), brink=brink)
            latest = journal.latest(name)
            assert latest is not None, "it was in progress a moment ago"
            return latest

        return self._host.locked(name, work)

    def rollback(self, name: str, *, to: str | None = None) -> UpdateResult:
        """Go back to a version that is kept on this host; without a network.

        A run in progress is rolled back, and a rollback that failed is taken up again. After the rollback of a
        finished update the component is held, so that the next update does not install the same release again.

        Raises:
            UsageError: no such component.
        """
        keys = self.config.component(name).keys
        parse_version(to)

        def work(journal: Journal, executor: Executor) -> Run:
            latest = journal.latest(name)
            if latest is not None and latest.in_progress:
                return executor.rollback(latest, "rolled back by a person")
            if latest is not None and latest.state is State.FAILED:
                return executor.retry(latest)
            run = journal.begin(name, keys.type, kind="rollback", data={"to": to})
            return executor.drive(run, self._host.checked(name, journal))

        return self._host.locked(name, work)

    def cancel(self, name: str, *, timeout: Seconds = 600.0) -> UpdateResult:
        """Roll a run in progress back: by asking the process that drives it, or here when none does.

        Args:
            name: the component.
            timeout: seconds to wait for the other process; afterwards the result says where it is.

        Raises:
            UsageError: nothing is in progress.
        """
        self.config.component(name)
        with self._host.journal() as journal:
            run = journal.active(name)
            if run is None:
                raise UsageError(
                    f"cannot cancel {name}", "nothing is in progress", "`fsm rollback` undoes a finished update"
                )
            journal.request_cancel(run)
            until = time.monotonic() + timeout
            while time.monotonic() < until and not self._host.control.requested:
                try:
                    with ComponentLock(self.config.state_dir, name):
                        return self._cancel_here(journal, run)
                except Busy:
                    time.sleep(0.2)
            return self._host.report(journal, journal.run(run.id) or run)

    def _cancel_here(self, journal: Journal, run: Run) -> UpdateResult:
        now = journal.run(run.id) or run
        if now.in_progress:
            now = self._host.executor(journal).rollback(now, "cancelled by a person")
        return self._host.report(journal, now)

    def hold(self, name: str, why: str = "") -> None:
        """Let no update of the component start until `unhold`."""
        with self._host.journal() as journal:
            journal.policy.hold(self.config.component(name).name, why)

    def unhold(self, name: str) -> None:
        """Take the hold away."""
        with self._host.journal() as journal:
            journal.policy.unhold(self.config.component(name).name)

    def pin(self, name: str, pin: str | None) -> None:
        """Keep the component at a version or within a specifier such as ``~=1.4``; None takes the pin away.

        Raises:
            UsageError: the pin is neither.
        """
        Pin.parse(pin)
        with self._host.journal() as journal:
            journal.policy.set_pin(self.config.component(name).name, pin)

    def status(self, name: str | None = None) -> list[ComponentStatus]:
        """Where every component is. Needs no write permission and never waits."""
        names = [self.config.component(name).name] if name else self.components
        with self._host.journal(readonly=True) as journal:
            return [self._status(each, journal) for each in names]

    def _status(self, name: str, journal: Journal) -> ComponentStatus:
        checking = self._host.checking(name, journal)
        found = checking.installed()
        component = self.config.components[name]
        about = About(name, component.keys.type, component.target.source, component.keys.prereleases)
        known = status_of(journal, self.config.state_dir, about, found.version, found.why_unknown)
        return ComponentStatus(**{**known, "last": known["last"] and typed(known["last"])})

    def history(self, name: str | None = None, *, limit: int = 50) -> list[RunReport]:
        """The newest runs, newest first."""
        with self._host.journal(readonly=True) as journal:
            return [run_report(journal, run) for run in journal.runs(name, limit=limit)]

    def verify_history(self) -> tuple[list[str], str]:
        """Check the journal's hash chain: what is wrong, one sentence each, and the newest hash."""
        with self._host.journal(readonly=True) as journal:
            return journal.verify()

    def history_rows(self) -> int:
        """How many rows the journal's log has."""
        with self._host.journal(readonly=True) as journal:
            return journal.length()

    def show(self, run_id: int) -> tuple[RunReport, Plan | None]:
        """One run and its plan.

        Raises:
            UsageError: there is no such run.
        """
        with self._host.journal(readonly=True) as journal:
            run = journal.run(run_id)
            if run is None:
                raise UsageError(f"there is no run {run_id}", "no such number", "see `fsm history`")
            text = journal.plan(run_id)
            return run_report(journal, run), plans.load(text) if text else None

    def backups(self, name: str) -> Sequence[Backup]:
        """The versions that are kept on this host, newest first."""
        component = self.config.component(name)
        return self._host.registry.get(component.keys.type).backups(component.target, component.spec)

    def doctor(self) -> list[Finding]:
        """Look for what would make updates on this host fail."""
        from fsm.doctor import examine  # noqa: PLC0415 - only for this verb

        return examine(self.config, self._host.registry)


def parse_version(text: str | None) -> Version | None:
    """A version that a caller names.

    Raises:
        UsageError: it is none.
    """
    try:
        return None if text is None else Version(text)
    except ValueError as error:
        raise UsageError(f"cannot use {text!r}", str(error), "see `fsm check`") from error
