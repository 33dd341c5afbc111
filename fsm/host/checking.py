"""The work of `checking`: which release, is it allowed here, does it pass the pre-checks, and by which plan."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from fsm.adapter import AnyAdapter, Backup, Installed, Registry, StepContext
from fsm.engine import plan
from fsm.engine.journal import Journal
from fsm.engine.plan import Plan
from fsm.errors import PlanError, Refused, UpToDate, UsageError
from fsm.formats.manifest import check_updater_version
from fsm.formats.releases import Release
from fsm.host import selection
from fsm.host.admission import Admission
from fsm.host.config import Component, Config
from fsm.host.selection import Selection
from fsm.model import Model, Version
from fsm.sources import Announced, Cached, Listing, Source, open_source
from fsm.system import files


class CheckResult(Model):
    """What a check found.

    Attributes:
        component: its name.
        installed: the version as the component itself tells it; None where it is unknown.
        why_unknown: why it is; empty otherwise.
        latest: the newest release that this component could have.
        update_available: whether `fsm update` would install something now.
        target: the version that it would install.
        reason: why so, one sentence.
        notes: release notes of the release that would be installed.
        warnings: what is odd about the source's releases, one sentence each.
        checked_at: when the source was asked, UTC, ISO 8601.
        from_cache: whether the answer is that of an earlier check.
        error: why the check failed, None when it did not.
    """

    component: str
    installed: str | None = None
    why_unknown: str = ""
    latest: str | None = None
    update_available: bool = False
    target: str | None = None
    reason: str = ""
    notes: str = ""
    warnings: tuple[str, ...] = ()
    checked_at: str
    from_cache: bool = False
    error: str | None = None


class Checking:
    """Finds releases and makes plans for one component.

    Args:
        version: of this fsm-updater, for manifests that ask for a minimum.
    """

    def __init__(
        self, config: Config, component: Component, registry: Registry, journal: Journal, version: Version
    ) -> None:
        self._config = config
        self._component = component
        self._adapter: AnyAdapter = registry.get(component.keys.type)
        self._policy = journal.policy
        self._readonly = journal.database.readonly
        self._version = version
        self._admission = Admission(config, component, journal)

    @property
    def name(self) -> str:
        """The component's name."""
        return self._component.name

    def installed(self) -> Installed:
        """What is installed, asked of the component."""
        found: Installed = self._adapter.inspect(self._component.target, self._component.spec)
        return found

    def source(self) -> Source:
        """The component's source.

        Raises:
            UsageError: it has none.
        """
        if self._component.keys.source is None:
            raise UsageError(f"cannot check {self.name}", "it has no source", f"add [components.{self.name}.source]")
        return open_source(self._component.keys.source, component=self.name, trust=self._admission.trust)

    def check(self, *, force: bool = False) -> CheckResult:
        """Ask the source, or believe the last answer while it is young.

        Raises:
            Transient, Refused: the source cannot be asked, or its answer not used.
        """
        return self.judge(self.ask(force=force), force=force)

    def ask(self, *, force: bool = False) -> Cached | Listing:
        """The first half of a check: the releases, from the source, or (`Cached`) from the last answer."""
        return (None if force else self._young()) or self._list(self.source())

    def judge(self, known: Cached | Listing, *, force: bool = False) -> CheckResult:
        """The other half: what the releases mean for what is installed."""
        return self._result(known, self.installed(), force=force, from_cache=isinstance(known, Cached))

    def _result(self, known: Cached | Listing, installed: Installed, *, force: bool, from_cache: bool) -> CheckResult:
        chosen = self._select(known.releases, installed, wanted=None, force=force)
        at = self._policy.last_check(self.name)
        held = self._policy.held(self.name)
        return CheckResult(
            component=self.name,
            installed=None if installed.version is None else str(installed.version),
            why_unknown=installed.why_unknown,
            latest=None if chosen.latest is None else str(chosen.latest.version),
            update_available=chosen.chosen is not None,
            target=None if chosen.chosen is None else str(chosen.chosen.version),
            reason=f"{chosen.reason}; updates are held: {held[1] or 'no reason given'}" if held else chosen.reason,
            notes=chosen.chosen.notes if chosen.chosen else "",
            warnings=(*known.warnings, *self._odd(installed)),
            checked_at=(at[0] if at and (from_cache or not self._readonly) else datetime.now(UTC)).isoformat(
                timespec="seconds"
            ),
            from_cache=from_cache,
        )

    def _odd(self, installed: Installed) -> tuple[str, ...]:
        """What is odd whatever the source says."""
        withdrawn = installed.version and self._admission.why_withdrawn(installed.version)
        said = (f"the installed {installed.version}: {withdrawn}",) if withdrawn else ()
        return (*said, *self._admission.warnings())

    def _young(self) -> Cached | None:
        last = self._policy.last_check(self.name)
        if last is None:
            return None
        age = datetime.now(UTC) - last[0]
        if not timedelta(0) <= age < timedelta(hours=self._config.settings.check_interval_hours):
            return None
        return self._cached(last[1])

    def _cached(self, data: dict[str, Any]) -> Cached | None:
        same_source = data.get("source") == self._component.target.source
        return Cached.model_validate_json(json.dumps(data["cached"])) if same_source else None

    def _list(self, source: Source, *, anew: bool = False) -> Listing:
        last = None if anew else self._policy.last_check(self.name)
        known = self._cached(last[1]) if last else None
        listing = source.releases(known if known and known.validator else None)
        if not listing.not_modified:
            listing = listing.model_copy(update={"warnings": (*listing.warnings, *self._admission.ask(source))})
        kept = Cached(validator=listing.validator or "", releases=listing.releases, warnings=listing.warnings)
        data = {"source": self._component.target.source, "cached": json.loads(kept.model_dump_json())}
        if not self._readonly:
            self._policy.remember_check(self.name, data)
        return listing

    def _select(
        self, releases: tuple[Announced, ...], installed: Installed, *, wanted: Version | None, force: bool
    ) -> Selection:
        return selection.select(
            releases,
            installed=installed.version,
            prereleases=self._component.keys.prereleases,
            pin=self._policy.pin(self.name),
            quarantined=lambda version: self._speaks_against(version, force=force),
            wanted=wanted,
        )

    def _speaks_against(self, version: Version, *, force: bool) -> str | None:
        """Why a version is passed over."""
        return self._admission.why_withdrawn(version) or (None if force else self._policy.blocks(self.name, version))

    def plan(self, ctx: StepContext, *, wanted: Version | None = None, force: bool = False) -> Plan:
        """The plan to the release that is to be installed.

        Raises:
            UpToDate: nothing is to be done.
            Transient, Refused: see there.
        """
        held = self._policy.held(self.name)
        if held and not force:
            raise Refused(
                f"cannot update {self.name}",
                f"it has been held since {held[0][:16]}: {held[1] or 'no reason given'}",
                f"run `fsm unhold {self.name}`, or use --force",
            )
        self._admission.require()
        source = self.source()
        # With keys pinned the whole list is asked for, as only that says where withdrawn versions are listed.
        listing = self._list(source, anew=self._admission.trust is not None)
        ctx.check()
        installed = self.installed()
        found = self._select(listing.releases, installed, wanted=wanted, force=force)
        if found.chosen is None:
            self._nothing(found, installed, wanted)
        assert found.chosen is not None
        release = self._release(source, found.chosen)
        self._admission.admit(release, force=force and wanted is not None)
        ctx.check()
        if release.manifest is not None:
            check_updater_version(release.manifest, self._version)
        target, spec = self._component.target, self._component.spec
        self._adapter.allows(target, spec, release)
        self._adapter.pre_check(target, spec, installed, release, ctx)
        draft = self._adapter.draft(target, spec, installed, release)
        draft = draft.model_copy(update={"notes": (*self._admission.remarks(release), *release.warnings, *draft.notes)})
        return self._affordable(
            plan.freeze(
                self.name,
                self._component.keys.type,
                draft,
                from_version=installed.version,
                to_version=release.version,
            )
        )

    def _release(self, source: Source, chosen: Announced) -> Release:
        """The release, and what it has brought along: that counts although the release itself be refused."""
        try:
            release = source.release(chosen)
        finally:
            self._admission.keep_keyring()
        self._admission.ask_again(source)
        return release

    def _nothing(self, found: Selection, installed: Installed, wanted: Version | None) -> None:
        newer = found.latest is not None and selection.supersedes(found.latest, installed.version)
        refused = wanted is not None and wanted != installed.version
        blocked = newer and found.latest is not None and self._policy.blocks(self.name, found.latest.version)
        if refused:  # which --force does not change
            todo = "choose a published version that the pin allows"
            raise Refused(f"cannot update {self.name}", found.reason, todo)
        if blocked:
            raise Refused(f"cannot update {self.name}", found.reason, "use --force to try it anyway")
        raise UpToDate(found.reason)

    def plan_rollback(self, ctx: StepContext, to: Version | None) -> Plan:
        """The plan back to a version that is kept on this host; by default the newest other one.

        Raises:
            PlanError: no such version is kept.
        """
        target, spec = self._component.target, self._component.spec
        installed = self.installed()
        backup = self._backup(installed, to)
        draft = self._adapter.draft_rollback(target, spec, installed, backup)
        ctx.check()
        return self._affordable(
            plan.freeze(
                self.name,
                self._component.keys.type,
                draft,
                from_version=installed.version,
                to_version=backup.version or Version("0"),
                kind="rollback",
            )
        )

    def _backup(self, installed: Installed, to: Version | None) -> Backup:
        kept = self._adapter.backups(self._component.target, self._component.spec)
        known = [backup for backup in kept if backup.version is not None]
        for backup in known:
            if backup.version == to if to is not None else backup.version != installed.version:
                return backup
        names = ", ".join(dict.fromkeys(str(backup.version) for backup in known)) or "none"
        raise PlanError(
            f"cannot roll {self.name} back{f' to {to}' if to else ''}",
            f"the versions kept on this host are: {names}",
            "`fsm update --version` installs an older release from its source",
        )

    def _affordable(self, made: Plan) -> Plan:
        """Refuse early what would fill the disk."""
        for need in made.disk_need:
            free = files.disk_free(need.path)
            if need.size > free:
                raise PlanError(
                    f"cannot update {self.name}",
                    f"about {need.size >> 20} MiB are needed at {need.path}, but only {free >> 20} MiB are free",
                    "free some disk space",
                )
        return made
