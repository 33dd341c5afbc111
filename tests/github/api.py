"""What each operation of the fake GitHub does: a table of routes, and a function for each. No sockets here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from tests.github.state import Asset, GitRelease, Repository, as_json, file_name


@dataclass(frozen=True)
class Call:
    """A request that got as far as its operation.

    Attributes:
        repository: whose it is.
        writes: whether the caller may write, and so sees drafts.
        part: what the path names besides: an id, a tag.
        query, headers, body: what came; headers by lower-case name.
        url: without the query, for links to other pages.
        broken: whether this upload breaks off.
    """

    repository: Repository
    writes: bool
    part: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    url: str
    broken: bool = False

    @property
    def document(self) -> dict[str, Any]:
        """The JSON that came."""
        found: dict[str, Any] = json.loads(self.body or b"{}")
        return found

    def release(self) -> GitRelease:
        """The release whose id is in the path.

        Raises:
            Failure: there is none for this caller.
        """
        found = self.repository.list.get(int(self.part))
        if found is None or (found.draft and not self.writes):
            raise Failure(404, "Not Found")
        return found

    def asset(self) -> tuple[GitRelease, Asset]:
        """The asset whose id is in the path, and its release.

        Raises:
            Failure: there is none for this caller.
        """
        found = self.repository.asset(int(self.part))
        if found is None or (found[0].draft and not self.writes):
            raise Failure(404, "Not Found")
        return found


@dataclass
class Reply:
    """An answer: JSON, or nothing."""

    status: int
    found: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """Its bytes."""
        return b"" if self.found is None else as_json(self.found)


class Failure(Exception):
    """An error as GitHub answers it; `code` is for a field's error with 422."""

    def __init__(self, status: int, message: str, *, code: str = "", what: str = "", name: str = "") -> None:
        self.status = status
        errors = {"errors": [{"resource": what, "code": code, "field": name}]} if code else {}
        self.reply = Reply(status, {"message": message, "documentation_url": "https://docs.github.com/rest", **errors})
        super().__init__(message)


def list_releases(call: Call) -> Reply:
    """`GET /repos/{owner}/{repo}/releases`."""
    shown = [call.repository.show(each) for each in call.repository.releases(drafts=call.writes)]
    return _page(call, shown)


def create_release(call: Call) -> Reply:
    """`POST /repos/{owner}/{repo}/releases`."""
    asked = call.document
    if not asked.get("draft") and call.repository.release(asked["tag_name"]):
        raise Failure(422, "Validation Failed", code="already_exists", what="Release", name="tag_name")
    made = call.repository.add_release(
        asked["tag_name"],
        draft=asked.get("draft", False),
        prerelease=asked.get("prerelease", False),
        body=asked.get("body", ""),
        name=asked.get("name", ""),
        target=asked.get("target_commitish", "main"),
    )
    return Reply(201, call.repository.show(made))


def latest_release(call: Call) -> Reply:
    """`GET .../releases/latest`: the newest by date, whatever its version."""
    for each in call.repository.releases(drafts=False):
        if not each.prerelease:
            return Reply(200, call.repository.show(each))
    raise Failure(404, "Not Found")


def release_of_tag(call: Call) -> Reply:
    """`GET .../releases/tags/{tag}`: published ones only."""
    found = call.repository.release(call.part)
    if found is None:
        raise Failure(404, "Not Found")
    return Reply(200, call.repository.show(found))


def get_release(call: Call) -> Reply:
    """`GET .../releases/{release_id}`."""
    return Reply(200, call.repository.show(call.release()))


def update_release(call: Call) -> Reply:
    """`PATCH .../releases/{release_id}`; with ``draft: false`` it is published."""
    release, asked = call.release(), call.document
    if release.immutable and asked.keys() & {"tag_name", "draft", "target_commitish"}:
        raise Failure(422, "Cannot update an immutable release", code="custom", what="Release")
    other = call.repository.release(asked.get("tag_name", release.tag))
    if other not in (None, release) and asked.get("draft") is False:
        raise Failure(422, "Validation Failed", code="already_exists", what="Release", name="tag_name")
    renamed = {"tag_name": "tag", "target_commitish": "target"}
    for key in asked.keys() & {"tag_name", "name", "body", "target_commitish", "draft", "prerelease"}:
        setattr(release, renamed.get(key, key), asked[key])
    if not release.draft and release.published is None:
        release.published = call.repository.clock.now()
        release.immutable = call.repository.immutable_releases
    return Reply(200, call.repository.show(release))


def delete_release(call: Call) -> Reply:
    """`DELETE .../releases/{release_id}`."""
    del call.repository.list[call.release().id]
    return Reply(204)


def list_assets(call: Call) -> Reply:
    """`GET .../releases/{release_id}/assets`."""
    release = call.release()
    return _page(call, [call.repository.show_asset(release, each) for each in release.assets.values()])


def upload_asset(call: Call) -> Reply:
    """`POST .../releases/{release_id}/assets`, on the host for uploads."""
    release, name = call.release(), file_name(call.query.get("name", ""))
    if release.immutable:
        raise Failure(422, "Cannot upload assets to an immutable release.")
    if not name or release.named(name):
        code = "already_exists" if name else "missing_field"
        raise Failure(422, "Validation Failed", code=code, what="ReleaseAsset", name="name")
    kind, label = call.headers.get("content-type", ""), call.query.get("label", "")
    made = call.repository.add_asset(release, name, None if call.broken else call.body, label=label, kind=kind)
    return Reply(201, call.repository.show_asset(release, made))


def get_asset(call: Call) -> Reply:
    """`GET .../releases/assets/{asset_id}`: about it, or with the right Accept where its bytes are."""
    release, asset = call.asset()
    if "application/octet-stream" not in call.headers.get("accept", ""):
        return Reply(200, call.repository.show_asset(release, asset))
    if asset.state != "uploaded":
        raise Failure(404, "Not Found")
    return Reply(302, headers={"Location": signed(call.repository, asset)})


def delete_asset(call: Call) -> Reply:
    """`DELETE .../releases/assets/{asset_id}`."""
    release, asset = call.asset()
    if release.immutable:
        raise Failure(422, "Cannot delete asset from an immutable release")
    del release.assets[asset.id]
    return Reply(204)


def signed(repository: Repository, asset: Asset) -> str:
    """The address of an asset's bytes at the storage, with a signature in its query as Azure's has."""
    return f"{repository.places.storage}/{asset.id}/{quote(asset.name)}?sig=secret-{asset.id}"


def _page(call: Call, found: list[Any]) -> Reply:
    """A page of a list, with the links to the others."""
    size, number = min(int(call.query.get("per_page", 30)), 100), int(call.query.get("page", 1))
    last = max(-(-len(found) // size), 1)
    links = {"next": number + 1, "last": last} if number < last else {}
    links |= {"prev": number - 1, "first": 1} if number > 1 else {}

    def url(page: int) -> str:
        return f"{call.url}?{urlencode({**call.query, 'page': page})}"

    headers = {"Link": ", ".join(f'<{url(page)}>; rel="{rel}"' for rel, page in links.items())} if links else {}
    return Reply(200, found[(number - 1) * size : number * size], headers)


_R: Final = r"/repos/(?P<owner>[^/]+)/(?P<repo>[^/]+)/releases"
Route = tuple[str, re.Pattern[str], Callable[[Call], Reply]]
"""A method, a path and what is done."""

ROUTES: Final[tuple[Route, ...]] = (
    ("GET", re.compile(_R), list_releases),
    ("POST", re.compile(_R), create_release),
    ("GET", re.compile(rf"{_R}/latest"), latest_release),
    ("GET", re.compile(rf"{_R}/tags/(?P<part>.+)"), release_of_tag),
    ("GET", re.compile(rf"{_R}/(?P<part>\d+)"), get_release),
    ("PATCH", re.compile(rf"{_R}/(?P<part>\d+)"), update_release),
    ("DELETE", re.compile(rf"{_R}/(?P<part>\d+)"), delete_release),
    ("GET", re.compile(rf"{_R}/(?P<part>\d+)/assets"), list_assets),
    ("GET", re.compile(rf"{_R}/assets/(?P<part>\d+)"), get_asset),
    ("DELETE", re.compile(rf"{_R}/assets/(?P<part>\d+)"), delete_asset),
)
UPLOADS: Final[tuple[Route, ...]] = (("POST", re.compile(rf"{_R}/(?P<part>\d+)/assets"), upload_asset),)
