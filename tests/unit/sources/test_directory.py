"""The directory source: what it refuses to read, and what a file system can answer."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fsm.errors import FsmError, NotReady, SourceError, Transient
from fsm.formats.artifacts import Artifact
from fsm.model import Version
from fsm.sources import Announced, Source, open_source
from tests.unit.sources.conftest import ARCHIVE, Depot, nothing, sha256, spec_of, unseen

RELEASE = Announced(version=Version("1.0.0"), tag="1.0.0")


@pytest.fixture
def source(depot: Depot) -> Source:
    """The depot as a directory source."""
    return open_source(spec_of(type="directory", path=depot.root), component="core")


def test_no_directory(tmp_path: Path):
    """A directory that is not there is said with what to do."""
    source = open_source(spec_of(type="directory", path=tmp_path / "no"), component="core")
    with pytest.raises(SourceError, match="there is no such directory; correct the path"):
        source.releases()


def test_the_directory_itself_may_be_a_link(depot: Depot, tmp_path: Path):
    """The host names the directory, so a link there is the host's wish."""
    depot.add("1.0.0")
    (tmp_path / "link").symlink_to(depot.root)
    source = open_source(spec_of(type="directory", path=tmp_path / "link"), component="core")
    assert len(source.releases().releases) == 1
    assert len(source.release(RELEASE).artifacts) == 1


def test_relative_path(depot: Depot, monkeypatch: pytest.MonkeyPatch):
    """A relative path is taken from where the source is opened."""
    depot.add("1.0.0")
    monkeypatch.chdir(depot.root.parent)
    source = open_source(spec_of(type="directory", path=depot.root.name), component="core")
    monkeypatch.chdir("/")
    assert len(source.releases().releases) == 1


def test_links_and_hidden_folders_are_left_out_of_the_list(depot: Depot, source: Source):
    """A link is no release, whatever it points to; files and hidden folders are none either."""
    depot.add("1.0.0")
    depot.add(".1.1.0")
    (depot.root / "2.0.0").symlink_to("1.0.0")
    (depot.root / "3.0.0").write_text("a file")
    listing = source.releases()
    assert [release.tag for release in listing.releases] == ["1.0.0"]
    assert "has links, ignored: 2.0.0" in listing.warnings[0]


def test_unreadable_flags_leave_the_release_out(depot: Depot, source: Source):
    """A release.json that is nonsense or a link could hide a draft: the release is left out, by name."""
    depot.add("1.0.0")
    depot.add("2.0.0", draft="no")
    (depot.add("3.0.0") / "release.json").symlink_to("SHA256SUMS")
    listing = source.releases()
    assert [release.tag for release in listing.releases] == ["1.0.0"]
    assert "release.json of 2.0.0 in" in listing.warnings[0]
    assert "release.json is a link" in listing.warnings[1]


@pytest.mark.parametrize("name", ["1.0.0", "1.0.0/app.tar.gz", "1.0.0/update-manifest.yaml", "1.0.0/SHA256SUMS"])
def test_links_are_refused(depot: Depot, source: Source, tmp_path: Path, name: str):
    """A link anywhere in a release is refused with its name, even when it stays inside."""
    depot.add("1.0.0")
    target = tmp_path / "outside"
    path = depot.root / name
    if path.exists():
        path.rename(target)
    path.symlink_to(target)
    with pytest.raises(SourceError, match=f"{path} is a link"):
        source.release(RELEASE)


@pytest.mark.parametrize("name", ["app.tar.gz", "update-manifest.yaml"])
def test_pipes_are_refused_not_waited_for(depot: Depot, source: Source, name: str):
    """A fifo in a release does not hang the updater."""
    path = depot.add("1.0.0") / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(SourceError, match="not a regular file"):
        source.release(RELEASE)


def test_folders_are_no_artifacts(depot: Depot, source: Source):
    """A folder in a release is not listed; one that a manifest names as a file is refused."""
    (depot.add("1.0.0") / "extra").mkdir()
    assert len(source.release(RELEASE).artifacts) == 1
    depot.declare("1.0.0", {"name": "extra", "sha256": sha256(b"")})
    with pytest.raises(SourceError, match="not a regular file"):
        source.release(RELEASE)


def test_absolute_url_of_a_manifest_is_a_name_here(depot: Depot, source: Source):
    """A release that was made for a web server is read from its folder, without any network."""
    url = "https://example.org/releases/app.tar.gz"
    depot.add("1.0.0")
    depot.declare("1.0.0", {"name": "app.tar.gz", "sha256": sha256(ARCHIVE), "url": url})
    assert source.release(RELEASE).artifacts[0].url == (depot.root / "1.0.0" / "app.tar.gz").as_uri()


def test_relative_url_of_a_manifest(depot: Depot, source: Source, tmp_path: Path):
    """A relative URL is a path below the release's folder."""
    folder = depot.declare("1.0.0", {"name": "app.tar.gz", "sha256": sha256(ARCHIVE), "url": "files/app.tar.gz"})
    (folder / "files").mkdir()
    (folder / "files" / "app.tar.gz").write_bytes(ARCHIVE)
    (artifact,) = source.release(RELEASE).artifacts
    source.fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)
    assert (tmp_path / "got").read_bytes() == ARCHIVE


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://e.org/x", "/etc/passwd", "", "file://host/{root}/x"])
def test_fetch_from_elsewhere(depot: Depot, source: Source, tmp_path: Path, url: str):
    """A frozen URL that is not in the directory (any more) is refused."""
    artifact = Artifact(name="a", url=url.format(root=depot.root), sha256=sha256(b"a"))
    with pytest.raises(SourceError, match="it is not in "):
        source.fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)


def test_fetch_does_not_climb(depot: Depot, source: Source, tmp_path: Path):
    """Two dots in a URL lead nowhere, however they are written."""
    (tmp_path / "secret").write_bytes(b"a")
    for dots in ("..", "%2e%2e"):
        artifact = Artifact(name="a", url=f"{depot.root.as_uri()}/{dots}/secret", sha256=sha256(b"a"))
        with pytest.raises(SourceError, match="it is not in "):
            source.fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)


def test_source_that_changes_between_two_tries(depot: Depot, source: Source, tmp_path: Path):
    """A file that was replaced in between is copied from its beginning."""
    path = depot.add("1.0.0") / "app.tar.gz"
    (artifact,) = source.release(RELEASE).artifacts

    class Stop(Exception):
        """Raised by the check."""

    def stop_later() -> None:
        if (tmp_path / "got.part").stat().st_size:
            raise Stop

    with pytest.raises(Stop):
        source.fetch(artifact, tmp_path / "got", check=stop_later, progress=unseen)
    other = ARCHIVE[::-1]
    path.unlink()
    path.write_bytes(other)
    seen: list[int] = []
    changed = artifact.model_copy(update={"sha256": sha256(ARCHIVE)})
    with pytest.raises(FsmError, match="its sha256 is not"):
        source.fetch(changed, tmp_path / "got", check=nothing, progress=lambda done, total: seen.append(done))
    assert seen[0] == 0


@pytest.mark.needs_linux
@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.EIO, Transient), (errno.ESTALE, Transient), (errno.EACCES, SourceError), (errno.ENOENT, NotReady)],
)
def test_what_a_file_system_answers(
    depot: Depot, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type
):
    """Trouble with a network mount is worth another try, missing rights are not."""
    depot.add("1.0.0")
    (artifact,) = source.release(RELEASE).artifacts
    real: Callable[..., bytes] = os.read

    def failing(fd: int, size: int) -> bytes:
        if "app.tar.gz" in os.readlink(f"/proc/self/fd/{fd}"):
            raise OSError(code, os.strerror(code))
        return real(fd, size)

    monkeypatch.setattr(os, "read", failing)
    with pytest.raises(kind, match=f"(?i)cannot read .*: {os.strerror(code)}"):
        source.fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)


def test_file_that_shrinks_while_it_is_copied(depot: Depot, source: Source, tmp_path: Path):
    """What is truncated under our hands is worth another try, not a broken release."""
    path = depot.add("1.0.0") / "app.tar.gz"
    (artifact,) = source.release(RELEASE).artifacts
    with pytest.raises(Transient, match=f"of {len(ARCHIVE)} bytes"):
        source.fetch(
            artifact, tmp_path / "got", check=lambda: os.truncate(path, len(ARCHIVE) // 2 + 9), progress=unseen
        )
