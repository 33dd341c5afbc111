"""Whether a release may come in: signatures, what was seen before, its expiry, and withdrawn versions.

`fsm.formats.trust` decides with bytes and times; here are the journal and the clock. What is said here holds for new
installations only: a version that runs, and a rollback to one that is kept, need nobody's signature.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from fsm.engine.journal import Highest, Journal
from fsm.errors import BlockedBy, ManifestError, NotReady, TrustError
from fsm.formats.releases import Release
from fsm.formats.timestamps import moment
from fsm.formats.trust import SignedFile, Trust, TrustSpec, Withdrawn
from fsm.host.config import Component, Config
from fsm.model import Version
from fsm.sources import Source
from fsm.sources.base import Notices

UNSIGNED: Final = "its releases are not authenticated (allow_unsigned = true)"


def why_untrusted(config: Config, component: Component) -> str | None:
    """Why nothing that the component's source has can be believed; None if signatures or the host's owner vouch."""
    source = component.keys.source
    if source is None or source.allow_unsigned:
        return None
    if source.type == "git":
        return "the commits of a git source are not authenticated"
    return None if config.trust_of(component) else "no root keys are pinned, so its releases cannot be authenticated"


class Admission:
    """What one host believes about the releases of one component.

    Args:
        config: of the host.
        component: whose releases.
        journal: what was seen before; one that is read only learns nothing.
        now: the clock, in UTC.
    """

    def __init__(self, config: Config, component: Component, journal: Journal, now: datetime | None = None) -> None:
        self._config = config
        self._component = component
        self._trusted = journal.trusted
        self._readonly = journal.database.readonly
        self._spec = config.trust_of(component)
        self._now = now
        self._kept: tuple[bytes, bytes] | None = None
        self._withdrawn: Withdrawn | None = None
        self._unheard = False

    @cached_property
    def trust(self) -> Trust | None:
        """Whose signatures count; None if unsigned releases are allowed.

        Made when it is first asked for: a status and a resume need no signature, and verifying takes an import.
        """
        return None if self._spec is None else self._begin(self._spec, self._now or datetime.now(UTC))

    def _begin(self, spec: TrustSpec, now: datetime) -> Trust:
        self._kept = self._trusted.keyring(spec.domain)
        shown = self._trusted.newest_times(spec.domain)
        return Trust(spec, SignedFile(*self._kept) if self._kept else None, now, shown)

    @property
    def _repository(self) -> str:
        found = getattr(self._component.keys.source, "repository", None)
        assert isinstance(found, str), "the configuration was refused without"
        return found

    def warnings(self) -> tuple[str, ...]:
        """What must be said each time."""
        source = self._component.keys.source
        return (UNSIGNED,) if source is not None and source.allow_unsigned else ()

    def remarks(self, release: Release) -> tuple[str, ...]:
        """What a plan says about whose release it is."""
        signed = release.signed
        if signed is None:
            return self.warnings()
        who = ", ".join(f"{name} ({key})" for name, key in zip(signed.names, signed.keys, strict=True))
        return (f"signed by {who} for {signed.repository}, sequence {signed.sequence}",)

    def require(self) -> None:
        """Refuse a component of whose releases nothing could be believed.

        Raises:
            TrustError: no keys are pinned, or the source cannot be verified, and unsigned releases are not allowed.
        """
        name, why = self._component.name, why_untrusted(self._config, self._component)
        if why is None:
            return
        is_git = self._component.keys.source is not None and self._component.keys.source.type == "git"
        todo = "use another source with signed releases" if is_git else 'set root_keys = ["RW..."] in [trust]'
        allow = f"or allow_unsigned = true in [components.{name}.source]"
        raise TrustError(f"cannot update {name}", why, f"{todo}, {allow}", blocked=BlockedBy.UNTRUSTED)

    def ask(self, source: Source) -> tuple[str, ...]:
        """Read what a source tells beside its releases; warnings where that cannot be believed.

        Raises:
            Transient, Refused: the source cannot be asked.
        """
        return () if self.trust is None else self._heed(source.notices(), self.trust)

    def ask_again(self, source: Source) -> None:
        """After a release, which may have brought a keyring: what could not be verified before it.

        Raises:
            Transient, Refused: the source cannot be asked.
        """
        if self._unheard:
            self.ask(source)

    def _heed(self, notices: Notices, trust: Trust) -> tuple[str, ...]:
        warnings = []
        try:
            if notices.keyring is not None:
                trust.learn(notices.keyring, "the keyring beside the releases")
                self.keep_keyring()
        except (TrustError, ManifestError) as error:
            warnings.append(f"{error}; the known keyring stays in force")
        try:
            self._unheard = notices.withdrawn is not None and trust.believed is None
            if notices.withdrawn is not None and not self._unheard:
                found = trust.withdrawn(notices.withdrawn, repository=self._repository)
                self._keep_withdrawn(found, notices.withdrawn, trust)
        except (TrustError, ManifestError, NotReady) as error:
            self._unheard = True
            warnings.append(f"{error}; the known list stays in force")
        return tuple(warnings)

    def keep_keyring(self) -> None:
        """Remember the newest keyring. It counts by itself: also where what came with it is refused."""
        trust = self.trust
        if trust is None or trust.kept is None or trust.kept == self._kept or self._readonly:
            return
        if not self._trusted.keep_keyring(trust.spec.domain, *trust.kept, trust.supersedes):
            # Another process, or another component's check, has learnt a newer one meanwhile.
            newer = self._trusted.keyring(trust.spec.domain)
            assert newer is not None, "it was compared with it"
            trust.learn(SignedFile(*newer), "the keyring that this host keeps")
        self._kept = trust.kept

    def _keep_withdrawn(self, found: Withdrawn, bytes_of: SignedFile, trust: Trust) -> None:
        def replaces(kept: tuple[bytes, bytes]) -> bool:
            before = self._heard(kept, trust)
            return before is None or found.sequence > before.sequence

        known = self._known_withdrawn()
        if known is None or found.sequence > known.sequence:
            self._withdrawn = found
            if not self._readonly and not self._trusted.keep_withdrawn(
                trust.spec.domain, self._repository, *bytes_of, replaces
            ):
                self._withdrawn = None  # another one has heard a newer list meanwhile

    def _heard(self, kept: tuple[bytes, bytes], trust: Trust) -> Withdrawn | None:
        """The list that this host keeps; None if its signatures count no more."""
        try:
            return trust.withdrawn(SignedFile(*kept), repository=self._repository, heard=True)
        except (TrustError, ManifestError):
            # Its key was revoked since; who withdraws with a key that counts says it again.
            return None

    def _known_withdrawn(self) -> Withdrawn | None:
        """The newest list: of this call, else the kept one, where its signatures still count."""
        if self._withdrawn is None and self.trust is not None and self.trust.believed is not None:
            kept = self._trusted.withdrawn(self.trust.spec.domain, self._repository)
            self._withdrawn = None if kept is None else self._heard(kept, self.trust)
        return self._withdrawn

    def why_withdrawn(self, version: Version) -> str | None:
        """Why nobody should install a version; None if nothing is known against it."""
        known = self._known_withdrawn()
        why = known.why(self._component.name, version) if known else None
        return None if why is None else f"it was withdrawn ({why})"

    def all_withdrawn(self) -> dict[str, str]:
        """What `why_withdrawn` says of every version that it says something of, by the canonical version."""
        known = self._known_withdrawn()
        listed = [each.version for each in known.withdrawn] if known else []
        return {each.canonical: why for each in listed if (why := self.why_withdrawn(each)) is not None}

    def admit(self, release: Release, *, force: bool = False) -> None:
        """Let a release in whose signatures were verified, and remember it.

        Args:
            release: from a source that was opened with `trust`.
            force: take it although it was withdrawn. Nothing else can be forced.

        Raises:
            TrustError: this host has seen a newer one, it has expired, or it was withdrawn.
        """
        trust, signed, manifest = self.trust, release.signed, release.manifest
        if trust is None:
            return
        assert signed is not None, "the source verifies what it is told to"
        assert manifest is not None, "only a manifest is signed"
        what = f"cannot update {self._component.name} to {release.version}"
        place = (trust.spec.domain, self._component.name, signed.repository)
        highest = self._trusted.highest(*place, trust.revoked)
        if highest is not None and signed.sequence < highest.sequence:
            why = (
                f"it is older (sequence {signed.sequence}) than {highest.version} (sequence {highest.sequence}),"
                " which this host has already seen"
            )
            todo = f"go back with `fsm rollback {self._component.name}`, or release it again with a higher sequence"
            raise TrustError(what, why, todo)
        if manifest.expires_at is not None and moment(manifest.expires_at) <= trust.now:
            why = f"its manifest expired at {manifest.expires_at}"
            todo = "wait for a newer release; if there is one, it does not reach this host, or the clock is wrong"
            raise TrustError(what, why, todo)
        withdrawn = self.why_withdrawn(release.version)
        if withdrawn and not force:
            todo = "wait for the next release, or install this one anyway with --version and --force"
            raise TrustError(what, withdrawn, todo, blocked=BlockedBy.WITHDRAWN)
        if not self._readonly:
            found = Highest(signed.sequence, str(release.version))
            self._trusted.saw(*place, signed.keys, found, manifest.released_at or "")
