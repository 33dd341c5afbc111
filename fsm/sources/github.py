"""Reading releases from GitHub.

A check is one conditional request for each page of the list (`fsm.sources.github_list`). A release's files are found
in the API and fetched through it, because that works for private repositories as well; the bytes come from another
host, to which the token does not go. PyGithub is not used here: its import alone takes longer than asking ten
repositories, and its redirects and time-outs are not ours (ADR 0024).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ConfigDict

from fsm.errors import FsmError, IntegrityError, ManifestError, NotReady, SourceError
from fsm.formats.artifacts import Artifact
from fsm.formats.releases import Release
from fsm.formats.trust.belief import Trust
from fsm.model import Model
from fsm.sources.base import (
    MANIFEST,
    MANIFEST_LIMIT,
    Announced,
    Cached,
    Check,
    Listing,
    Notices,
    Progress,
    versioned,
)
from fsm.sources.download import Download
from fsm.sources.github_list import ANY, Entry, List, ask, question, understood
from fsm.sources.layout import build
from fsm.sources.ranges import opener
from fsm.sources.specs import GitHubSpec
from fsm.sources.urls import below, host_of, origin_of, redact
from fsm.sources.web import Failure, Web
from fsm.sources.weberrors import from_github, from_status

_BYTES: Final = {"Accept": "application/octet-stream"}
_RELEASE_LIMIT: Final = 8 << 20
_OURS: Final = ("update-manifest", "fsm-keyring", "fsm-withdrawn")
"""What begins so is about releases, and no artifact."""

WITHDRAWN_TAG: Final = "fsm-withdrawn-"
"""What the tags of releases with a list of withdrawn versions begin with; then follows the list's sequence."""

_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
"""GitHub's pages do not show it either."""

_EARLIER: Final = "the answer is that of an earlier check: "


class _Asset(Model):
    model_config = ConfigDict(extra="ignore")

    id: int
    name: str
    size: int
    state: str
    digest: str | None = None
    browser_download_url: str = ""


class _Release(Model):
    model_config = ConfigDict(extra="ignore")

    tag_name: str
    assets: tuple[_Asset, ...]


class GitHubSource:
    """The releases of one component on GitHub.

    Args:
        spec: the configuration.
        component: whose releases they are.
        trust: whose signatures their manifests must have, if any.
    """

    def __init__(self, spec: GitHubSpec, component: str, trust: Trust | None = None) -> None:
        self._spec = spec
        self._component = component
        self._trust = trust
        self._lists: dict[int, str] = {}

    def releases(self, cached: Cached | None = None) -> Listing:
        """What GitHub lists; when the rate limit is used up, what an earlier check has found, with a warning."""
        url, _, tags = (cached.validator if cached else "").partition(" ")
        known = tuple(tags.split()) if url == question(self._spec) else ()
        try:
            found = ask(self._spec, known)
        except FsmError as error:
            if cached is None or not known or getattr(error, "after", None) is None:
                raise
            return _unchanged(cached, f"{_EARLIER}{error.why}")
        if found is None:
            assert cached is not None, "only what is known can be unchanged"
            return _unchanged(cached)
        return self._announced(found)

    def release(self, announced: Announced) -> Release:
        """What GitHub has under the release's tag."""
        if not versioned([announced.tag.removeprefix(self._spec.tag_prefix)], self._spec.repository)[0]:
            what = f"cannot read {announced.tag!r} of {self._spec.repository}"
            raise SourceError(what, "it is not a version", "see `fsm check`")
        with Web(self._spec, _failure(self._spec)) as web:
            shelf = _Assets(web, self._spec, _read(web, self._tag_url(announced.tag), announced.tag))
            return build(announced, shelf, self._spec, self._component, self._trust)

    def notices(self) -> Notices:
        """What lies in the newest release that `fsm release yank` has made, as `releases` has listed them before."""
        tag = self.newest_list
        if not tag:
            return Notices()
        with Web(self._spec, _failure(self._spec)) as web:
            return Notices.of(_Assets(web, self._spec, _read(web, self._tag_url(tag), tag)).read)

    @property
    def newest_list(self) -> str:
        """The tag of that release, as `releases` has seen it; empty if there is none."""
        return self._lists[max(self._lists)] if self._lists else ""

    def _note_list(self, entry: Entry) -> None:
        number = entry.tag_name.removeprefix(WITHDRAWN_TAG)
        if not entry.draft and number.isascii() and number.isdecimal() and len(number) < 17:
            self._lists[int(number)] = entry.tag_name

    def _tag_url(self, tag: str) -> str:
        url = below(self._spec.api_url, "repos", *self._spec.repository.split("/"), "releases", "tags")
        return below(url, tag)

    def fetch(self, artifact: Artifact, dest: Path, *, check: Check, progress: Progress) -> None:
        """Download an artifact through the API, resumable and verified."""
        if not artifact.url.startswith(_assets_url(self._spec)):
            why = f"{redact(artifact.url)} is not a file of a release of {self._spec.repository}"
            raise SourceError(
                f"cannot fetch {artifact.name}", why, "update again: the plan is of another configuration"
            )
        with Web(self._spec, _failure(self._spec)) as web:
            open_body = opener(web, artifact.url, artifact.name, _BYTES)
            Download(artifact, dest, open_body, self._spec.max_artifact_mb, check, progress).run()

    def _announced(self, found: List) -> Listing:
        prefix, entries = self._spec.tag_prefix, dict[str, Entry]()
        for entry in sorted(found.entries, key=lambda each: not each.draft):  # a draft may have a published one's tag
            if entry.tag_name.startswith(WITHDRAWN_TAG):
                self._note_list(entry)
            elif entry.tag_name.startswith(prefix):
                entries[entry.tag_name.removeprefix(prefix)] = entry
        versions, warnings = versioned(entries, self._spec.repository)
        announced = tuple(
            Announced(
                version=version,
                tag=entries[short].tag_name,
                prerelease=entries[short].prerelease,
                draft=entries[short].draft,
                notes=_COMMENT.sub("", entries[short].body or "").strip(),
            )
            for short, version in versions.items()
        )
        validator = " ".join((question(self._spec), *found.tags)) if found.tags else None
        return Listing(releases=announced, warnings=(*warnings, *found.warnings), validator=validator)


class _Assets:
    """The files of one release."""

    def __init__(self, web: Web, spec: GitHubSpec, release: _Release) -> None:
        self._web = web
        self._spec = spec
        self._assets = {asset.name: asset for asset in release.assets}
        self.where = f"{spec.repository} {release.tag_name}"

    def read(self, name: str) -> bytes | None:
        """A small file; the manifest by the name that the configuration gives it."""
        name = self._spec.manifest + name.removeprefix(MANIFEST) if name.startswith(MANIFEST) else name
        asset = self._assets.get(name)
        if asset is None or asset.state != "uploaded":
            return None
        with self._web.open("GET", self._url(asset), _BYTES) as answer:
            return answer.small(MANIFEST_LIMIT) if answer.status == 200 else None

    def names(self) -> tuple[str, ...]:
        """Those that are whole."""
        return tuple(
            name
            for name, asset in self._assets.items()
            if asset.state == "uploaded" and not name.startswith(_OURS) and name != self._spec.manifest
        )

    def locate(self, artifact: Artifact) -> str:
        """The asset's address in the API; a manifest may name it by its name, or as a browser would find it."""
        asset = self._assets.get(artifact.url or artifact.name)
        asset = asset or next(
            (each for each in self._assets.values() if each.browser_download_url == artifact.url), None
        )
        if asset is not None:
            self._refuse_changed(artifact, asset)
            return self._url(asset)
        what = f"cannot use the artifact {artifact.name} of {self.where}"
        if "://" in artifact.url:
            todo = "publish it with the release; nothing was changed"
            raise ManifestError(what, f"{redact(artifact.url)} is not a file of that release", todo)
        raise NotReady(what, "it is not among the release's files", "it may appear later; try again then")

    def size(self, artifact: Artifact) -> int | None:
        """As GitHub knows it."""
        return next((each.size for each in self._assets.values() if self._url(each) == artifact.url), None)

    def _refuse_changed(self, artifact: Artifact, asset: _Asset) -> None:
        """GitHub tells digest and size: what was replaced after its release is found out before a byte is fetched."""
        what = f"cannot use {artifact.name} of {self.where}"
        if asset.state != "uploaded":
            raise NotReady(what, "its upload is not complete", "it may be uploaded again; try again later")
        digest = asset.digest if asset.digest and asset.digest.startswith("sha256:") else artifact.sha256
        if digest != artifact.sha256 or artifact.size not in (None, asset.size):
            raise IntegrityError(
                what,
                f"it was changed under the same tag: {host_of(self._spec.api_url)} has {digest}, {asset.size} bytes,"
                f" and the release was made with {artifact.sha256}",
                "report this to the publisher; nothing was changed",
            )

    def _url(self, asset: _Asset) -> str:
        return f"{_assets_url(self._spec)}{asset.id}"


def _assets_url(spec: GitHubSpec) -> str:
    return below(spec.api_url, "repos", *spec.repository.split("/"), "releases", "assets", folder=True)


def _read(web: Web, url: str, tag: str) -> _Release:
    with web.open("GET", url, {"Accept": "application/vnd.github+json"}, usable=ANY) as answer:
        if answer.status == 404:
            raise NotReady(
                f"cannot read the release {tag}", "it does not exist, or this token may not read it", "see `fsm check`"
            )
        return understood(answer, _Release.model_validate_json, _RELEASE_LIMIT)


def _failure(spec: GitHubSpec) -> Failure:
    """Errors of the API as GitHub means them; those of the host with the bytes as any server's."""

    def failure(status: int, headers: Mapping[str, str], url: str) -> FsmError:
        if origin_of(url) == origin_of(spec.api_url):
            return from_github(status, headers, url, "")
        return from_status(status, headers, url)

    return failure


def _unchanged(cached: Cached, warning: str = "") -> Listing:
    kept = tuple(each for each in cached.warnings if not each.startswith(_EARLIER))
    return Listing(
        releases=cached.releases,
        warnings=(*kept, warning) if warning else kept,
        validator=cached.validator,
        not_modified=True,
    )
