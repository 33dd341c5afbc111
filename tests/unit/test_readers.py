"""Every reader of a file that somebody else may have put there: a pipe, or a terabyte, is an answer and no wait.

The race between a look and an opening is made certain: the file is exchanged right after the look.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from fsm.errors import ConfigError, PlanError, StepFailed
from fsm.kit import BackupRecord, read_record
from fsm.release.github import _Deadlined
from fsm.services.base import tail
from fsm.sources.download import looks_like_a_page
from fsm.sources.part import Part, is_whole
from fsm.sources.specs import HttpSpec
from fsm.sources.tokens import token_of
from fsm.system import archive, inventory
from fsm.system.archive import verify_tar_zst, write_tar_zst
from fsm.system.digest import Hasher, hash_file, hash_found, no_check
from fsm.system.files import copy_entry
from fsm.system.files.atomic import sync_entry
from fsm.system.inventory import Inventory
from fsm.system.regular import Irregular
from fsm.system.shell import find_program
from fsm_container.keep import _whole
from fsm_container.layout import SavedFile
from fsm_container.replace import _read as read_to_replace
from fsm_container.stack import _bytes
from fsm_git import repository
from fsm_git.blobs import is_blob
from fsm_git.repository import why_unusable
from fsm_python_app import installed
from fsm_python_app.environment import MARKER, built_by
from fsm_python_app.inspect import _from_package
from fsm_python_app.requirements import _text

pytestmark = [pytest.mark.needs_linux, pytest.mark.timeout(20)]

DIGEST: Final = f"sha256:{'0' * 64}"


def refused(read: Callable[[Path], object]) -> Callable[[Path], str]:
    """What a reader raises, as text."""

    def told(path: Path) -> str:
        with pytest.raises((OSError, ConfigError, PlanError, StepFailed)) as caught:
            read(path)
        return str(caught.value)

    return told


def _package(path: Path) -> str:
    """The version of a package whose metadata is at a path."""
    folder = path.parent / "env/lib/python3.11/site-packages/Some_app-1.0.dist-info"
    folder.mkdir(parents=True)
    path.rename(folder / "METADATA")
    return _from_package(path.parent / "env", "some.app")[1]


def _checkout(path: Path) -> str:
    """What is said of a checkout whose `.git` is at a path."""
    path.rename(path.with_name(".git"))
    return why_unusable(path.parent)


def _token(path: Path) -> None:
    """A source's token from a file."""
    token_of(HttpSpec(type="http", url="https://example.org/", token_file=path, allow_unsigned=True))


READERS: Final[dict[str, tuple[Callable[[Path], Any], Any]]] = {
    "record": (lambda path: read_record(path.rename(path.with_name("record.json")).parent, BackupRecord), None),
    "inventory": (refused(inventory.load), "[Errno"),
    "marker": (lambda path: built_by(path.rename(path.with_name(MARKER)).parent), None),
    "installed": (installed.brought, {}),
    "requirements": (refused(lambda path: _text(path, "requirements.txt")), "[Errno"),
    "metadata": (_package, "cannot read "),
    "git": (_checkout, "is not a repository: it is "),
    "compose": (refused(_bytes), "cannot read "),
    "edited": (refused(read_to_replace), "[Errno"),
    "kept": (
        refused(lambda path: _whole(path.parent, SavedFile(path=path, sha256=DIGEST, copy_name=path.name))),
        "[Errno",
    ),
    "digest": (refused(hash_file), "[Errno"),
    "archive": (refused(archive.inspect), "[Errno"),
    "backup": (refused(lambda path: verify_tar_zst(path, Inventory())), "[Errno"),
    "page": (refused(lambda path: looks_like_a_page(path, "", "a.zip")), "[Errno"),
    "whole": (lambda path: is_whole(path, sha256=DIGEST, size=None, check=no_check), False),
    "upload": (refused(lambda path: _Deadlined(path, 10)), "[Errno"),
    "log": (lambda path: tail(path, 5), ""),
    "token": (refused(_token), "cannot read the token in the file "),
}


@pytest.mark.parametrize("name", READERS)
def test_a_pipe(name: str, tmp_path: Path):
    """Nobody writes to it, so waiting for it would never end."""
    read, answer = READERS[name]
    os.mkfifo(tmp_path / "file")
    told = read(tmp_path / "file")
    assert (
        told == answer
        or (answer and answer in told and "it is a fifo, not a regular file" in told)
        or (name == "upload" and "it is not a regular file" in told)
    )


LARGE: Final = (
    "record",
    "inventory",
    "marker",
    "requirements",
    "metadata",
    "git",
    "compose",
    "edited",
    "kept",
    "token",
)


@pytest.mark.parametrize("name", LARGE)
def test_a_terabyte(name: str, tmp_path: Path):
    """It is not read into memory, nor a part of it taken for the whole."""
    read, answer = READERS[name]
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 40)
    told = read(tmp_path / "file")
    assert told == answer or "it is larger than" in told


def test_a_program_that_is_a_pipe(tmp_path: Path):
    """Its first line is not waited for; the system says what it thinks of it when it is started."""
    os.mkfifo(tmp_path / "tool", 0o755)
    (tmp_path / "tool").chmod(0o755)
    assert find_program(["./tool"], cwd=tmp_path) == str(tmp_path / "tool")


def test_metadata_of_packages(tmp_path: Path):
    """By any spelling of the name, from a wheel or an egg; what has none is said."""
    folder = tmp_path / "lib/python3.11/site-packages"
    (folder / "Some_App-1.0.dist-info").mkdir(parents=True)
    (folder / "Some_App-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: x\nVersion: 1.0\n\nREADME")
    (folder / "old-2.egg-info").mkdir()
    (folder / "old-2.egg-info/PKG-INFO").write_text("Version: 2\n")
    (folder / "bad-3.dist-info").mkdir()
    (folder / "bad-3.dist-info/METADATA").write_text("Name: bad\n")
    assert _from_package(tmp_path, "some.app") == ("1.0", "")
    assert _from_package(tmp_path, "OLD") == ("2", "")
    assert _from_package(tmp_path, "bad")[1] == f"{folder}/bad-3.dist-info/METADATA names no version"
    assert _from_package(tmp_path, "none")[1] == f"none is not installed in {tmp_path}"
    assert _from_package(tmp_path / "lib", "none")[1] == f"there is no environment at {tmp_path / 'lib'}"


def swap(path: Path, kind: str) -> None:
    """Put something else in a file's place."""
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/etc/hostname")
    else:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
            bound.bind(str(path))


@pytest.fixture(params=["fifo", "link", "socket"])
def swapped(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is something else as soon as it was looked at."""
    path = tmp_path / "tree/file"
    path.parent.mkdir()
    path.write_bytes(b"blob")
    for name in ("stat", "lstat"):
        monkeypatch.setattr(os, name, _then(getattr(os, name), path, request.param))
    return path


def _then(look: Callable[..., os.stat_result], path: Path, kind: str) -> Callable[..., os.stat_result]:
    def looked(name: Any, **options: Any) -> os.stat_result:
        found = look(name, **options)
        if os.path.basename(os.fspath(name)) == path.name and found.st_size == 4:
            swap(path, kind)
        return found

    return looked


def test_copied_after_a_look(swapped: Path, tmp_path: Path):
    """It is left out, or an error; never what a link leads to, and nothing waits."""
    try:
        notes = copy_entry(swapped, tmp_path / "copy")
    except OSError:
        notes = ('"file" was left out: ',)
    assert '"file" was left out: ' in notes[0]
    assert not (tmp_path / "copy").exists()


def test_compared_after_a_look(swapped: Path):
    """It is no blob any more."""
    assert not is_blob(swapped, "0c5f3e7b0ac0c4bf1e9d9a8f6f3f0a9a7e3d2f7b")


def test_synced_after_a_look(swapped: Path):
    """It is refused, by the system or by what it is."""
    with pytest.raises(OSError, match=r"Too many levels|Invalid argument|No such device"):
        sync_entry(swapped)


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_hashed_after_a_look(kind: str, tmp_path: Path):
    """What was listed as a file and is none has no digest."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    swap(path, kind)
    if kind == "fifo":
        assert hash_found(str(path), 0, no_check) is None
    else:
        with pytest.raises(OSError, match="No such device"):
            hash_found(str(path), 0, no_check)


def test_a_small_file_that_has_grown_can_be_stopped(tmp_path: Path):
    """It was small when it was listed."""
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 40)

    def check() -> None:
        raise KeyboardInterrupt

    with Hasher[str, object](hash_found) as hasher, pytest.raises(KeyboardInterrupt):
        hasher.add("file", str(tmp_path / "file"), 10, check)


def test_archived_after_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A directory that becomes a link between the list and the reading leads nowhere."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("secret")
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/file").write_text("inside")

    def took(*arguments: Any, **options: Any) -> Inventory:
        found = inventory.take(*arguments, **options)
        (tmp_path / "tree/sub").rename(tmp_path / "moved")
        (tmp_path / "tree/sub").symlink_to("../outside")
        return found

    monkeypatch.setattr("fsm.system.archive.backup.take", took)
    write_tar_zst(tmp_path / "tree", tmp_path / "backup.tar.zst")
    monkeypatch.undo()
    (tmp_path / "tree/sub").unlink()
    (tmp_path / "tree/sub").mkdir()
    verify_tar_zst(tmp_path / "backup.tar.zst", inventory.take(tmp_path / "tree"))


@pytest.mark.parametrize("kind", ["fifo", "link", "socket", "hard"])
def test_the_part_of_a_download(kind: str, tmp_path: Path):
    """Whatever has the names of the part and its sidecar gives way, and no other file is written to."""
    dest, victim = tmp_path / "a.zip", tmp_path / "victim"
    victim.write_text("precious")
    for name in ("a.zip.part", "a.zip.part.json"):
        path = tmp_path / name
        if kind == "hard":
            os.link(victim, path)
        else:
            path.write_text("")
            swap(path, kind)
    part = Part(dest, DIGEST)
    part.resume(no_check)
    part.restart("tag")
    part.append(b"bytes")
    part.close()
    assert victim.read_text() == "precious"
    again = Part(dest, DIGEST)
    again.resume(no_check)
    again.close()
    assert (again.size, again.validator) == (5, "tag")


def test_a_repository_by_a_long_pointer(tmp_path: Path):
    """A file that leads to a repository holds a path and nothing else."""
    (tmp_path / ".git").write_text("gitdir: " + "x/" * 20_000)
    assert repository.places(tmp_path / ".git") is None
    assert "it is larger than 16 KiB" in why_unusable(tmp_path)


def test_irregular_is_an_error_of_the_system():
    """Who handles what a disk may answer handles this as well."""
    assert issubclass(Irregular, OSError)
