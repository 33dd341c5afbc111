"""Puts a release on GitHub, so that a run that died at any request is finished by the next one.

In this order: find the release of the tag (a draft is found by listing only), else make a draft; bring its files to
what was built; compare what GitHub shows of each; only then publish. Nothing is remembered between runs: what is there
decides. A file that is right is kept, a half one is replaced. A whole one that is wrong is replaced in a draft that
carries our mark; in a draft of somebody else, and in what is published, it is an error. Nothing else is ever deleted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

from fsm.errors import SourceError, Transient
from fsm.release.build import Built
from fsm.release.hashing import hash_files
from fsm.release.problems import ReleaseError, Spot
from fsm.system.digest import Hashed

if TYPE_CHECKING:
    from fsm.release.github import Asset, GitHubRelease

MARK: Final = "<!-- made by fsm release publish -->"
"""Stands at the end of the notes of a draft that we made; people do not see it."""

ROUNDS: Final = 3
"""How often uploads are taken up again in one run."""

_KEPT_NAME: Final = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.+@-]*$")
_CHANGED: Final = "a published version never changes; publish a new version"

How = Literal["kept", "uploaded", "replaced"]


class Publisher(Protocol):
    """What is needed of GitHub; `fsm.release.github.Publisher` has it."""

    def releases(self) -> tuple[GitHubRelease, ...]:
        """Every release, drafts included."""

    def create_draft(
        self, tag: str, *, name: str = "", body: str = "", target: str | None = None, prerelease: bool = False
    ) -> GitHubRelease:
        """Make a draft."""

    def publish(self, release: GitHubRelease, *, latest: Literal["true", "false", "legacy"] = "true") -> GitHubRelease:
        """Make a draft seen by all."""

    def assets(self, release: GitHubRelease) -> tuple[Asset, ...]:
        """The files of a release, half ones included."""

    def delete_asset(self, asset: Asset) -> None:
        """Remove a file from a release."""

    def upload(self, release: GitHubRelease, path: Path, name: str | None = None) -> Asset:
        """Add a file to a release."""


@dataclass(frozen=True)
class File:
    """A file that a release is to have.

    Attributes:
        path: where it lies; its name is that of the asset.
        size: bytes.
        digest: ``sha256:...``.
        how: what was done about it.
    """

    path: Path
    size: int
    digest: str
    how: How = "kept"

    @property
    def name(self) -> str:
        """What the asset is called."""
        return self.path.name


@dataclass(frozen=True)
class Wanted:
    """A release that is to be: its tag, its notes in Markdown, and how GitHub shows it."""

    tag: str
    notes: str
    prerelease: bool


@dataclass(frozen=True)
class Published:
    """A release as it is on GitHub now.

    Attributes:
        tag, url: of the release.
        draft: whether only those who may write see it.
        files: what it has of ours.
        notes: what people should know, one sentence each.
        signed_by: the ids of the keys that signed its manifests.
    """

    tag: str
    url: str
    draft: bool
    files: tuple[File, ...]
    notes: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()


def files_of(built: Built, directory: Path, more: Sequence[Path] = ()) -> tuple[File, ...]:
    """The files of a release: artifacts, what `built.write(directory)` wrote, and others (signatures, a keyring).

    Raises:
        ReleaseError: a file cannot be read, has a name that GitHub would change, or two have one name.
    """
    paths = [each.path for each in built.prepared.found]
    paths += [directory / name for name in built.made]
    return described((*paths, *more), built.hashed)


def described(paths: Sequence[Path], known: Mapping[Path, Hashed] | None = None) -> tuple[File, ...]:
    """Files with size and digest; raises as `files_of` does.

    Args:
        paths: in the order of their upload.
        known: those that were hashed already.
    """
    known = known or {}
    hashed = {**hash_files([path for path in paths if path not in known]), **known}
    files: dict[str, File] = {}
    for path in dict.fromkeys(paths):
        if not _KEPT_NAME.match(path.name):
            todo = "rename it: letters, digits and . _ - + @ are kept"
            raise ReleaseError(Spot(str(path)), "GitHub would rename it", todo)
        if path.name in files:
            raise ReleaseError(Spot(str(path)), f"{files[path.name].path} has the same name", "list it once")
        files[path.name] = File(path, hashed[path].size, f"sha256:{hashed[path].digests['sha256']}")
    return tuple(files.values())


def publish(built: Built, files: Sequence[File], github: Publisher, *, draft: bool = False) -> Published:
    """Bring GitHub's release to what was built, from whatever an earlier run left.

    Args:
        built: says version, tag and notes.
        files: from `files_of`.
        github: one repository's releases.
        draft: whether it stays a draft.

    Raises:
        ReleaseError: what is published, or in somebody else's draft, is not what was built.
        Transient: GitHub does not answer; run it again.
        SourceError: GitHub refuses.
    """
    decided = built.prepared.decided
    wanted = Wanted(
        tag=decided.tag or f"v{decided.version}",
        notes="\n\n".join(_notes(built)),
        prerelease=decided.version.is_prerelease,
    )
    done = converge(wanted, files, github, draft=draft)
    return replace(done, signed_by=built.signed_by)


def converge(wanted: Wanted, files: Sequence[File], github: Publisher, *, draft: bool = False) -> Published:
    """Bring one release to the files that it is to have; raises as `publish` does."""
    try:
        return _converged(wanted, files, github, draft=draft)
    except (ReleaseError, SourceError):
        faster = _found(github.releases(), wanted.tag)
        if faster is None or faster.draft:
            raise
        # Another publisher has published it meanwhile: what is there now decides, and says what differs.
        return _converged(wanted, files, github, draft=draft)


def _converged(wanted: Wanted, files: Sequence[File], github: Publisher, *, draft: bool) -> Published:
    releases = github.releases()
    release = _found(releases, wanted.tag) or _created(wanted, github)
    done = _brought(release, files, github)
    strange = _compared(release, done, github)
    if release.draft and not draft:
        release = _announced(release, github)
    notes = [f"{release.html_url} also has {name}, which this build does not have" for name in strange]
    left = [each for each in releases if each.tag_name == wanted.tag and each.draft and each.id != release.id]
    notes += [f"another draft of {wanted.tag} is there, {each.html_url}: remove it" for each in left]
    return Published(wanted.tag, release.html_url, release.draft, done, tuple(notes))


def _found(releases: Sequence[GitHubRelease], tag: str) -> GitHubRelease | None:
    """The release of a tag: the published one, else our oldest draft, else the oldest draft."""
    mine = [each for each in releases if each.tag_name == tag]
    return min(mine, key=lambda each: (each.draft, not _is_ours(each), each.id), default=None)


def _is_ours(release: GitHubRelease) -> bool:
    return MARK in (release.body or "")


def _created(wanted: Wanted, github: Publisher) -> GitHubRelease:
    return github.create_draft(
        wanted.tag,
        body=f"{wanted.notes}\n\n{MARK}".strip(),
        target=os.environ.get("GITHUB_SHA"),
        prerelease=wanted.prerelease,
    )


def _notes(built: Built) -> list[str]:
    """The notes of each component, with its name above them where there are several."""
    from fsm.formats.manifest import parse  # noqa: PLC0415 - loaded by now

    read = [parse(data, name) for name, data in built.manifests.items()]
    one = len(read) == 1
    return [each.notes if one else f"## {each.component}\n\n{each.notes}" for each in read if each.notes]


def _brought(release: GitHubRelease, files: Sequence[File], github: Publisher) -> tuple[File, ...]:
    """Bring each file to GitHub, looking anew at what is there after each upload that broke off."""
    how: dict[str, How] = {}
    for left in reversed(range(ROUNDS)):
        there = {asset.name: asset for asset in github.assets(release)}
        for file in files:
            _may_be_changed(release, file, there.get(file.name))
        try:
            for file in files:
                _bring(release, file, there.get(file.name), github, how)
            break
        except Transient as error:
            if not left or error.after is not None:
                raise
    return tuple(replace(file, how=how[file.name]) for file in files)


def _may_be_changed(release: GitHubRelease, file: File, asset: Asset | None) -> None:
    """Refuse to touch what others may rely on, before anything of this release is touched."""
    if asset is not None and (_is_right(file, asset) or (not asset.is_whole and not release.immutable)):
        return
    spot = Spot(release.html_url)
    if not release.draft and (asset is not None or release.immutable):
        what = "has other content" if asset is not None else "is missing"
        raise ReleaseError(spot, f"it is published, and its {file.name} {what}", _CHANGED)
    if asset is not None and not _is_ours(release):
        todo = f"remove {file.name} from that draft, or the draft"
        raise ReleaseError(spot, f"somebody else's draft has another {file.name}", todo)


def _is_right(file: File, asset: Asset) -> bool:
    """Whether GitHub has exactly these bytes; a server that tells no digest has not shown it."""
    return asset.is_whole and asset.size == file.size and asset.digest == file.digest


def _bring(release: GitHubRelease, file: File, asset: Asset | None, github: Publisher, how: dict[str, How]) -> None:
    if asset is not None and _is_right(file, asset):
        how.setdefault(file.name, "kept")
        return
    how[file.name] = "uploaded" if asset is None else "replaced"
    if asset is not None:
        github.delete_asset(asset)
    github.upload(release, file.path)


def _compared(release: GitHubRelease, files: Sequence[File], github: Publisher) -> tuple[str, ...]:
    """Compare what GitHub shows with what was built.

    Returns:
        The names of files that are none of ours.

    Raises:
        ReleaseError: one differs.
    """
    there = {asset.name: asset for asset in github.assets(release)}
    for file in files:
        asset = there.get(file.name)
        if asset is None or not _is_right(file, asset):
            shown = "nothing" if asset is None else f"{asset.size} bytes, {asset.digest or 'no digest'}, {asset.state}"
            why = f"of {file.name} GitHub has {shown}, built were {file.size} bytes, {file.digest}"
            raise ReleaseError(Spot(release.html_url), why, "nothing was published; try again")
    return tuple(sorted(set(there) - {file.name for file in files}))


def _announced(release: GitHubRelease, github: Publisher) -> GitHubRelease:
    """Publish a draft; where the answer is lost, look whether it was done."""
    try:
        return github.publish(release, latest="legacy")
    except Transient:
        for each in github.releases():
            if each.id == release.id and not each.draft:
                return each
        raise
