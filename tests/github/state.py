"""What the fake GitHub remembers, and how GitHub shows it: repositories, releases, assets."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Places:
    """The addresses of the fake's hosts, without a slash at the end."""

    api: str
    uploads: str
    html: str
    storage: str


class Clock:
    """Numbers and times that only grow, so that every run of a test sees the same ones."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def number(self) -> int:
        """The next id."""
        return next(self._numbers)

    def now(self) -> str:
        """The next time, one minute after the one before."""
        return (_BEGAN + timedelta(minutes=next(self._numbers))).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Asset:
    """One file of a release; its bytes are below the storage's directory."""

    id: int
    name: str
    label: str
    content_type: str
    path: Path
    created: str
    state: Literal["uploaded", "starter"] = "uploaded"

    @property
    def content(self) -> bytes:
        """Its bytes: none where the upload broke off."""
        return self.path.read_bytes() if self.state == "uploaded" else b""

    @property
    def digest(self) -> str | None:
        """As GitHub shows it since June 2025."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}" if self.state == "uploaded" else None


@dataclass
class GitRelease:
    """One release: `draft` is seen only by those who may write."""

    id: int
    tag: str
    name: str
    body: str
    target: str
    draft: bool
    prerelease: bool
    created: str
    published: str | None
    immutable: bool = False
    assets: dict[int, Asset] = field(default_factory=dict)

    def named(self, name: str) -> Asset | None:
        """The asset of that name."""
        return next((asset for asset in self.assets.values() if asset.name == name), None)


@dataclass
class Repository:
    """One repository.

    Attributes:
        full_name: ``owner/name``.
        private: seen with a token only.
        immutable_releases: whether a release cannot be changed any more once it is published.
    """

    full_name: str
    places: Places
    clock: Clock
    storage: Path
    private: bool = False
    immutable_releases: bool = False
    list: dict[int, GitRelease] = field(default_factory=dict)

    def releases(self, *, drafts: bool = True) -> Iterator[GitRelease]:
        """Newest first, as GitHub lists them."""
        newest = sorted(self.list.values(), key=lambda each: each.created, reverse=True)
        return (each for each in newest if drafts or not each.draft)

    def release(self, tag: str, *, draft: bool = False) -> GitRelease | None:
        """The release of a tag."""
        return next((each for each in self.releases() if (each.tag, each.draft) == (tag, draft)), None)

    def add_release(
        self,
        tag: str,
        files: dict[str, bytes] | None = None,
        *,
        draft: bool = False,
        prerelease: bool = False,
        body: str = "",
        name: str = "",
        target: str = "main",
    ) -> GitRelease:
        """Make a release, as somebody else would who publishes."""
        created = self.clock.now()
        published = None if draft else created
        number = self.clock.number()
        release = GitRelease(number, tag, name or tag, body, target, draft, prerelease, created, published)
        for file, content in (files or {}).items():
            self.add_asset(release, file, content)
        release.immutable = self.immutable_releases and not draft
        self.list[release.id] = release
        return release

    def add_asset(
        self, release: GitRelease, name: str, content: bytes | None, *, label: str = "", kind: str = ""
    ) -> Asset:
        """Add a file to a release; without content it is what an upload leaves that broke off."""
        number = self.clock.number()
        path = self.storage / str(number) / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content or b"")
        asset = Asset(number, name, label, kind or "application/octet-stream", path, self.clock.now())
        asset.state = "starter" if content is None else "uploaded"
        release.assets[asset.id] = asset
        return asset

    def asset(self, number: int) -> tuple[GitRelease, Asset] | None:
        """An asset and its release, by the asset's id."""
        return next(((each, each.assets[number]) for each in self.list.values() if number in each.assets), None)

    def show(self, release: GitRelease) -> dict[str, Any]:
        """A release as the API shows it."""
        api = f"{self.places.api}/repos/{self.full_name}"
        url = f"{api}/releases/{release.id}"
        uploads = f"{self.places.uploads}/repos/{self.full_name}/releases/{release.id}/assets"
        return {
            "url": url,
            "assets_url": f"{url}/assets",
            "upload_url": f"{uploads}{{?name,label}}",
            "html_url": f"{self.places.html}/{self.full_name}/releases/tag/{quote(release.tag)}",
            "id": release.id,
            "node_id": f"RE_{release.id}",
            "tag_name": release.tag,
            "target_commitish": release.target,
            "name": release.name,
            "body": release.body,
            "draft": release.draft,
            "prerelease": release.prerelease,
            "immutable": release.immutable,
            "created_at": release.created,
            "published_at": release.published,
            "author": self._author(),
            "assets": [self.show_asset(release, asset) for asset in release.assets.values()],
            "tarball_url": f"{api}/tarball/{quote(release.tag)}",
            "zipball_url": f"{api}/zipball/{quote(release.tag)}",
        }

    def show_asset(self, release: GitRelease, asset: Asset) -> dict[str, Any]:
        """An asset as the API shows it."""
        page = f"{self.places.html}/{self.full_name}/releases/download/{quote(release.tag)}/{quote(asset.name)}"
        return {
            "url": f"{self.places.api}/repos/{self.full_name}/releases/assets/{asset.id}",
            "browser_download_url": page,
            "id": asset.id,
            "node_id": f"RA_{asset.id}",
            "name": asset.name,
            "label": asset.label,
            "state": asset.state,
            "content_type": asset.content_type,
            "size": len(asset.content),
            "digest": asset.digest,
            "download_count": 0,
            "created_at": asset.created,
            "updated_at": asset.created,
            "uploader": self._author(),
        }

    def _author(self) -> dict[str, Any]:
        login = self.full_name.partition("/")[0]
        api = f"{self.places.api}/users/{login}"
        more = ("followers", "following", "gists", "starred", "subscriptions", "organizations", "repos", "events")
        links = {f"{each}_url": f"{api}/{each}" for each in (*more, "received_events")}
        page = f"{self.places.html}/{login}"
        known = {"login": login, "id": 1, "node_id": "U_1", "avatar_url": page, "gravatar_id": "", "html_url": page}
        return {**known, **links, "url": api, "type": "User", "site_admin": False}


def file_name(wanted: str) -> str:
    """What GitHub makes of an uploaded file's name: special characters become dots."""
    return re.sub(r"[^A-Za-z0-9@+_.-]+", ".", wanted).strip(".")


def as_json(found: Any) -> bytes:
    """The bytes of an answer."""
    return json.dumps(found).encode()
