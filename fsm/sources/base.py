"""What every source of releases is: a cheap list, everything about one release, and a resumable download.

The order is always the same: `releases` (often, and conditionally), then `release` for the one that was selected,
then `fetch` for its artifacts, perhaps in another process after a crash. A source keeps nothing between the calls, so
that a resume needs only its spec and the artifact that the plan has frozen.

A source is a boundary: what HTTP, a file system or an API throw is converted here, once. `Transient` means "ask
again", `NotReady` "the release is there, its files are not yet", `IntegrityError` "the release is to blame", every
other error "not from here, as this host is configured". `docs/reference/errors.md` has what leads to which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, Protocol

from pydantic import Field

from fsm.formats.trust.belief import SignedFile
from fsm.formats.trust.documents import KEYRING, SIGNATURE, WITHDRAWN, RepositoryName
from fsm.model import Model, Version

if TYPE_CHECKING:
    from fsm.formats.artifacts import Artifact
    from fsm.formats.releases import Release

MANIFEST: Final = "update-manifest.yaml"
"""The manifest's name in a release."""

MANIFEST_LIMIT: Final = 1 << 20
"""Bytes that a manifest, a checksum file or a release's notes may have."""

Check = Callable[[], None]
"""Called often during a transfer; raises when it is time to stop."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes that there will be (None: unknown); never fails."""


class SourceOptions(Model):
    """What every source's configuration has.

    Attributes:
        allow_unsigned: whether releases are taken although nothing shows who made them.
        repository: ``owner/name``: what signed manifests must be bound to.
        require_manifest: refuse a release without a readable ``update-manifest.yaml``.
        max_artifact_mb: MiB that an artifact may have at most, whatever its manifest declares.
        artifact: a pattern (``*-linux-*.tar.gz``) that picks the artifacts of this host among a release's files.
    """

    allow_unsigned: bool = False
    repository: RepositoryName | None = None
    require_manifest: bool = False
    max_artifact_mb: Annotated[int, Field(gt=0)] = 4096
    artifact: Annotated[str, Field(min_length=1)] | None = None


class Announced(Model):
    """A release as the list shows it; enough to choose one.

    Attributes:
        version: ordered as `fsm.model.Version` says.
        tag: what the source itself calls it: a folder, a tag.
        prerelease: whether the source marks it so (a version may be a pre-release by its form as well).
        draft: not published; never installed.
        notes: release notes, Markdown.
        commit: of a git repository: the commit, all of its digits.
        head: whether this is the moving end of something that is followed (a branch). Such versions have no order:
            the component is to have this one, whatever it has.
    """

    version: Version
    tag: str
    prerelease: bool = False
    draft: bool = False
    notes: str = ""
    commit: str | None = None
    head: bool = False


class Cached(Model):
    """An earlier list, kept by the caller: what a source needs to answer "nothing has changed"."""

    validator: str
    releases: tuple[Announced, ...] = ()
    warnings: tuple[str, ...] = ()


class Listing(Model):
    """The releases that a source announces, in no particular order.

    Attributes:
        releases: those with a version.
        warnings: one sentence each; tags that are no version are named here.
        validator: opaque; None if the source cannot answer conditional requests.
        not_modified: whether the source said "as you know it"; `releases` are then the cached ones.
    """

    releases: tuple[Announced, ...] = ()
    warnings: tuple[str, ...] = ()
    validator: str | None = None
    not_modified: bool = False

    def to_cache(self) -> Cached | None:
        """What to hand to the next `Source.releases`, or None if that would not help."""
        if self.validator is None:
            return None
        return Cached(validator=self.validator, releases=self.releases, warnings=self.warnings)


class Notices(NamedTuple):
    """What a source tells beside its releases. Nothing of it is believed before its signatures are verified.

    Attributes:
        keyring: which keys may sign, where a newer one than that of the releases may be known.
        withdrawn: the list of withdrawn versions.
    """

    keyring: SignedFile | None = None
    withdrawn: SignedFile | None = None

    @classmethod
    def of(cls, read: Callable[[str], bytes | None]) -> Notices:
        """Read them from where they are, each with its signature, or none."""
        return cls(signed_file(read, KEYRING), signed_file(read, WITHDRAWN))


def signed_file(read: Callable[[str], bytes | None], name: str) -> SignedFile | None:
    """A file with the signatures beside it; None if one of the two is missing."""
    data = read(name)
    signature = None if data is None else read(name + SIGNATURE)
    return None if data is None or signature is None else SignedFile(data, signature)


class Source(Protocol):
    """Where the releases of one component come from."""

    def releases(self, cached: Cached | None = None) -> Listing:
        """The announced releases, drafts and pre-releases included.

        Args:
            cached: the list of an earlier call; a source that can then asks "changed since?" only.

        Raises:
            Transient: network trouble, a server that is overloaded, a rate limit (`after` says how long).
            SourceError: an answer that is no list of releases; not allowed; not there.
            ConfigError: the token or the certificate file that the configuration names cannot be read.
        """

    def release(self, announced: Announced) -> Release:
        """Everything about one release, with absolute URLs and a digest for every artifact.

        Raises:
            NotReady: it is announced, but its files are not there yet.
            ManifestError: its manifest belongs to another release, or is required and cannot be read.
            IntegrityError: an artifact has no digest anywhere, or is longer than its manifest says.
            Transient, SourceError, ConfigError: as for `releases`.
        """

    def notices(self) -> Notices:
        """What the source tells beside its releases; raises as `releases` does."""

    def fetch(self, artifact: Artifact, dest: Path, *, check: Check, progress: Progress) -> None:
        """Bring an artifact to `dest`, verified and durable; continue where an interrupted call stopped.

        The bytes grow in ``<dest>.part`` (what they belong to is in ``<dest>.part.json``) and are renamed when size
        and digest are right, so that a file named `dest` is always whole. A `dest` with the right digest is left.

        Args:
            artifact: from `release`; its digest is what decides.
            dest: in an existing directory.
            check: called at least once per chunk; what it raises passes through, the part stays.
            progress: called with bytes.

        Raises:
            Transient: the transfer was cut, and the part stays: the next call goes on from there; or something else
                came in the file's place.
            NotReady: the artifact is not there (any more, or yet), or not as long as it should be.
            IntegrityError: the release is to blame: all of it came, and it has not the promised digest, or is longer
                than promised; the part is removed.
            StepFailed: `dest` cannot be written; after a full disk the part is removed.
            SourceError, ConfigError: as for `releases`.
        """


_SAFE_TAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,127}")


def versioned(tags: Iterable[str], where: str) -> tuple[dict[str, Version], tuple[str, ...]]:
    """The tags that are versions and can safely be a folder's name; a warning for those that are not.

    Args:
        tags: in the source's order.
        where: what the warning calls the source.
    """
    found: dict[str, Version] = {}
    odd: list[str] = []
    for tag in tags:
        version = Version.parse(tag) if _SAFE_TAG.fullmatch(tag) else None
        if version is None:
            odd.append(tag)
        else:
            found[tag] = version
    return found, _odd_names(odd, where)


def _odd_names(odd: list[str], where: str) -> tuple[str, ...]:
    if not odd:
        return ()
    names = ", ".join(repr(tag[:80]) for tag in odd[:5])
    more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
    return (f"{where} has names that are not versions, ignored: {names}{more}",)
