"""The HTTP source's lists: index, conditional requests, directory listings, what comes instead of them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from fsm.errors import ManifestError, NotReady, SourceError, Transient
from fsm.model import Version
from fsm.sources import Announced, Cached, Source
from fsm.sources.http import MOST_FOLDERS
from tests.servers import Fault, ReleaseServer
from tests.unit.sources.conftest import ARCHIVE, Depot, sha256

pytestmark = pytest.mark.processes

WebSource = Callable[..., Source]


def announced(tag: str) -> Announced:
    """A release as a list would have it."""
    return Announced(version=Version(tag), tag=tag)


def test_second_list_is_conditional(depot: Depot, server: ReleaseServer, web_source: WebSource):
    """A list that has not changed costs one answer without a body."""
    depot.add("1.0.0")
    depot.index()
    first = web_source().releases()
    assert first.validator is not None
    second = web_source().releases(first.to_cache())
    assert second.not_modified
    assert (second.releases, second.warnings, second.validator) == (first.releases, first.warnings, first.validator)
    assert server.asked("/index.json")[1].headers["if-none-match"] in first.validator
    depot.add("1.1.0")
    depot.index()
    third = web_source().releases(second.to_cache())
    assert not third.not_modified
    assert len(third.releases) == 2


def test_conditional_by_date(depot: Depot, server: ReleaseServer, web_source: WebSource):
    """Where there is no ETag, the date of the last change does."""
    depot.add("1.0.0")
    depot.index()
    server.fault("/index.json", Fault(headers={"ETag": None}))
    first = web_source().releases()
    assert web_source().releases(first.to_cache()).not_modified
    assert "if-modified-since" in server.asked("/index.json")[1].headers


def test_a_list_of_another_server_is_no_condition(depot: Depot, server: ReleaseServer, web_source: WebSource):
    """After the configured URL has changed, an old list is not taken for the new server's."""
    depot.add("1.0.0")
    depot.index()
    old = Cached(validator='http://127.0.0.1:1 "abc"', releases=(announced("9.0"),))
    assert [release.tag for release in web_source().releases(old).releases] == ["1.0.0"]
    assert "if-none-match" not in server.asked("/index.json")[0].headers


def test_lists_that_cannot_be_cached(depot: Depot, server: ReleaseServer, web_source: WebSource):
    """A directory listing has no validator, and so nothing to cache."""
    depot.add("1.0.0")
    listing = web_source().releases()
    assert listing.validator is None
    assert listing.to_cache() is None
    depot.index()
    server.fault("/index.json", Fault(headers={"ETag": None, "Last-Modified": None}))
    assert web_source().releases().validator is None


def test_not_modified_unasked(depot: Depot, server: ReleaseServer, web_source: WebSource):
    """A 304 that nobody asked for is no list."""
    server.fault("/index.json", Fault(status=304))
    with pytest.raises(SourceError, match=r"index\.json"):
        web_source().releases()


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ('{"releases": [{"version": 1.2}]}', r"releases\[0\]\.version: must be a valid string"),
        ('{"releases": [{"version": "1.2", "sha": "x"}]}', r"releases\[0\]\.sha: extra inputs"),
        ('{"releases": [{"version": "1.2"}, {"version": "1.2"}]}', r"'1\.2' is listed twice"),
        ("[]", "must be an object"),
        ("<html>Welcome</html>", "invalid JSON"),
    ],
)
def test_index_is_strict(depot: Depot, web_source: WebSource, document: str, why: str):
    """An index that is not one is refused with the place in it."""
    (depot.root / "index.json").write_text(document)
    with pytest.raises(SourceError, match=why):
        web_source().releases()


def test_endless_index(server: ReleaseServer, web_source: WebSource):
    """An index beyond 4 MiB is not read to its end."""
    server.fault("/index.json", Fault(body=b" " * (5 << 20)))
    with pytest.raises(SourceError, match="longer than"):
        web_source().releases()


def test_dribbling_index(server: ReleaseServer, web_source: WebSource):
    """A small file that comes a byte at a time is gave up after four timeouts."""
    server.fault("/index.json", Fault(body=b" " * 1000, chunk=1, delay=0.02))
    with pytest.raises(Transient, match=r"not complete within 0\.4 s"):
        web_source(timeout=0.1).releases()


def test_versions_that_are_none(depot: Depot, web_source: WebSource):
    """Entries of the index that are no version, or no folder's name, are left out with a warning."""
    entries = [{"version": version} for version in ("1.0", "nightly", "2.0+../../x", "3.0 ")]
    (depot.root / "index.json").write_text(json.dumps({"releases": entries}))
    listing = web_source().releases()
    assert [release.tag for release in listing.releases] == ["1.0"]
    assert "'nightly', '2.0+../../x', '3.0 '" in listing.warnings[0]


def test_unreadable_flags_leave_the_release_out(depot: Depot, web_source: WebSource):
    """A release.json that says nonsense could hide a draft: the release is left out, by name."""
    depot.add("1.0.0")
    depot.add("2.0.0", draft="no")
    listing = web_source().releases()
    assert [release.tag for release in listing.releases] == ["1.0.0"]
    assert "/2.0.0/ cannot be read, ignored: draft: " in listing.warnings[0]


def test_nothing_there(server: ReleaseServer, web_source: WebSource):
    """Neither index nor listing: the URL is wrong, and the message says what to look at."""
    server.listing = None
    with pytest.raises(SourceError, match=r"neither an index\.json nor a directory listing; check the url"):
        web_source().releases()


def test_a_thousand_folders(depot: Depot, server: ReleaseServer, web_source: WebSource):
    """Of a long listing only the newest releases are looked at, and that is said."""
    links = "".join(f'<a href="1.{number}/">x</a>' for number in range(MOST_FOLDERS + 50))
    server.fault("/", Fault(body=links.encode()))
    listing = web_source().releases()
    assert len(listing.releases) == MOST_FOLDERS
    assert max(release.version for release in listing.releases) == Version(f"1.{MOST_FOLDERS + 49}")
    assert f"only the newest {MOST_FOLDERS} were read" in listing.warnings[0]
    assert len({request.headers["host"] for request in server.requests}) == 1


def test_index_without_files_falls_back_to_the_listing(depot: Depot, web_source: WebSource):
    """`files` may be left out of the index; then the folder's listing tells."""
    depot.add("1.0.0")
    (depot.root / "index.json").write_text('{"releases": [{"version": "1.0.0"}]}')
    assert [artifact.name for artifact in web_source().release(announced("1.0.0")).artifacts] == ["app.tar.gz"]


def test_files_that_cannot_be_told(depot: Depot, server: ReleaseServer, web_source: WebSource):
    """Without manifest, index and listing nothing is known: not ready."""
    depot.add("1.0.0")
    server.listing = None
    with pytest.raises(NotReady, match=r"neither an? update-manifest\.yaml nor a list of its files"):
        web_source().release(announced("1.0.0"))


def test_announced_file_that_is_not_there(depot: Depot, web_source: WebSource):
    """A file of the index that answers 404 is not ready."""
    folder = depot.add("1.0.0")
    depot.index()
    (folder / "app.tar.gz").unlink()
    with pytest.raises(NotReady, match=r"/1\.0\.0/app\.tar\.gz is not there"):
        web_source().release(announced("1.0.0"))


@pytest.mark.parametrize("status", [400, 403, 405, 501])
def test_servers_without_head(depot: Depot, server: ReleaseServer, web_source: WebSource, status: int):
    """Where HEAD is not answered, the size stays unknown, and that is all."""
    depot.add("1.0.0")
    server.fault("/1.0.0/app.tar.gz", Fault(status=status, methods=("HEAD",)))
    assert web_source().release(announced("1.0.0")).artifacts[0].size is None


def test_head_that_needs_a_token(depot: Depot, server: ReleaseServer, web_source: WebSource):
    """A 401 is said at once, not at the download."""
    depot.add("1.0.0")
    server.fault("/1.0.0/app.tar.gz", Fault(status=401, methods=("HEAD",)))
    with pytest.raises(SourceError, match="not allowed; check token_env or token_file"):
        web_source().release(announced("1.0.0"))


def test_manifest_names_a_host(depot: Depot, web_source: WebSource):
    """A manifest cannot send us to a host that the configuration does not name, nor to plain http."""
    depot.declare("1.0.0", {"name": "a.zip", "sha256": sha256(b"a"), "url": "https://evil.example/a.zip"})
    with pytest.raises(ManifestError, match=r"on evil\.example, which .*; add that host to artifact_hosts"):
        web_source().release(announced("1.0.0"))
    depot.declare("1.0.0", {"name": "a.zip", "sha256": sha256(b"a"), "url": "http://evil.example/a.zip"})
    with pytest.raises(ManifestError, match=r"plain http"):
        web_source(artifact_hosts=["evil.example"]).release(announced("1.0.0"))


def test_manifest_names_an_allowed_place(depot: Depot, server: ReleaseServer, web_source: WebSource):
    """Absolute URLs on named hosts and relative paths below the release are fine."""
    folder = depot.declare(
        "1.0.0",
        {"name": "a.zip", "sha256": sha256(b"a"), "url": f"http://localhost:{server.port}/pool/a.zip"},
        {"name": "b.zip", "sha256": sha256(ARCHIVE), "url": "files/b.zip"},
    )
    (depot.root / "pool").mkdir()
    (depot.root / "pool" / "a.zip").write_bytes(b"a")
    (folder / "files").mkdir()
    (folder / "files" / "b.zip").write_bytes(ARCHIVE)
    release = web_source(artifact_hosts=["localhost"]).release(announced("1.0.0"))
    assert [artifact.url for artifact in release.artifacts] == [
        f"http://localhost:{server.port}/pool/a.zip",
        f"{server.url}/1.0.0/files/b.zip",
    ]


def test_notes_that_cannot_be_read_do_no_harm(depot: Depot, server: ReleaseServer, web_source: WebSource):
    """Trouble with NOTES.md is no trouble with the release."""
    depot.add("1.0.0")
    server.fault("/1.0.0/NOTES.md", Fault(status=403))
    assert web_source().release(announced("1.0.0")).notes == ""
