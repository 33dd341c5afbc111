"""Regular files where somebody else may have put something: read whole, or refused with the reason."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fsm.system import regular
from fsm.system.regular import Irregular


def test_the_whole_file_and_no_more_than_the_limit(tmp_path: Path):
    """The limit is a refusal, never a part of the file."""
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert regular.read(path, 5) == b"12345"
    with pytest.raises(Irregular) as caught:
        regular.read(path, 4)
    assert (caught.value.strerror, caught.value.filename) == ("it is larger than 4 bytes", str(path))


@pytest.mark.parametrize(
    ("limit", "said"), [(1000, "1000 bytes"), (64 << 10, "64 KiB"), (4 << 20, "4 MiB"), (1025, "1025 bytes")]
)
def test_limits_as_people_say_them(limit: int, said: str, tmp_path: Path):
    """A sparse file larger than each."""
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Irregular, match=f"it is larger than {said}"):
        regular.read(tmp_path / "file", limit)


def test_text(tmp_path: Path):
    """In an encoding; what is no text is a ValueError."""
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfone\r\n\xff")
    with pytest.raises(UnicodeDecodeError):
        regular.read_text(tmp_path / "file", 100)
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfone\r\n")
    assert regular.read_text(tmp_path / "file", 100, "utf-8-sig") == "one\r\n"


def test_what_is_no_regular_file(tmp_path: Path):
    """It is named, and nothing is waited for."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        bound.bind(str(tmp_path / "socket"))
    (tmp_path / "directory").mkdir()
    said = {}
    for name in ("fifo", "null", "socket", "directory"):
        with pytest.raises(Irregular) as caught:
            regular.read(tmp_path / name, 100)
        said[name] = caught.value.strerror
    assert said == {
        "fifo": "it is a fifo, not a regular file",
        "null": "it is a device, not a regular file",
        "socket": "it is a socket, not a regular file",
        "directory": "it is a directory, not a regular file",
    }


def test_what_is_missing(tmp_path: Path):
    """The system's own errors, with the whole path."""
    (tmp_path / "file").write_text("")
    for name, error in {"none": FileNotFoundError, "file/x": NotADirectoryError, "none/x": FileNotFoundError}.items():
        with pytest.raises(error) as caught:
            regular.read(tmp_path / name, 100)
        assert caught.value.filename == str(tmp_path / name)


def test_links_of_ones_own(tmp_path: Path):
    """Chains, directories, relative and absolute ones, up and down; a circle ends."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("found")
    (tmp_path / "link").symlink_to("a/b/../b/file")
    (tmp_path / "chain").symlink_to(tmp_path / "link")
    (tmp_path / "a/up").symlink_to("..")
    (tmp_path / "a/round").symlink_to("round")
    for name in ("link", "chain", "a/up/chain", "a/up/a/up/link", "a/../a/b/file", "a/b/./file"):
        assert regular.read(tmp_path / name, 100) == b"found", name
    with pytest.raises(OSError, match=r"too many|Too many"):
        regular.read(tmp_path / "a/round", 100)


def test_beneath(tmp_path: Path):
    """What lies in a directory, by a directory that may be a link; nothing by a link in it, and nothing outside."""
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "real/deep/file").write_text("found")
    (tmp_path / "real/link").symlink_to("deep/file")
    (tmp_path / "real/over").symlink_to("deep")
    (tmp_path / "real/broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "real/fifo")
    (tmp_path / "root").symlink_to("real")
    root = tmp_path / "root"
    with regular.beneath(root, "deep/file") as descriptor:
        assert os.read(descriptor, 100) == b"found"
    for name, why in {
        "link": f"{root}/link is a link",
        "over/file": f"{root}/over is a link",
        "broken": f"{root}/broken is a link",
        "fifo": "it is a fifo, not a regular file",
        "deep": "it is a directory, not a regular file",
        "../real/deep/file": f"it is not in {root}",
        "deep/../../real/link": f"it is not in {root}",
        "/etc/passwd": f"it is not in {root}",
        "": "it is a directory, not a regular file",
    }.items():
        with pytest.raises(Irregular) as caught, regular.beneath(root, name):
            pass
        assert caught.value.strerror == why
    with pytest.raises(FileNotFoundError), regular.beneath(root, "none/file"):
        pass


@pytest.mark.needs_linux
def test_no_descriptor_is_left_open(tmp_path: Path):
    """Neither after a success nor after any refusal."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("fifo")
    before = os.listdir("/proc/self/fd")
    for name in ("fifo", "file", "link", "none", "file/x", "."):
        for read in (lambda path: regular.read(path, 1), _beneath):
            try:
                read(tmp_path / name)
            except OSError:
                continue
    assert os.listdir("/proc/self/fd") == before


def _beneath(path: Path) -> None:
    with regular.beneath(path.parent, path.name):
        pass


def test_names_beneath(tmp_path: Path):
    """Files and links by name; directories are left out, and none is listed by way of a link."""
    (tmp_path / "there/below").mkdir(parents=True)
    (tmp_path / "there/file").write_text("")
    (tmp_path / "there/a link").symlink_to("below")
    (tmp_path / "over").symlink_to("there")
    assert regular.names_beneath(tmp_path, "there") == ("a link", "file")
    assert regular.names_beneath(tmp_path, ".") == ("over",)
    with pytest.raises(Irregular, match="over is a link"):
        regular.names_beneath(tmp_path, "over")
    with pytest.raises(NotADirectoryError):
        regular.names_beneath(tmp_path, "there/file")
