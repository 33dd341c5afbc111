"""Whose fault a failed download is: each row of the table in `docs/reference/errors.md`, with real servers."""

from __future__ import annotations

import errno
import gzip
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig import BareContext
from fsm.adapter import Done, Failed
from fsm.errors import Transient
from fsm.formats.artifacts import Artifact
from fsm.kit.download import Download
from tests.servers import Fault, ReleaseServer
from tests.unit.sources.conftest import ARCHIVE, Depot, sha256

pytestmark = pytest.mark.processes

PATH = "/1.0.0/app.tar.gz"
SIZE = len(ARCHIVE)
PAGE = b"<!DOCTYPE html><html>Log in to the network of this hotel</html>"
TABLE = Path(__file__).parents[3] / "docs" / "reference" / "errors.md"
BINARY: dict[str, str | None] = {"Content-Type": "application/octet-stream"}


@dataclass
class Scene:
    """A release, its server, and what the plan has frozen of it.

    Attributes:
        over: the kind of source.
        changes: of the artifact in the plan.
        options: of the source.
    """

    depot: Depot
    server: ReleaseServer
    staging: Path
    monkeypatch: pytest.MonkeyPatch
    over: str = "http"
    changes: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The artifact in the release's folder."""
        return self.depot.root / "1.0.0" / "app.tar.gz"

    def fault(self, *faults: Fault) -> None:
        """Have the server misbehave."""
        self.server.fault(PATH, *faults)

    def blame(self) -> str:
        """Perform the step once: the name of its error, and whose fault it is."""
        http = self.over == "http"
        url = self.server.url + PATH if http else self.file.as_uri()
        about: dict[str, Any] = {"type": "http", "url": self.server.url, "timeout": 5.0}
        artifact = Artifact(name="app.tar.gz", url=url, size=SIZE, sha256=sha256(ARCHIVE))
        step = Download(
            artifact=artifact.model_copy(update=self.changes),
            source={**(about if http else {"type": "directory", "path": str(self.depot.root)}), **self.options},
            directory=str(self.staging),
        )
        try:
            result = step.do(BareContext())
        except Transient as error:
            return f"later: {error}"
        if isinstance(result, Failed):
            return f"{result.blame}: {result.why}"
        assert isinstance(result, Done)
        return "done"


@pytest.fixture
def scene(depot: Depot, server: ReleaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A release that is all right."""
    depot.add("1.0.0")
    return Scene(depot, server, tmp_path / "staging", monkeypatch)


def _no_length(scene: Scene) -> None:
    scene.changes["size"] = None
    scene.fault(Fault(cut_after=200_000, framing="close"))


def _no_length_in_the_rest(scene: Scene) -> None:
    scene.changes["size"] = None
    first = Fault(cut_after=200_000, framing="close", times=1)
    told: dict[str, str | None] = {"Content-Range": f"bytes 200000-{SIZE - 1}/*"}
    scene.fault(first, Fault(status=206, headers=told, body=ARCHIVE[200_000:], cut_after=100_000, framing="close"))
    assert scene.blame().startswith("later: ")


def _coding_in_chunks(scene: Scene) -> None:
    scene.changes["size"] = None
    scene.fault(Fault(headers={"Transfer-Encoding": "gzip, chunked"}, framing="close", cut_after=200_000))


def _shrinks(scene: Scene) -> None:
    scene.over = "directory"
    scene.monkeypatch.setattr(BareContext, "check", lambda _: os.truncate(scene.file, SIZE // 2 + 9))


def _grows(scene: Scene) -> None:
    scene.over = "directory"

    def grow(_: object) -> None:
        with scene.file.open("ab") as file:
            file.write(b"more")

    scene.monkeypatch.setattr(BareContext, "check", grow)


def _rewritten(scene: Scene) -> None:
    scene.over = "directory"
    scene.file.write_bytes(bytes(SIZE))
    scene.monkeypatch.setattr(BareContext, "check", lambda _: scene.file.write_bytes(ARCHIVE))


def _unmounted(scene: Scene) -> None:
    scene.over = "directory"
    scene.depot.root.rename(scene.depot.root.with_name("elsewhere"))


def _failing_mount(scene: Scene) -> None:
    scene.over = "directory"
    real: Callable[..., bytes] = os.read

    def failing(fd: int, size: int) -> bytes:
        if os.fstat(fd).st_ino == scene.file.stat().st_ino:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, size)

    scene.monkeypatch.setattr(os, "read", failing)


def _full(scene: Scene) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    scene.monkeypatch.setattr(os, "write", full)


def _read_only(scene: Scene) -> None:
    scene.staging.mkdir()
    (scene.staging / "app.tar.gz.part").mkdir()


def _rotten_part(scene: Scene) -> None:
    scene.fault(Fault(cut_after=300_000, times=1))
    assert scene.blame().startswith("later: ")
    (scene.staging / "app.tar.gz.part").write_bytes(bytes(300_000))


def _part_of_a_longer_one(scene: Scene) -> None:
    _rotten_part(scene)
    told: dict[str, str | None] = {"Content-Range": f"bytes 300000-{SIZE - 1}/*"}
    scene.fault(Fault(status=206, headers=told, body=ARCHIVE, framing="chunked", times=1))


def _at_once(*faults: Fault, **keys: Any) -> Callable[[Scene], None]:
    def prepare(scene: Scene) -> None:
        scene.changes.update(keys.get("changes", {}))
        scene.options.update(keys.get("options", {}))
        scene.over = keys.get("over", "http")
        if "file" in keys:
            scene.file.write_bytes(keys["file"])
        scene.fault(*faults)

    return prepare


_PACKED = gzip.compress(ARCHIVE, mtime=0)
_UNSIZED = {"size": None}
_GZIP = {**BINARY, "Content-Encoding": "gzip"}

ROWS: dict[str, tuple[tuple[Callable[[Scene], None], ...], str]] = {
    "the connection is refused, reset or cut, or nothing comes for too long": (
        (
            _at_once(Fault(drop=True)),
            _at_once(Fault(cut_after=1000, reset=True)),
            _at_once(Fault(cut_after=1000), changes=_UNSIZED),
            _at_once(Fault(cut_after=1000, framing="chunked"), changes=_UNSIZED),
            _at_once(Fault(cut_after=1000, framing="chunked", headers=dict(_GZIP)), changes=_UNSIZED),
            _at_once(Fault(stall=2), options={"timeout": 0.2}),
        ),
        r"later: .*(connection to 127\.0\.0\.1|did not answer within)",
    ),
    "the transfer ends where neither the plan nor the server has told a length": (
        (_no_length, _no_length_in_the_rest, _coding_in_chunks),
        r"later: .*the transfer ended after \d+ bytes, and nothing tells whether that is all",
    ),
    "the transfer ends before the promised length": (
        (
            _at_once(Fault(cut_after=1000, framing="close")),
            _at_once(Fault(body=ARCHIVE[:1000], headers=BINARY, framing="chunked")),
            _shrinks,
        ),
        rf"later: .*the transfer ended after \d+ of {SIZE} bytes",
    ),
    "408, 425, 429 or 5xx": (
        tuple(_at_once(Fault(status=status)) for status in (408, 425, 429, 500, 502, 503, 511)),
        r"later: .*127\.0\.0\.1 answered ",
    ),
    "a page comes in place of the file: a login to the network, a proxy's error, maintenance": (
        (
            _at_once(Fault(body=PAGE)),
            _at_once(Fault(body=PAGE), changes=_UNSIZED),
            _at_once(Fault(body=PAGE, framing="chunked")),
            _at_once(Fault(body=PAGE, framing="chunked"), changes=_UNSIZED),
            _at_once(Fault(body=PAGE, framing="close"), changes=_UNSIZED),
            _at_once(Fault(body=PAGE + b" " * SIZE, framing="chunked")),
            _at_once(Fault(body=b'{"error": "busy"}', headers={"Content-Type": "application/json"}), changes=_UNSIZED),
            _at_once(Fault(body=PAGE, headers=BINARY), changes=_UNSIZED),
        ),
        r"later: .*what came is a page, not the file",
    ),
    "the file changes while it is read": ((_grows, _rewritten), "later: .*it changed while it was read"),
    "a device or a network mount fails": ((_failing_mount,), "later: .*input/output error"),
    "the file is not there, or its directory is not mounted": (
        (_at_once(Fault(status=404)), _unmounted),
        "host: .*(is not there|no such file or directory)",
    ),
    "the file is shorter than it was when the plan was made, or empty": (
        (
            _at_once(file=ARCHIVE[:-1]),
            _at_once(file=ARCHIVE[:-1], over="directory"),
            _at_once(file=b"", changes=_UNSIZED),
            _at_once(file=b"", changes=_UNSIZED, over="directory"),
        ),
        r"host: .*(of \d+ bytes so far|it is empty so far)",
    ),
    "the file is longer than it was when the plan was made": (
        (_at_once(file=ARCHIVE + b"."), _at_once(file=ARCHIVE + b".", over="directory")),
        rf"host: .*it has {SIZE + 1} bytes now, {SIZE} when the plan was made",
    ),
    "the server encodes the file, although it was asked not to": (
        (
            _at_once(Fault(body=_PACKED, headers=_GZIP)),
            _at_once(Fault(body=_PACKED, headers=_GZIP), changes=_UNSIZED),
            _at_once(Fault(body=_PACKED, headers=_GZIP, framing="chunked")),
            _at_once(Fault(body=_PACKED, headers=_GZIP, framing="chunked"), changes=_UNSIZED),
        ),
        "host: .*encodes it with gzip, although it was asked not to",
    ),
    "any other status; a redirect, a certificate or an answer that may not be used": (
        (
            *(_at_once(Fault(status=status)) for status in (204, 400, 401, 403, 407, 410)),
            _at_once(Fault(status=302, headers={"Location": "http://portal.example/login"})),
            _at_once(Fault(status=206, headers={"Content-Range": "bytes 0-9/10"})),
        ),
        "host: .*(answered|insecure_hosts does not name|answers a plain request with only part)",
    ),
    "the file is larger than the host allows": (
        (
            _at_once(options={"max_artifact_mb": 1}, changes={"size": 2 << 20}),
            _at_once(Fault(body=ARCHIVE * 3), options={"max_artifact_mb": 1}, changes=_UNSIZED),
        ),
        "host: .*larger than 1 MiB, the limit of this host",
    ),
    "the token cannot be read, or the plan no longer fits the configuration": (
        (
            _at_once(options={"token_file": "/nowhere/token"}),
            _at_once(changes={"url": "https://elsewhere.example/app.tar.gz"}),
        ),
        "host: .*(cannot read the token|which the configuration does not name)",
    ),
    "the disk of the host is full, or its directory cannot be written": (
        (_full, _read_only),
        r"host: cannot save app\.tar\.gz in .*: (the disk is full|is a directory)",
    ),
    "all of the file came, and its digest is another": (
        (
            _at_once(file=ARCHIVE[::-1]),
            _at_once(file=ARCHIVE[::-1], over="directory"),
            _at_once(file=PAGE.ljust(SIZE), over="directory"),
            _at_once(Fault(framing="chunked"), file=ARCHIVE[::-1], changes=_UNSIZED),
            _at_once(Fault(framing="close"), file=ARCHIVE[::-1]),
            _at_once(changes={"sha256": sha256(b"the sums of another version")}),
        ),
        "release: .*its sha256 is not ",
    ),
    "more bytes came than the release promises": (
        (_at_once(Fault(body=ARCHIVE * 2, framing="chunked")), _at_once(Fault(body=ARCHIVE * 2, framing="close"))),
        f"release: .*it is longer than the {SIZE} bytes promised",
    ),
    "nothing gives a digest": ((_at_once(changes={"sha256": None}),), "release: .*has its sha256"),
}
"""What happens, how to make it happen, and what the step makes of it: each of them is a row of the page."""


CASES = [
    pytest.param(prepare, wanted, id=f"{what[:40]}-{number}")
    for what, (ways, wanted) in ROWS.items()
    for number, prepare in enumerate(ways)
]


@pytest.mark.parametrize(("prepare", "wanted"), CASES)
def test_who_is_to_blame(scene: Scene, prepare: Callable[[Scene], None], wanted: str):
    """Only what the release is to blame for may keep it from being tried again."""
    prepare(scene)
    assert re.match(wanted, scene.blame(), re.DOTALL), scene.blame()


@pytest.mark.parametrize("prepare", [_rotten_part, _part_of_a_longer_one])
def test_a_broken_part_is_not_the_releases_fault(scene: Scene, prepare: Callable[[Scene], None]):
    """What comes after a part that is broken is fetched again from its beginning, before anybody is blamed."""
    prepare(scene)
    assert scene.blame() == "done"


def test_what_broke_off_without_a_length_goes_on(scene: Scene):
    """The part stays, and the next try asks for the rest of it."""
    scene.changes["size"] = None
    scene.fault(Fault(cut_after=200_000, framing="close", times=1))
    assert scene.blame().startswith("later: ")
    assert scene.blame() == "done"
    assert [request.headers.get("range") for request in scene.server.asked(PATH)] == [None, "bytes=200000-"]


def test_a_page_does_not_cost_the_part(scene: Scene):
    """Who logs in to the network in the middle of a download goes on from where it was."""
    scene.fault(Fault(cut_after=200_000, times=1), Fault(body=PAGE, times=1))
    assert scene.blame().startswith("later: ")
    assert "is a page" in scene.blame()
    assert scene.blame() == "done"
    assert [request.headers.get("range") for request in scene.server.asked(PATH)][2] == "bytes=200000-"


@pytest.mark.parametrize("name", ["index.html", "sbom.json"])
def test_a_page_may_be_the_file(scene: Scene, name: str):
    """A file that is a page by its name is judged as any other file."""
    scene.changes |= {"name": name, "size": None}
    scene.fault(Fault(body=PAGE, headers={"Content-Type": "application/json" if "json" in name else "text/html"}))
    assert scene.blame().startswith("release: ")


WHOSE = {"later": "nobody’s, tried again", "host": "the host’s", "release": "the release’s"}


def test_the_page_has_each_row():
    """The documentation names what is tested here, in the same words, and whose fault it is."""
    rows = re.findall(r"^\| ([^|]+) \| `\w+` \| ([^|]+) \|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(what, WHOSE[wanted.partition(":")[0]]) for what, (_, wanted) in ROWS.items()]
