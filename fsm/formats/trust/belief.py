"""Verifies what a host may believe: its root keys, the newest keyring they signed, and what these keys have signed.

Bytes are verified first and parsed then, never the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Annotated, Final, NamedTuple

from pydantic import Field, model_validator

from fsm.errors import ManifestError, NotReady, TrustError, count
from fsm.formats.trust import minisign, statement
from fsm.formats.trust.documents import KEYRING, SIGNATURE, WITHDRAWN, Key, Keyring, KeyText, Withdrawn, parse
from fsm.model import Model

_CHANGED: Final = "do not use it, and report it to the publisher; nothing was changed"

_NUMBER: Final = re.compile(r"[0-9]{1,16}")
"""As long as a sequence can be: Python refuses to read numbers of thousands of digits."""


class TrustSpec(Model):
    """The table ``[trust]``, of the host or of one component: whose signatures count.

    Attributes:
        root_keys: public keys of minisign (``RW...``) that sign keyrings.
        threshold: how many of them must have signed a keyring.
    """

    root_keys: Annotated[tuple[KeyText, ...], Field(min_length=1, max_length=16)]
    threshold: Annotated[int, Field(ge=1, le=16)] = 1

    @model_validator(mode="after")
    def _reachable(self) -> TrustSpec:
        if minisign.twice([minisign.PublicKey.parse(each) for each in self.root_keys]):
            raise ValueError("a root key is listed twice")
        if self.threshold > len(self.root_keys):
            known = count(len(self.root_keys), "root key")
            raise ValueError(f"threshold is {self.threshold}, but there are only {known}")
        return self

    @property
    def domain(self) -> str:
        """What a host files its knowledge under: other root keys are another world."""
        return " ".join(sorted(self.root_keys))


class SignedFile(NamedTuple):
    """A file with its signatures, as bytes."""

    data: bytes
    signature: bytes


class SignedBy(Model):
    """What the signatures of a manifest have shown.

    Attributes:
        keys: the ids of the keys that signed it.
        names: what the keyring calls them.
        repository, component, version, sequence: what it is bound to.
    """

    keys: tuple[str, ...]
    names: tuple[str, ...]
    repository: str
    component: str
    version: str
    sequence: int


@dataclass
class Trust:
    """The belief of one host in one set of root keys.

    Attributes:
        spec: the configuration.
        kept: the newest keyring so far; `learn` replaces it.
        clock: what the host's clock says.
        shown: the newest time that each key has shown by a release, by the key's id.
    """

    spec: TrustSpec
    kept: SignedFile | None
    clock: datetime
    shown: Mapping[str, datetime] = field(default_factory=dict)

    def learn(self, found: SignedFile, what: str) -> bool:
        """Take a published keyring, where it is newer than the one that is known; whether it was.

        Raises:
            TrustError: it is not signed by enough root keys, or another one has the same version.
        """
        ring = self._signed_keyring(found, what)
        known = self.believed
        if known and ring.version <= known.version:
            if ring.version == known.version and self.kept and found.data != self.kept.data:
                why = f"it has version {ring.version}, but this host knows a different keyring of that version"
                raise TrustError(f"cannot use {what}", why, "whoever signs the keyring must increase its version")
            return False
        self.kept = found
        self.__dict__.pop("keyring", None)
        return True

    @cached_property
    def keyring(self) -> Keyring:
        """The newest keyring.

        Raises:
            NotReady: none is known yet.
            TrustError: the one that was kept is not signed by the root keys of now.
        """
        if self.kept is None:
            todo = f"{KEYRING} and {KEYRING}{SIGNATURE} must lie beside the manifest"
            raise NotReady("cannot verify the release", "no keyring is known yet, and none came with it", todo)
        return self._signed_keyring(self.kept, "the keyring that this host keeps")

    def supersedes(self, other: tuple[bytes, bytes]) -> bool:
        """Whether the newest keyring takes the place of another one: that is older, or not believed."""
        before = Trust(self.spec, SignedFile(*other), self.clock).believed
        return before is None or before.version < self.keyring.version

    @property
    def believed(self) -> Keyring | None:
        """The newest keyring; None if none is known that as many root keys have signed as are asked for now."""
        try:
            return self.keyring if self.kept else None
        except (TrustError, ManifestError):
            return None

    @property
    def revoked(self) -> frozenset[str]:
        """The ids of keys that are believed no more; empty if no keyring is known."""
        known = self.believed
        return frozenset(each.public.name for each in known.revoked) if known else frozenset()

    @property
    def now(self) -> datetime:
        """The newest time that the host has proof of: a clock that was never set, or goes back at a boot, is behind it.

        Asked anew after each keyring: what a key has shown that is revoked since is no proof.
        """
        gone = self.revoked
        return max([self.clock, *(at for key, at in self.shown.items() if key not in gone)])

    def _signed_keyring(self, found: SignedFile, what: str) -> Keyring:
        roots = [minisign.PublicKey.parse(each) for each in self.spec.root_keys]
        said, keys = _said(found, roots, statement.KEYRING, what)
        if len(keys) < self.spec.threshold:
            why = f"{len(keys)} of the {self.spec.threshold} required root keys have signed it"
            raise TrustError(f"cannot use {what}", why, "are the `root_keys` of [trust] those of this product?")
        ring = parse(Keyring, found.data, what)
        if said["version"] != str(ring.version):
            raise TrustError(f"cannot use {what}", "its signature is for another version", _CHANGED)
        return ring

    def manifest(self, found: SignedFile, *, what: str, repository: str, component: str) -> SignedBy:
        """Verify a manifest that is not parsed yet.

        Args:
            found: its bytes and signatures.
            what: its name in messages.
            repository, component: what it must be bound to.

        Raises:
            TrustError: too few usable keys have signed it, or it was signed for something else.
            NotReady: no keyring is known.
        """
        said, usable = self._by_keyring(found, statement.MANIFEST, what, repository)
        for key, wanted in (("repository", repository), ("component", component)):
            if said[key] != wanted:
                why = f"it was signed for the {key} {said[key]!r}, not for {wanted!r}"
                raise TrustError(f"cannot use {what}", why, _CHANGED)
        if not _NUMBER.fullmatch(said["sequence"]):
            raise TrustError(f"cannot use {what}", "its signature names no sequence", _CHANGED)
        return SignedBy(
            keys=tuple(each.public.name for each in usable),
            names=tuple(each.name for each in usable),
            repository=repository,
            component=component,
            version=said["version"],
            sequence=int(said["sequence"]),
        )

    def withdrawn(self, found: SignedFile, *, repository: str, heard: bool = False) -> Withdrawn:
        """Verify and read a list of withdrawn versions; raises as `manifest` does.

        Args:
            found: its bytes and signatures.
            repository: what it must be bound to.
            heard: whether it was verified before, when its keys counted. A key that ends takes nothing of that back, as
                a version that is bad stays so; one that is revoked does.
        """
        said, _ = self._by_keyring(found, statement.WITHDRAWN, WITHDRAWN, repository, heard=heard)
        listed = parse(Withdrawn, found.data, WITHDRAWN)
        if (said["repository"], said["sequence"]) != (listed.repository, str(listed.sequence)):
            raise TrustError(f"cannot use {WITHDRAWN}", "its signature is for another one", _CHANGED)
        if listed.repository != repository:
            why = f"it is that of {listed.repository}, not of {repository}"
            raise TrustError(f"cannot use {WITHDRAWN}", why, _CHANGED)
        return listed

    def _by_keyring(
        self, found: SignedFile, kind: str, what: str, repository: str, *, heard: bool = False
    ) -> tuple[Mapping[str, str], Sequence[Key]]:
        ring = self.keyring
        usable = [each for each in ring.keys if heard or not self._why_not(each, repository)]
        said, keys = _said(found, [each.public for each in usable], kind, what)
        if len(keys) < (1 if heard else ring.threshold):
            raise TrustError(f"cannot use {what}", self._too_few(found, len(keys), repository), _CHANGED)
        return said, [each for each in usable if each.public in keys]

    def _why_not(self, key: Key, repository: str) -> str:
        if key.is_over(self.now):
            return f"its key {key.name} expired at {key.not_after}"
        if key.repositories and repository not in key.repositories:
            return f"its key {key.name} is not for {repository}"
        return ""

    def _too_few(self, found: SignedFile, good: int, repository: str) -> str:
        """Who did sign it, as a reason."""
        ring, ids = self.keyring, {each.key_id for each in minisign.signatures(found.signature)}
        reasons = [f"its key {each.name} is revoked" for each in ring.revoked if each.public.key_id in ids]
        reasons += filter(None, (self._why_not(each, repository) for each in ring.keys if each.public.key_id in ids))
        known = {each.public.key_id for each in ring.keys} | {each.public.key_id for each in ring.revoked}
        strange = ", ".join(minisign.shown_id(each) for each in sorted(ids - known))
        reasons += [f"the keyring does not know {strange}"] if strange else []
        needed = f"{good} of the {ring.threshold} required signatures" if ring.threshold > 1 else "no signature"
        return f"it has {needed} by a key that counts: {'; '.join(reasons)}"


def _said(
    found: SignedFile, keys: Sequence[minisign.PublicKey], kind: str, what: str
) -> tuple[Mapping[str, str], Sequence[minisign.PublicKey]]:
    """What the signatures by some keys say, all of them the same; and which keys these are."""
    try:
        verified = minisign.verify(found.data, found.signature, keys)
        comments = {each.comment for each in verified}
        if len(comments) > 1:
            raise TrustError("the signatures contradict each other", "their comments differ", _CHANGED)
        said = {} if not comments else statement.read(comments.pop(), kind)
    except TrustError as error:
        raise TrustError(f"cannot use {what}", error.cause, error.todo) from error
    return said, [each.key for each in verified]
