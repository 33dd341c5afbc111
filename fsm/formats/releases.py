"""A release as a source tells of it: a version, its manifest if there is one, and its artifacts."""

from __future__ import annotations

from fsm.formats.artifacts import Artifact
from fsm.formats.manifest import Manifest
from fsm.formats.trust.belief import SignedBy
from fsm.model import Model, Version


class Release(Model):
    """One release of one component.

    Attributes:
        version: what the source calls it; a manifest's version must equal it.
        prerelease: whether the source marks it so (a version may be a pre-release by its form as well).
        draft: not published; never installed.
        notes: release notes, Markdown.
        manifest: None if the release has none, or none that can be read (then `warnings` says why).
        artifacts: files of the release, with absolute URLs; from the manifest, else from the source's listing.
        warnings: one sentence each.
        ref: the full name of the ref, if the release is a commit of a git repository.
        commit: that commit, all of its digits; the artifacts are empty then.
        signed: what the signatures of the manifest have shown; None if nobody asked for any.
    """

    version: Version
    prerelease: bool = False
    draft: bool = False
    notes: str = ""
    manifest: Manifest | None = None
    artifacts: tuple[Artifact, ...] = ()
    warnings: tuple[str, ...] = ()
    ref: str | None = None
    commit: str | None = None
    signed: SignedBy | None = None
