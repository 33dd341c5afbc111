"""Downloads over HTTP from servers and through networks that misbehave."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fsm.errors import IntegrityError, NotReady, SourceError, Transient
from fsm.formats.artifacts import Artifact
from fsm.sources import Source
from tests.servers import Fault, ReleaseServer
from tests.unit.sources.conftest import ARCHIVE, Depot, nothing, sha256, unseen

pytestmark = pytest.mark.processes

WebSource = Callable[..., Source]
PATH = "/1.0.0/app.tar.gz"
SIZE = len(ARCHIVE)


@pytest.fixture
def artifact(depot: Depot, server: ReleaseServer) -> Artifact:
    """An artifact of the server's."""
    depot.add("1.0.0")
    return Artifact(name="app.tar.gz", url=server.url + PATH, size=SIZE, sha256=sha256(ARCHIVE))


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """Where the download goes; an empty directory of its own."""
    (tmp_path / "staging").mkdir()
    return tmp_path / "staging" / "app.tar.gz"


@pytest.fixture
def fetch(web_source: WebSource, artifact: Artifact, dest: Path) -> Callable[..., None]:
    """Fetches the artifact, with changes to it."""

    def fetch_it(**changes: object) -> None:
        options = {key: changes.pop(key) for key in ("timeout", "max_artifact_mb") if key in changes}
        wanted = artifact.model_copy(update=changes)
        web_source(**options).fetch(wanted, dest, check=nothing, progress=unseen)

    return fetch_it


def part(dest: Path) -> Path:
    """The part of a download."""
    return dest.with_name("app.tar.gz.part")


def stays(dest: Path) -> list[str]:
    """What is in the directory."""
    return sorted(path.name for path in dest.parent.iterdir())


Fetch = Callable[..., None]


@pytest.mark.parametrize("reset", [False, True])
def test_cut_connection_is_resumed(server: ReleaseServer, fetch: Fetch, dest: Path, reset: bool):
    """What came before the cut is kept, and the next request asks for the rest of the same version."""
    server.fault(PATH, Fault(cut_after=300_000, reset=reset, times=1))
    with pytest.raises(Transient, match=r"the connection to 127\.0\.0\.1 "):
        fetch()
    had = part(dest).stat().st_size
    assert 0 < had <= 300_000
    fetch()
    assert dest.read_bytes() == ARCHIVE
    asked = server.asked(PATH)[-1].headers
    assert asked["range"] == f"bytes={had}-"
    assert asked["if-range"].startswith('"')
    assert stays(dest) == ["app.tar.gz"]


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_cut_is_seen_however_the_end_is_told(server: ReleaseServer, fetch: Fetch, dest: Path, framing: str):
    """A cut body is noticed with a length, in chunks, and by the size that the manifest promises."""
    server.fault(PATH, Fault(cut_after=200_000, framing=framing, times=2))  # type: ignore[arg-type]  # parametrised
    for _ in range(2):
        with pytest.raises(Transient):
            fetch()
    fetch()
    assert dest.read_bytes() == ARCHIVE


def test_server_that_ignores_ranges(server: ReleaseServer, fetch: Fetch, dest: Path):
    """An answer with the whole file starts the part anew."""
    server.fault(PATH, Fault(cut_after=300_000, times=1), Fault(ignore_range=True))
    with pytest.raises(Transient):
        fetch()
    fetch()
    assert dest.read_bytes() == ARCHIVE
    assert len(server.asked(PATH)) == 2


def test_content_that_changed_in_between(depot: Depot, server: ReleaseServer, fetch: Fetch, dest: Path):
    """If-Range keeps old and new bytes from being mixed."""
    server.fault(PATH, Fault(cut_after=300_000, times=1))
    with pytest.raises(Transient):
        fetch()
    other = ARCHIVE[::-1]
    (depot.root / "1.0.0" / "app.tar.gz").write_bytes(other)
    fetch(sha256=sha256(ARCHIVE[:0] + other))
    assert dest.read_bytes() == other


def test_changed_content_from_a_server_without_if_range(server: ReleaseServer, fetch: Fetch, dest: Path):
    """A 206 with another ETag is not gone on with."""
    server.fault(PATH, Fault(cut_after=300_000, headers={"ETag": '"old"'}, times=1))
    with pytest.raises(Transient):
        fetch()
    state = part(dest).with_name("app.tar.gz.part.json")
    assert json.loads(state.read_text())["validator"] == '"old"'
    told = f"bytes 300000-{SIZE - 1}/{SIZE}"
    server.fault(PATH, Fault(status=206, body=b"x", headers={"Content-Range": told, "ETag": '"new"'}, times=1))
    fetch()
    assert dest.read_bytes() == ARCHIVE
    assert [request.headers.get("range") for request in server.asked(PATH)] == [None, "bytes=300000-", None]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_weak_or_no_validator(server: ReleaseServer, fetch: Fetch, dest: Path, etag: str | None):
    """Without a strong validator the digest alone decides, and it is enough."""
    server.fault("*", Fault(headers={"ETag": etag, "Last-Modified": None}, cut_after=300_000, times=1),
                 Fault(headers={"ETag": etag, "Last-Modified": None}))  # fmt: skip
    with pytest.raises(Transient):
        fetch()
    fetch()
    assert dest.read_bytes() == ARCHIVE
    asked = server.asked(PATH)[1].headers
    assert asked["range"] == "bytes=300000-"
    assert "if-range" not in asked


def test_rotten_part_is_fetched_anew(server: ReleaseServer, fetch: Fetch, dest: Path):
    """A part that a power cut filled with zeros costs one more download, not the release."""
    server.fault(PATH, Fault(cut_after=300_000, times=1))
    with pytest.raises(Transient):
        fetch()
    part(dest).write_bytes(bytes(300_000))
    fetch()
    assert dest.read_bytes() == ARCHIVE
    assert [request.headers.get("range") for request in server.asked(PATH)] == [None, "bytes=300000-", None]


@pytest.mark.parametrize("extra", [b"", b"too long"])
def test_part_of_wrong_length(server: ReleaseServer, fetch: Fetch, dest: Path, extra: bytes):
    """A part that is as long as the file, or longer, but is not it, starts over."""
    server.fault(PATH, Fault(cut_after=300_000, times=1))
    with pytest.raises(Transient):
        fetch()
    part(dest).write_bytes(bytes(SIZE) + extra)
    fetch()
    assert dest.read_bytes() == ARCHIVE
    assert "range" not in server.asked(PATH)[-1].headers


def test_complete_part_needs_no_network(server: ReleaseServer, fetch: Fetch, dest: Path):
    """A crash between the last byte and the rename is finished without a request."""
    part(dest).write_bytes(ARCHIVE)
    part(dest).with_name("app.tar.gz.part.json").write_text(json.dumps({"sha256": sha256(ARCHIVE)}))
    fetch()
    assert dest.read_bytes() == ARCHIVE
    assert server.requests == []
    assert stays(dest) == ["app.tar.gz"]


@pytest.mark.parametrize("state", ["", "nonsense", "x" * 70_000, json.dumps({"sha256": sha256(b"another")}), None])
def test_part_of_something_else(server: ReleaseServer, fetch: Fetch, dest: Path, state: str | None):
    """A part whose sidecar is missing, broken or about another file is not gone on with."""
    part(dest).write_bytes(ARCHIVE[:1000])
    if state is not None:
        part(dest).with_name("app.tar.gz.part.json").write_text(state)
    fetch()
    assert dest.read_bytes() == ARCHIVE
    assert "range" not in server.asked(PATH)[0].headers


def test_unknown_size(server: ReleaseServer, fetch: Fetch, dest: Path):
    """Without a declared size the server's counts, and without that the digest."""
    server.fault(PATH, Fault(framing="chunked"))
    fetch(size=None)
    assert dest.read_bytes() == ARCHIVE


def test_range_beyond_the_end(server: ReleaseServer, fetch: Fetch, dest: Path):
    """A part that is longer than what the server has (416) starts over."""
    part(dest).write_bytes(bytes(SIZE + 1))
    part(dest).with_name("app.tar.gz.part.json").write_text(json.dumps({"sha256": sha256(ARCHIVE)}))
    fetch(size=None)
    assert dest.read_bytes() == ARCHIVE


@pytest.mark.parametrize("content_range", [None, "bytes 5-9/100", "pages 1-2/3", f"bytes 300000-{SIZE - 1}/*"])
def test_strange_partial_answers(server: ReleaseServer, fetch: Fetch, dest: Path, content_range: str | None):
    """A 206 that does not say where it begins, or begins elsewhere, is not used; an unknown total is fine."""
    server.fault(
        PATH,
        Fault(cut_after=300_000, times=1),
        Fault(status=206, body=ARCHIVE[300_000:], headers={"Content-Range": content_range}, times=1),
    )
    with pytest.raises(Transient):
        fetch()
    fetch()
    assert dest.read_bytes() == ARCHIVE


def test_part_of_a_part(server: ReleaseServer, fetch: Fetch, dest: Path):
    """A server that sends less than was asked for is asked again, later, from there."""
    short = {"Content-Range": f"bytes 300000-399999/{SIZE}"}
    server.fault(
        PATH,
        Fault(cut_after=300_000, times=1),
        Fault(status=206, body=ARCHIVE[300_000:400_000], headers=dict(short), times=1),
    )
    with pytest.raises(Transient):
        fetch()
    with pytest.raises(Transient, match=f"ended after 400000 of {SIZE} bytes; the next attempt continues from there"):
        fetch()
    fetch()
    assert dest.read_bytes() == ARCHIVE


@pytest.mark.parametrize("status", [206, 416])
def test_partial_answer_to_a_plain_request(server: ReleaseServer, fetch: Fetch, dest: Path, status: int):
    """A server that answers a plain request with a part is refused."""
    server.fault(PATH, Fault(status=status, headers={"Content-Range": "bytes 0-9/10"}))
    with pytest.raises(SourceError, match="answers a plain request with only part"):
        fetch()


def test_page_instead_of_the_archive(server: ReleaseServer, fetch: Fetch, dest: Path):
    """An HTML page with status 200 is no file, whether its length is told or not, and nothing of it stays."""
    page = b"<!DOCTYPE html><html>maintenance</html>"
    server.fault(PATH, Fault(body=page))
    for size in (SIZE, None):
        with pytest.raises(Transient, match="what came is a page, not the file; log in to the network"):
            fetch(size=size)
    server.heal()
    server.fault(PATH, Fault(body=page, framing="chunked"))
    with pytest.raises(Transient, match="what came is a page, not the file"):
        fetch()
    assert stays(dest) == []


def test_more_than_promised(server: ReleaseServer, fetch: Fetch, dest: Path):
    """A body without a length is cut off where it passes the declared size, or the host's limit."""
    server.fault(PATH, Fault(body=ARCHIVE * 3, framing="chunked"))
    with pytest.raises(IntegrityError, match=f"longer than the {SIZE} bytes"):
        fetch()
    with pytest.raises(SourceError, match="larger than 1 MiB"):
        fetch(size=None, max_artifact_mb=1)
    assert stays(dest) == []


def test_compressed_label_changes_nothing(server: ReleaseServer, fetch: Fetch, dest: Path):
    """An archive that the server labels as gzip-encoded stays the archive."""
    server.fault(PATH, Fault(headers={"Content-Encoding": "gzip"}))
    fetch()
    assert dest.read_bytes() == ARCHIVE


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (Fault(status=404), NotReady, "is not there; it may appear later"),
        (Fault(status=401), SourceError, "answered 401: not allowed; check token_env"),
        (Fault(status=403), SourceError, "answered 403: not allowed; check token_env"),
        (Fault(status=410), SourceError, "answered 410; check the url"),
        (Fault(status=204), SourceError, "answered 204"),
        (Fault(status=500), Transient, "answered 500; the next attempt may succeed"),
        (Fault(status=503), Transient, "answered 503"),
        (Fault(status=429), Transient, "answered 429"),
        (Fault(status=408), Transient, "answered 408"),
        (Fault(drop=True), Transient, "the connection to 127.0.0.1 "),
    ],
)
def test_statuses(server: ReleaseServer, fetch: Fetch, dest: Path, fault: Fault, kind: type, message: str):
    """Each status leads to what it means: later, not at all, or to a person."""
    server.fault(PATH, fault)
    with pytest.raises(kind, match=message):
        fetch()
    assert not dest.exists()


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "99999999999999"}, 86_400.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:30:00 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 120.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 -0000"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(server: ReleaseServer, fetch: Fetch, headers: dict[str, str | None], after: float | None):
    """What the server asks to wait is passed on, at most a day; dates are the server's own."""
    server.fault(PATH, Fault(status=503, headers=headers))
    with pytest.raises(Transient) as caught:
        fetch()
    assert caught.value.after == after


def test_silence(server: ReleaseServer, fetch: Fetch, dest: Path):
    """A server that says nothing, before or within the body, is gave up after the timeout; the part stays."""
    server.fault(PATH, Fault(stall=3, times=1), Fault(chunk=300_000, delay=3))
    with pytest.raises(Transient, match=r"127\.0\.0\.1 did not answer within 0\.2 s"):
        fetch(timeout=0.2)
    with pytest.raises(Transient, match=r"did not answer within 0\.2 s"):
        fetch(timeout=0.2)
    assert part(dest).stat().st_size == 300_000


def test_nobody_listens(tmp_path: Path, depot: Depot, web_source: WebSource, server: ReleaseServer, artifact: Artifact):
    """A refused connection is worth another try."""
    server.__exit__()
    with pytest.raises(Transient, match=r"the connection to 127\.0\.0\.1 failed: connection refused"):
        web_source().fetch(artifact, tmp_path / "x", check=nothing, progress=unseen)


def test_plan_that_no_longer_fits_the_configuration(tmp_path: Path, web_source: WebSource, artifact: Artifact):
    """A frozen URL on a host that is no longer allowed is refused."""
    moved = artifact.model_copy(update={"url": "https://elsewhere.example/app.tar.gz"})
    with pytest.raises(SourceError, match=r"elsewhere\.example, which the configuration does not name"):
        web_source().fetch(moved, tmp_path / "x", check=nothing, progress=unseen)
