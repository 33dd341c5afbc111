"""The façade for programs: check, plan, update, resume, rollback, status, history, cancel, hold, pin.

Every verb takes names of components and returns typed results; what an operator must do is in them, in plain words.
Nothing here prints, and nothing here decides about states: `fsm.engine.executor` does.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fsm.adapter import DataChoice, Registry
from fsm.engine.plan import Plan
from fsm.engine.progress import Observer
from fsm.engine.report import UpdateResult
from fsm.errors import UsageError
from fsm.host.config import Config, load, parse
from fsm.host.context import Host
from fsm.host.queries import Reader
from fsm.host.resuming import Resuming
from fsm.host.runs import Runs
from fsm.model import Seconds, Version

if TYPE_CHECKING:
    from fsm.host.checking import CheckResult

__all__ = ["UpdateResult", "Updater"]

CANCEL_TIMEOUT: Final[Seconds] = 600.0
"""For how long a cancel waits for the process that drives the run."""


class Updater(Reader):
    """Updates the components of one host.

    Args:
        config: as `from_config` and `from_data` read it; programs call one of these two.
        registry: the component types; by default those of the installed packages.
        observers: called with every `ProgressEvent`; what they raise is logged and ignored.
    """

    def __init__(self, config: Config, *, registry: Registry | None = None, observers: Sequence[Observer] = ()) -> None:
        super().__init__(config, Host(config, registry or Registry.discover(), observers))

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

    def observe(self, observer: Observer) -> None:
        """Add an observer."""
        self._host.observers.append(observer)

    def stop(self) -> None:
        """Ask what runs to stop at its next safe point; asked twice, at once. What is called later is not stopped.

        From a signal handler of a program that is to end call `shutdown`.
        """
        self._host.controls.stop()

    def shutdown(self) -> None:
        """Stop as `stop` does, and begin nothing any more: what is called later says `interrupted`."""
        self._host.controls.shutdown()

    def check(self, name: str, *, force: bool = False) -> CheckResult:
        """Ask the component's source for a newer release; without `force`, a young answer is believed.

        Who may not write to the state directory is answered as well; the answer is not kept then.

        Raises:
            UsageError: no such component, or it has no source.
            Transient, Refused: the source cannot be asked, or its answer not be used.
        """
        with self._host.at_work() as host, host.looking() as journal:
            return host.checking(name, journal).check(force=force)

    def check_all(self, *, force: bool = False) -> list[CheckResult]:
        """Check every component with a source; one that fails stops no other, its result says why."""
        sources = {name: each.keys.source for name, each in self.config.components.items()}
        from fsm.host.checkall import check_all  # noqa: PLC0415 - only for this verb

        with self._host.at_work() as host:
            return check_all(host, {name: source for name, source in sources.items() if source}, force=force)

    def plan(self, name: str, *, version: str | None = None, force: bool = False) -> Plan:
        """What an update would do, as a frozen plan; changes nothing, and needs no permission to.

        Raises:
            UpToDate: there is nothing to do.
            Transient, Refused: as for an update.
            Interrupted: it was asked to stop.
        """
        wanted = parse_version(version)
        with self._host.at_work() as host, host.looking() as journal:
            host.prepare(name)
            checking = host.checking(name, journal)
            context = host.executor(journal).bare_context(name, checking.component_type)
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
            JournalError, PlanUnknown, StillRunning: this needs attention; nothing was changed by this call.
        """
        self.config.component(name)
        parse_version(version)
        with self._host.at_work() as host:
            return Runs(host).update(name, version=version, force=force)

    def update_all(
        self, names: Sequence[str] | None = None, *, jobs: int | None = None, force: bool = False
    ) -> list[UpdateResult]:
        """Update several components: dependencies first, independent ones at the same time.

        A configured set whose members are all among them is updated as one, as `update_set` does; sets that share
        members are one.

        Returns:
            The results, in the order of `names`; where the first member of a set would stand, those of the set and of
            its members. A component whose dependency did not reach its version is refused.

        Raises:
            UsageError: a set and a component outside of it depend on each other.
        """
        chosen = list(dict.fromkeys(names or self.components))
        with self._host.at_work() as host:
            return Runs(host).update_all(chosen, jobs=jobs, force=force)

    def update_set(
        self, members: str | Sequence[str], *, jobs: int | None = None, force: bool = False
    ) -> list[UpdateResult]:
        """Update several components as one: all of them reach their new versions, or none does.

        A run of the set that was interrupted earlier is resumed instead.

        Args:
            members: the name of a set in the configuration, or the names of components.
            jobs: how many at the same time, where none depends on the other.
            force: try versions that failed here before, and components that are held.

        Returns:
            The result of the set, whose `component` is its name after an ``@``, then those of its members.

        Raises:
            UsageError, ConfigError: the call or the configuration is wrong.
            JournalError, PlanUnknown: this needs attention; `resume` goes on once it is fixed.
        """
        with self._host.at_work() as host:
            return Runs(host).update_set(members, jobs=jobs, force=force)

    def resume(self, name: str | None = None, *, within: Seconds | None = None) -> list[UpdateResult]:
        """Continue every run that a crash, a reboot or an interrupt left in progress. Safe to ask for twice.

        Works from the journal alone: also for components that are no longer configured. A component that another
        updater works on just now is left to it, and reported as busy.

        Args:
            name: only this component. Without it, a run that cannot be continued stops no other; its result says why.
            within: seconds; what has not reached its goal by then is rolled back.

        Raises:
            UsageError: `within` is negative or no number.
        """
        if within is not None and not 0 <= within <= threading.TIMEOUT_MAX:
            raise UsageError(f"cannot resume within {within:g} s", "that is not a number of seconds", "correct it")
        with self._host.at_work() as host:
            return Resuming(host).resume(name, within=within)

    def plan_rollback(self, name: str, *, to: str | None = None, data: DataChoice | None = None) -> Plan:
        """What `rollback` would do, as a frozen plan; changes nothing, and needs no permission to.

        Its `data` says what becomes of preserved files; where some changed and nobody has said, its choice is None.

        Raises:
            UsageError: no such component.
            PlanError, Refused: as for a rollback.
        """
        wanted, data = parse_version(to), parse_choice(data)
        with self._host.at_work() as host, host.looking() as journal:
            host.prepare(name)
            checking = host.checking(name, journal)
            context = host.executor(journal).bare_context(name, checking.component_type)
            from fsm.host.returning import Returning  # noqa: PLC0415 - only for the ways back

            return Returning(checking).plan(context, wanted, data, undecided=True)

    def bring_back(self, name: str, kept: str | int) -> UpdateResult:
        """Bring preserved files of an earlier time back; those that are there now are set aside in turn.

        Args:
            name: the component.
            kept: the id of one of `kept_data`, as a rule the number of a run.

        Raises:
            UsageError: no such component.
        """
        self.config.component(name)
        with self._host.at_work() as host:
            host.prepare(name)
            return Runs(host).bring_back(name, str(kept))

    def rollback(self, name: str, *, to: str | None = None, data: DataChoice | None = None) -> UpdateResult:
        """Go back to a version that is kept on this host; without a network.

        A run in progress is rolled back, and a rollback that failed is taken up again. After the rollback of a
        finished update the component is held, so that the next update does not install the same release again.

        Args:
            name: the component.
            to: a kept version; by default the newest other one.
            data: what becomes of preserved files: ``keep`` them as they are now, or ``restore`` those of the time when
                the version was replaced. Those that give way are kept (`kept_data`). By default as `rollback_data`
                in the configuration says; if that is ``ask`` and some have changed, the rollback is refused.

        Raises:
            UsageError: no such component, or no such choice.
        """
        self.config.component(name)
        parse_version(to)
        data = parse_choice(data)
        with self._host.at_work() as host:
            return Runs(host).rollback(name, to=to, data=data, timeout=CANCEL_TIMEOUT)

    def cancel(self, name: str, *, timeout: Seconds = CANCEL_TIMEOUT) -> UpdateResult:
        """Roll a run in progress back: by asking the process that drives it, or here when none does.

        A member of a set takes all the others with it.

        Args:
            name: the component, or a set's name after an ``@``.
            timeout: seconds to wait for the other process; afterwards the result says where it is.

        Raises:
            UsageError: nothing is in progress.
        """
        with self._host.at_work() as host:
            return Runs(host).cancel(name, timeout=timeout)

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
        from fsm.host.selection import Pin  # noqa: PLC0415 - only for this verb

        Pin.parse(pin)
        with self._host.journal() as journal:
            journal.policy.set_pin(self.config.component(name).name, pin)


def parse_choice(data: str | None) -> DataChoice | None:
    """What a caller says of preserved files.

    Raises:
        UsageError: it is none of the choices.
    """
    if data is None:
        return None
    if data == "keep":
        return "keep"
    if data == "restore":
        return "restore"
    raise UsageError(f"cannot use {data!r} for preserved files", "they can be kept or restored", "use keep or restore")


def parse_version(text: str | None) -> Version | None:
    """A version that a caller names.

    Raises:
        UsageError: it is none.
    """
    try:
        return None if text is None else Version(text)
    except ValueError as error:
        raise UsageError(f"cannot use {text!r}", str(error), "see `fsm check`") from error
