"""The verbs of the façade that only read: status, history, one run, what is kept, what would fail."""

from __future__ import annotations

from collections.abc import Sequence

from fsm.adapter import Backup, Finding, KeptData
from fsm.engine import plan as plans
from fsm.engine.plan import Plan
from fsm.engine.report import ComponentStatus, RunReport, run_report, run_reports, typed
from fsm.errors import UsageError
from fsm.host.config import Config
from fsm.host.context import Host
from fsm.host.quick_status import About, Hosted, in_sets, status_of


class Reader:
    """Tells about the components of one host. Needs no write permission and never waits.

    Args:
        config: of the host.
        host: the host.
    """

    def __init__(self, config: Config, host: Host) -> None:
        self.config = config
        self._host = host

    @property
    def components(self) -> tuple[str, ...]:
        """The configured components' names."""
        return tuple(self.config.components)

    def status(self, name: str | None = None) -> list[ComponentStatus]:
        """Where every component is. Needs no write permission and never waits."""
        names = [self.config.component(name).name] if name else self.components
        with self._host.at_work() as asking, asking.journal(readonly=True) as journal:
            host = Hosted(journal, self.config.state_dir, in_sets(journal, self.config.state_dir))
            return [self._status(each, host, asking) for each in names]

    def _status(self, name: str, host: Hosted, asking: Host) -> ComponentStatus:
        checking = asking.checking(name, host.journal)
        found = checking.installed()
        about = About.of(self.config, self.config.components[name])
        known = status_of(host, about, found.version, found.why_unknown, checking.offers.withdrawn)
        return ComponentStatus(**{**known, "last": known["last"] and typed(known["last"])})

    def history(self, name: str | None = None, *, limit: int = 50) -> list[RunReport]:
        """The newest runs, newest first."""
        with self._host.journal(readonly=True) as journal:
            return run_reports(journal, journal.runs(name, limit=limit))

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
                raise UsageError(f"there is no run {run_id}", "the journal has no such run", "see `fsm history`")
            text = journal.plan(run_id)
            return run_report(journal, run), plans.load(text) if text else None

    def backups(self, name: str) -> Sequence[Backup]:
        """The versions that are kept on this host, newest first."""
        component = self.config.component(name)
        with self._host.at_work() as host:
            return host.questions(component).backups(host.target(component), component.spec)

    def kept_data(self, name: str) -> Sequence[KeptData]:
        """The preserved files of earlier times that `bring_back` can bring back, newest first."""
        component = self.config.component(name)
        with self._host.at_work() as host:
            return host.questions(component).kept_data(host.target(component), component.spec)

    def doctor(self) -> list[Finding]:
        """Look for what would make updates on this host fail."""
        from fsm.host.doctor import examine  # noqa: PLC0415 - only for this verb

        return examine(self.config, self._host.registry)
