"""The work of `checking`: which release, is it allowed here, does it pass the pre-checks, and by which plan."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from fsm.adapter import Installed, Target
from fsm.engine import plan
from fsm.engine.executor.context import Context
from fsm.engine.journal import Journal
from fsm.engine.journal.stored import damaged
from fsm.engine.plan import Plan
from fsm.engine.questions import Questions
from fsm.engine.report import Offered
from fsm.errors import BlockedBy, PlanError, Refused, UpToDate, UsageError
from fsm.formats.manifest import check_updater_version
from fsm.formats.releases import Release
from fsm.host import trusting
from fsm.host.admission import Admission, why_untrusted
from fsm.host.config import Component, Config
from fsm.host.offers import Offers, told
from fsm.host.selection import Selection
from fsm.model import Text, Version
from fsm.sources import Announced, Cached, Listing, Source, open_source
from fsm.system import files


class CheckResult(Offered):
    """What a check found.

    Attributes:
        notes: release notes of the target; empty if there are none.
        warnings: what is odd about the source's releases, one sentence each.
        from_cache: whether the answer is that of an earlier check.
        error: why the check failed, None when it did not.
    """

    notes: Text = ""
    warnings: tuple[str, ...] = ()
    from_cache: bool = False
    error: str | None = None


class Checking:
    """Finds releases and makes plans for one component.

    Args:
        target: the component, and as whom it is touched.
        questions: for its adapter.
        version: of this fsm-updater, for manifests that ask for a minimum.
    """

    def __init__(
        self,
        config: Config,
        component: Component,
        target: Target,
        questions: Questions,
        journal: Journal,
        version: Version,
    ) -> None:
        self._config = config
        self.component = component
        self.adapter = questions.adapter
        self._questions = questions
        self.target = target
        self._policy = journal.policy
        self._readonly = journal.database.readonly
        self._version = version
        self._admission = Admission(config, component, journal)
        self.offers = Offers(
            journal.policy,
            component.name,
            component.keys.prereleases,
            why_untrusted(config, component),
            self._admission.why_withdrawn,
        )

    @property
    def name(self) -> str:
        """The component's name."""
        return self.component.name

    @property
    def component_type(self) -> str:
        """The component's type."""
        return self.component.keys.type

    def installed(self) -> Installed:
        """What is installed, asked of the component."""
        if why := trusting.why_not_asked(self.component, self.adapter, self.target):
            return self.adapter.installed(why_unknown=why)
        return self._questions.inspect(self.target, self.component.spec)

    def source(self) -> Source:
        """The component's source.

        Raises:
            UsageError: it has none.
        """
        if self.component.keys.source is None:
            raise UsageError(f"cannot check {self.name}", "it has no source", f"add [components.{self.name}.source]")
        return open_source(self.component.keys.source, component=self.name, trust=self._admission.trust)

    def check(self, *, force: bool = False) -> CheckResult:
        """Ask the source, or believe the last answer while it is young.

        Raises:
            Transient, Refused: the source cannot be asked, or its answer not used.
        """
        return self.judge(self.ask(force=force))

    def ask(self, *, force: bool = False) -> Cached | Listing:
        """The first half of a check: the releases, from the source, or (`Cached`) from the last answer."""
        return (None if force else self._young()) or self._list(self.source())

    def judge(self, known: Cached | Listing) -> CheckResult:
        """The other half: what the releases mean for what is installed."""
        installed, from_cache = self.installed(), isinstance(known, Cached)
        found = self.offers.now(known.releases, installed.version)
        at = self._policy.last_check(self.name)
        return CheckResult(
            component=self.name,
            installed=None if installed.version is None else str(installed.version),
            why_unknown=installed.why_unknown,
            **told(found),
            notes=found.chosen.notes if found.chosen else "",
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
        same_source = data.get("source") == self.component.target.source
        try:
            return Cached.model_validate_json(json.dumps(data["cached"])) if same_source else None
        except (KeyError, ValueError) as error:
            raise damaged(f"the last check of {self.name}") from error

    def _list(self, source: Source, *, anew: bool = False) -> Listing:
        last = None if anew else self._policy.last_check(self.name)
        known = self._cached(last[1]) if last else None
        listing = source.releases(known if known and known.validator else None)
        if not listing.not_modified:
            listing = listing.model_copy(update={"warnings": (*listing.warnings, *self._admission.ask(source))})
        kept = Cached(validator=listing.validator or "", releases=listing.releases, warnings=listing.warnings)
        data = {"source": self.component.target.source, "cached": json.loads(kept.model_dump_json())}
        if not self._readonly:
            self._policy.remember_check(self.name, data)
        return listing

    def plan(self, ctx: Context, *, wanted: Version | None = None, force: bool = False) -> Plan:
        """The plan to the release that is to be installed.

        Raises:
            UpToDate: nothing is to be done.
            Transient, Refused: see there.
        """
        objection = self.offers.objection()
        if objection is not None and objection.by is BlockedBy.HELD and not force:
            todo = f"run `fsm unhold {self.name}`, or use --force"
            raise Refused(f"cannot update {self.name}", objection.why, todo, blocked=objection.by)
        self._admission.require()
        trust = trusting.refuse(self.component, self.adapter, self.target)
        source = self.source()
        # With keys pinned the whole list is asked for, as only that says where withdrawn versions are listed.
        listing = self._list(source, anew=self._admission.trust is not None)
        ctx.check()
        installed = self.installed()
        found = self.offers.choose(listing.releases, installed.version, wanted=wanted, force=force)
        if found.chosen is None:
            self._nothing(found, installed, wanted)
        assert found.chosen is not None
        release = self._release(source, found.chosen)
        self._admission.admit(release, force=force and wanted is not None)
        ctx.check()
        if release.manifest is not None:
            check_updater_version(release.manifest, self._version)
        target, spec = self.target, self.component.spec
        self.adapter.allows(target, spec, release)
        self.adapter.pre_check(target, spec, installed, release, ctx.for_user(target.user))
        draft = self.adapter.draft(target, spec, self.look(ctx, installed, release), release)
        notes = (*trust, *self._admission.remarks(release), *release.warnings, *draft.notes)
        draft = draft.model_copy(update={"notes": notes})
        return self.affordable(
            plan.freeze(
                self.name,
                self.component_type,
                draft,
                from_version=installed.version,
                to_version=release.version,
                user=target.user,
            )
        )

    def look(self, ctx: Context, installed: Installed, release: Release | None) -> Installed:
        """What is installed, looked at closer; see `Adapter.look`."""
        return self.asking(ctx).look(self.target, self.component.spec, installed, release)

    def asking(self, ctx: Context) -> Questions:
        """Its questions, for a call that may be stopped."""
        return self._questions._replace(poll=ctx.check)

    def _release(self, source: Source, chosen: Announced) -> Release:
        """The release, and what it has brought along: that counts although the release itself be refused."""
        try:
            release = source.release(chosen)
        finally:
            self._admission.keep_keyring()
        self._admission.ask_again(source)
        return release

    def _nothing(self, found: Selection, installed: Installed, wanted: Version | None) -> None:
        what = f"cannot update {self.name}"
        if wanted is not None and wanted != installed.version:  # which --force does not change
            todo = "choose a published version that the pin allows"
            raise Refused(what, found.reason, todo, blocked=found.blocked)
        if found.blocked is BlockedBy.QUARANTINED:
            raise Refused(what, found.reason, "use --force to try it anyway", blocked=found.blocked)
        raise UpToDate(found.reason, blocked=found.blocked)

    def affordable(self, made: Plan) -> Plan:
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
