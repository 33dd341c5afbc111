"""What happens to the local side of a download: strange destinations, full disks, crashes at every point."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import fsm.sources
from fsm.errors import StepFailed
from fsm.formats.artifacts import Artifact
from fsm.sources import Source, open_source
from tests import fault_points
from tests.servers import ReleaseServer
from tests.unit.sources.conftest import ARCHIVE, Depot, nothing, sha256, spec_of, unseen

POINTS = sorted({name for name, _ in fault_points.declared(Path(fsm.sources.__file__).parent)})

CHILD = """
    import json, os, signal, sys
    from pathlib import Path
    from pydantic import TypeAdapter
    from fsm.system import faults
    from fsm.errors import FsmError
    from fsm.formats.artifacts import Artifact
    from fsm.sources import SourceSpec, open_source

    spec, artifact, dest, point = sys.argv[1:]
    if point:
        faults.install(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == point else None)
    source = open_source(TypeAdapter(SourceSpec).validate_json(spec), component="core")
    try:
        source.fetch(Artifact.model_validate_json(artifact), Path(dest), check=lambda: None, progress=lambda *_: None)
    except FsmError as error:
        print(type(error).__name__, error)
"""


@pytest.fixture
def artifact(depot: Depot) -> Artifact:
    """An artifact in the depot."""
    path = depot.add("1.0.0") / "app.tar.gz"
    return Artifact(name="app.tar.gz", url=path.as_uri(), size=len(ARCHIVE), sha256=sha256(ARCHIVE))


@pytest.fixture
def source(depot: Depot) -> Source:
    """The depot as a directory source."""
    return open_source(spec_of(type="directory", path=depot.root), component="core")


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    """An empty directory."""
    (tmp_path / "staging").mkdir()
    return tmp_path / "staging"


def names(folder: Path) -> list[str]:
    """What is in a directory."""
    return sorted(path.name for path in folder.iterdir())


def test_there_are_points():
    """The list of fault points comes from the code."""
    assert {"download.part_written", "download.verified", "download.renamed"} <= set(POINTS)


@pytest.mark.processes
@pytest.mark.parametrize("over", ["directory", "http"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_each_point(depot: Depot, artifact: Artifact, staging: Path, point: str, over: str):
    """Killed anywhere, the next call ends with the whole file, and nothing else stays."""
    with ReleaseServer(depot.root) as server:
        spec = spec_of(type="directory", path=depot.root)
        if over == "http":
            spec = spec_of(type="http", url=server.url)
            artifact = artifact.model_copy(update={"url": f"{server.url}/1.0.0/app.tar.gz"})
        dest = staging / "app.tar.gz"
        argv = [sys.executable, "-c", textwrap.dedent(CHILD)]
        child = subprocess.run(
            [*argv, spec.model_dump_json(), artifact.model_dump_json(), str(dest), point],
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert child.returncode == -signal.SIGKILL, child.stderr.decode()
        assert not dest.exists() or dest.read_bytes() == ARCHIVE
        open_source(spec, component="core").fetch(artifact, dest, check=nothing, progress=unseen)
    assert dest.read_bytes() == ARCHIVE
    assert names(staging) == ["app.tar.gz"]


def test_wrong_file_at_the_destination_is_replaced(artifact: Artifact, source: Source, staging: Path):
    """A file of that name with other bytes, or a link, gives way to the right one."""
    dest = staging / "app.tar.gz"
    dest.write_bytes(ARCHIVE[::-1])
    source.fetch(artifact, dest, check=nothing, progress=unseen)
    assert dest.read_bytes() == ARCHIVE
    dest.rename(staging / "elsewhere")
    dest.symlink_to("elsewhere")
    source.fetch(artifact, dest, check=nothing, progress=unseen)
    assert not dest.is_symlink()


def test_link_in_the_place_of_the_part(artifact: Artifact, source: Source, staging: Path):
    """A link called like the part is removed, not written through."""
    (staging / "victim").write_bytes(b"mine")
    (staging / "app.tar.gz.part").symlink_to("victim")
    (staging / "app.tar.gz.part.json").symlink_to("victim")
    source.fetch(artifact, staging / "app.tar.gz", check=nothing, progress=unseen)
    assert (staging / "victim").read_bytes() == b"mine"
    assert names(staging) == ["app.tar.gz", "victim"]


def test_destination_that_cannot_be_written(artifact: Artifact, source: Source, staging: Path):
    """A missing directory, or a directory in the file's place, says what is to be done."""
    with pytest.raises(StepFailed, match=r"cannot save app\.tar\.gz in .*: no such file or directory; make that"):
        source.fetch(artifact, staging / "no" / "app.tar.gz", check=nothing, progress=unseen)
    (staging / "app.tar.gz").mkdir()
    with pytest.raises(StepFailed, match=r"is a directory"):
        source.fetch(artifact, staging / "app.tar.gz", check=nothing, progress=unseen)


@pytest.mark.parametrize(
    ("code", "size", "why"),
    [
        (
            errno.ENOSPC,
            len(ARCHIVE),
            f"the disk is full, {len(ARCHIVE) - 2000} more bytes were needed; the partial file",
        ),
        (errno.ENOSPC, None, "the disk is full, 2000 bytes had arrived; the partial file"),
        (errno.EDQUOT, None, "the disk quota is used up, 2000 bytes had arrived; the partial file"),
    ],
)
def test_full_disk(
    artifact: Artifact,
    source: Source,
    staging: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    size: int | None,
    why: str,
):
    """A full disk says how much was missing, and the part does not stay to fill it."""
    real, written = os.write, list[int]()

    def filling(fd: int, data: bytes) -> int:
        if len(written) == 2:
            raise OSError(code, os.strerror(code))
        written.append(real(fd, data[:1000]))
        return written[-1]

    monkeypatch.setattr(os, "write", filling)
    with pytest.raises(StepFailed, match=f"{why} was removed; free some space"):
        source.fetch(artifact.model_copy(update={"size": size}), staging / "app.tar.gz", check=nothing, progress=unseen)
    assert names(staging) == []


@pytest.mark.needs_tmpfs
def test_really_full_disk(depot: Depot, artifact: Artifact, staging: Path):
    """On a file system of 256 KiB half a megabyte does not fit; nothing stays there."""
    spec = spec_of(type="directory", path=depot.root)
    script = 'at="$1"; shift; mount -t tmpfs -o size=256k none "$at"; "$@"; ls -A "$at"'
    child = [sys.executable, "-c", textwrap.dedent(CHILD), spec.model_dump_json(), artifact.model_dump_json()]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(staging), *child, str(staging / "app.tar.gz"), ""],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("StepFailed cannot save app.tar.gz in "), done.stderr
    assert "more bytes were needed and 0 are free" in done.stdout
    assert len(done.stdout.splitlines()) == 1, done.stdout
