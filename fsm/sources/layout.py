"""The layout that directory and HTTP sources share, and how a release is made of it.

::

    <root>/fsm-keyring.yaml                  optional: signed, which keys may sign
           fsm-withdrawn.yaml                optional: signed, which versions nobody should install
    <root>/<version>/update-manifest.yaml    optional: what the release declares
                     update-manifest.yaml.minisig    its signatures: needed where keys are pinned
                     fsm-keyring.yaml        optional: as above
                     <artifacts>             plain files
                     SHA256SUMS              or <artifact>.sha256: needed where no manifest gives digests
                     NOTES.md                optional: what is new
                     release.json            optional: {"draft": false, "prerelease": false, "notes": ""}

Each signed file has its signatures beside it, in a file with ``.minisig`` after its name.

Pure decisions apart from IO: a `Shelf` reads, `build` decides. A readable manifest decides alone which files a release
has; without one, every file is an artifact that is not one of the above, a signature or hidden.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final, Protocol

from pydantic import ValidationError

from fsm.errors import FsmError, IntegrityError, ManifestError, NotReady, SourceError, TrustError
from fsm.formats.artifacts import ARTIFACT_NAME, Artifact
from fsm.formats.explain import first_problem
from fsm.formats.manifest import Manifest, parse
from fsm.formats.picking import pick_artifacts
from fsm.formats.platforms import current_platform
from fsm.formats.releases import Release
from fsm.formats.trust.belief import SignedBy, SignedFile, Trust
from fsm.formats.trust.documents import KEYRING, SIGNATURE
from fsm.model import Model, Version, matches
from fsm.sources.base import MANIFEST, MANIFEST_LIMIT, Announced, SourceOptions, signed_file
from fsm.sources.checksums import SIDECAR, SUMS, Checksums, Readable
from fsm.sources.download import digest_of

FLAGS: Final = "release.json"
NOTES: Final = "NOTES.md"

MOST: Final = 200
"""How many artifacts a release may have; a manifest has the same limit."""

_META: Final = frozenset({MANIFEST, SUMS, FLAGS, NOTES, "index.json", "index.html", KEYRING})
_META_ENDINGS: Final = (SIDECAR, ".asc", ".sig", ".minisig", ".sigstore", ".sigstore.json", ".part", ".tmp")
_LATER: Final = "they may appear later; try again then"


class Flags(Model):
    """``release.json``: what a folder's name cannot say."""

    draft: bool = False
    prerelease: bool = False
    notes: str = ""


class Shelf(Readable, Protocol):
    """The folder of one release, wherever it is."""

    def names(self) -> tuple[str, ...] | None:
        """The files in it; None if that cannot be told."""

    def locate(self, artifact: Artifact) -> str:
        """The absolute URL of an artifact.

        Raises:
            ManifestError: the manifest names a place that the configuration does not allow.
        """

    def size(self, artifact: Artifact) -> int | None:
        """The bytes that an artifact (with absolute URL) has now; None if that cannot be told.

        Raises:
            NotReady: it is not there.
        """


def announce(shelf: Readable, tag: str, version: Version) -> tuple[Announced | None, str]:
    """A release for the list, or a warning where its `release.json` is unreadable.

    Such a release is left out: it could be a draft.
    """
    data = shelf.read(FLAGS)
    if data is None:
        return Announced(version=version, tag=tag), ""
    try:
        flags = Flags.model_validate_json(data)
    except ValidationError as error:
        return None, f"{FLAGS} of {shelf.where} cannot be read, ignored: {first_problem(error)}"
    return Announced(version=version, tag=tag, **flags.model_dump()), ""


def build(
    announced: Announced, shelf: Shelf, options: SourceOptions, component: str, trust: Trust | None = None
) -> Release:
    """Everything about a release; raises as `fsm.sources.base.Source.release` does.

    Args:
        announced: from the list.
        shelf: its folder.
        options: the source's configuration.
        component: whose release it must be.
        trust: whose signatures the manifest must have; None asks for none.
    """
    manifest, signed, warnings = _manifest(announced, shelf, options, component, trust)
    if manifest is not None and (manifest.artifacts or signed):
        artifacts = _picked(manifest.artifacts, options, shelf)
    else:
        artifacts, more = _listed(manifest, shelf, options)
        warnings += more
    return Release(
        version=announced.version,
        prerelease=announced.prerelease,
        draft=announced.draft,
        notes=announced.notes or (manifest.notes if manifest else "") or _notes(shelf),
        manifest=manifest,
        artifacts=tuple(_complete(artifact, shelf) for artifact in artifacts),
        warnings=warnings,
        signed=signed,
    )


def _manifest(
    announced: Announced, shelf: Shelf, options: SourceOptions, component: str, trust: Trust | None
) -> tuple[Manifest | None, SignedBy | None, tuple[str, ...]]:
    """The manifest, or None with a warning; and whose it is, where that is asked."""
    data = shelf.read(MANIFEST)
    what = f"{MANIFEST} of {shelf.where}"
    needed = options.require_manifest or trust is not None
    if data is None:
        if needed:
            raise NotReady(f"cannot use {shelf.where}", f"it has no {MANIFEST} yet, and one is required", _LATER)
        return None, None, (f"{shelf.where} has no {MANIFEST}: the built-in procedure is used",)
    signed = None if trust is None else _signed(data, shelf, options, component, trust)
    try:
        manifest = parse(data, what)
    except ManifestError as error:
        if needed:
            raise
        return None, None, (f"{error}: the built-in procedure is used",)
    _refuse_foreign(manifest, announced, component, what)
    if signed and (signed.component, signed.version, signed.sequence) != (
        manifest.component,
        str(manifest.version),
        manifest.sequence,
    ):
        todo = "sign it with `fsm release build --key`; nothing was changed"
        raise TrustError(f"cannot use {what}", "its signature is for another component, version or sequence", todo)
    return manifest, signed, tuple(f"{what}: {remark}" for remark in manifest.remarks())


def _signed(data: bytes, shelf: Shelf, options: SourceOptions, component: str, trust: Trust) -> SignedBy:
    """Verify the bytes of a manifest before anything reads them."""
    what = f"{MANIFEST} of {shelf.where}"
    if len(data) > MANIFEST_LIMIT:
        raise TrustError(f"cannot use {what}", f"it has more than {MANIFEST_LIMIT} bytes", "nothing was changed")
    keyring = signed_file(shelf.read, KEYRING)
    if keyring is not None:
        trust.learn(keyring, f"{KEYRING} of {shelf.where}")
    signature = shelf.read(MANIFEST + SIGNATURE)
    if signature is None:
        todo = "sign it (`fsm release build --key`), or set `allow_unsigned = true` for the source; nothing was changed"
        raise TrustError(f"cannot use {what}", f"it is not signed: there is no {MANIFEST}{SIGNATURE}", todo)
    assert options.repository is not None, "the configuration was refused without"
    return trust.manifest(SignedFile(data, signature), what=what, repository=options.repository, component=component)


def _refuse_foreign(manifest: Manifest, announced: Announced, component: str, what: str) -> None:
    todo = "the release is broken, nothing was changed"
    if manifest.version != announced.version:
        raise ManifestError(f"cannot use {what}", f"it is about version {manifest.version}", todo)
    if manifest.component not in (None, component):
        raise ManifestError(f"cannot use {what}", f"it is about {manifest.component!r}, not {component!r}", todo)


def _picked(artifacts: Iterable[Artifact], options: SourceOptions, shelf: Shelf) -> tuple[Artifact, ...]:
    """The artifacts that the configuration wants, for this platform."""
    every, here = tuple(artifacts), current_platform()
    if not every:
        return ()
    found = pick_artifacts((artifact for artifact in every if _wanted(artifact.name, options)), here)
    if not found:
        named = f" and matches {options.artifact!r}" if options.artifact else ""
        has = ", ".join(artifact.name for artifact in every)
        raise SourceError(
            f"cannot use {shelf.where}",
            f"none of its artifacts is for {here}{named}; it has {has[:300]}",
            "correct `artifact` of the component's source, or wait for a release for this platform",
        )
    return found


def _wanted(name: str, options: SourceOptions) -> bool:
    return options.artifact is None or fnmatchcase(name, options.artifact)


def _listed(
    manifest: Manifest | None, shelf: Shelf, options: SourceOptions
) -> tuple[tuple[Artifact, ...], tuple[str, ...]]:
    """The artifacts of a release whose manifest, if any, names none; with warnings."""
    names = shelf.names()
    if names is None and manifest is None:
        raise NotReady(f"cannot use {shelf.where}", f"it has neither an {MANIFEST} nor a list of its files", _LATER)
    files = [name for name in names or () if name not in _META and not name.endswith(_META_ENDINGS)]
    good = [name for name in files if matches(ARTIFACT_NAME, name)]
    found = tuple(Artifact(name=name) for name in good if _wanted(name, options))
    if not found and (manifest is None or options.artifact is not None):
        which = f"file that matches {options.artifact!r}" if options.artifact else "artifact"
        raise NotReady(f"cannot use {shelf.where}", f"it has no {which} yet", _LATER)
    if len(found) > MOST:
        raise SourceError(
            f"cannot use {shelf.where}",
            f"it has {len(found)} files, more than the {MOST} that a release may have",
            "name those for this host with `artifact` of the component's source",
        )
    odd = sorted(name for name in set(files) - set(good) if not name.startswith("."))
    warnings = (f"{shelf.where} has files with unusable names, ignored: {odd!r:.200}",) if odd else ()
    sums = Checksums(shelf)
    return tuple(artifact.model_copy(update={"sha256": sums.of(artifact.name)}) for artifact in found), warnings


def _complete(artifact: Artifact, shelf: Shelf) -> Artifact:
    """The artifact with absolute URL and size, if it is there and has a digest."""
    digest_of(artifact)
    placed = artifact.model_copy(update={"url": shelf.locate(artifact)})
    size = shelf.size(placed)
    if placed.size is None:
        return placed.model_copy(update={"size": size})
    if size is not None and size < placed.size:
        why = f"{artifact.name} has {size} of {placed.size} bytes so far"
        raise NotReady(f"cannot use {shelf.where} yet", why, _LATER)
    if size is not None and size > placed.size:
        why = f"{artifact.name} has {size} bytes, its manifest says {placed.size}"
        raise IntegrityError(f"cannot use {shelf.where}", why, "the release is broken, nothing was changed")
    return placed


def _notes(shelf: Shelf) -> str:
    """``NOTES.md``, as far as it is not too long. Notes are for people: trouble with them is no reason to stop."""
    try:
        data = shelf.read(NOTES) or b""
    except FsmError:
        return ""
    return data[:MANIFEST_LIMIT].decode("utf-8", "replace")
