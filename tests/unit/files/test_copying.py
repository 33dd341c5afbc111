"""Copying one entry with everything that belongs to it."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from pathlib import Path

import pytest

from fsm.errors import Unsupported
from fsm.system import faults
from fsm.system.files import copy_entry
from fsm.system.files.nofollow import listing, make_writable, open_dir, open_writable_child_dir

pytestmark = pytest.mark.needs_linux

ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, perm, number)
    for tag, perm, number in [
        (1, 6, 0xFFFFFFFF),
        (2, 7, 1234),
        (4, 4, 0xFFFFFFFF),
        (16, 7, 0xFFFFFFFF),
        (32, 0, 0xFFFFFFFF),
    ]
)
"""An access ACL as the kernel stores it (linux/posix_acl_xattr.h): u::rw- u:1234:rwx g::r-- m::rwx o::---."""


def attributes(path: Path) -> dict[str, bytes]:
    """All extended attributes."""
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}


def set_attribute(path: Path, name: str, value: bytes) -> None:
    """Set one, or skip the test where the file system has none."""
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        pytest.skip(f"{name} cannot be set here: {error}")


def same(one: Path, other: Path) -> bool:
    """Whether two entries agree in what a copy keeps."""
    fields = ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_size")
    return all(getattr(one.lstat(), field) == getattr(other.lstat(), field) for field in fields)


def test_a_file_keeps_bytes_mode_and_times(tmp_path: Path):
    """CRLF stays CRLF, a mode of 0600 stays, times stay to the nanosecond; an old file is replaced whole."""
    src, dst = tmp_path / ".env", tmp_path / "copy"
    src.write_bytes(b"A=1\r\nB=\xff\r\n")
    src.chmod(0o600)
    os.utime(src, ns=(10**18 + 1, 10**18 + 2))
    dst.write_bytes(b"old")
    assert copy_entry(src, dst, durable=True) == ()
    assert dst.stat().st_atime_ns == 10**18 + 1  # before the bytes are read, which changes it
    assert dst.read_bytes() == b"A=1\r\nB=\xff\r\n"
    assert same(src, dst)
    assert {path.name for path in tmp_path.iterdir()} == {".env", "copy"}


@pytest.mark.needs_root
def test_root_keeps_owner_and_special_bits(tmp_path: Path):
    """Owner, group and set-uid bits belong to the file; a change of owner does not wash them off."""
    src, dst = tmp_path / "f", tmp_path / "g"
    src.write_bytes(b"x")
    os.chown(src, 1234, 4321)
    src.chmod(0o6755)
    copy_entry(src, dst)
    assert same(src, dst)
    link = tmp_path / "link"
    link.symlink_to("f")
    os.chown(link, 7, 8, follow_symlinks=False)
    copy_entry(link, tmp_path / "link2")
    assert same(link, tmp_path / "link2")


@pytest.mark.needs_root
def test_others_get_their_own_without_special_bits(theirs: Path, as_nobody):
    """Who may not give files away owns the copy; a set-uid bit would then mean somebody else, so it goes."""
    src, dst = theirs / "f", theirs / "g"
    src.write_bytes(b"x")
    src.chmod(0o6755)
    folder = theirs / "d"
    folder.mkdir()
    folder.chmod(0o2755)
    with as_nobody():
        copy_entry(src, dst)
        copy_entry(folder, theirs / "e")
    assert (dst.stat().st_uid, dst.stat().st_gid, dst.stat().st_mode & 0o7777) == (65534, 65534, 0o755)
    assert (theirs / "e").stat().st_mode & 0o7777 == 0o2755


@pytest.mark.needs_root
def test_a_refused_owner_is_no_error(theirs: Path, as_nobody):
    """A link that nobody may give away is copied all the same."""
    link = theirs / "link"
    link.symlink_to("x")
    with as_nobody():
        copy_entry(link, theirs / "copy")
    assert os.readlink(theirs / "copy") == "x"
    assert (theirs / "copy").lstat().st_uid == 65534


def test_attributes_and_acl_are_kept(tmp_path: Path):
    """User attributes and ACLs come along, also onto a read-only file; those that were there before go."""
    src, dst = tmp_path / "f", tmp_path / "g"
    src.write_bytes(b"x")
    set_attribute(src, "user.note", b"hello")
    set_attribute(src, "system.posix_acl_access", ACL)
    mode = src.stat().st_mode
    assert copy_entry(src, dst) == ()
    assert attributes(dst) == attributes(src)
    assert dst.stat().st_mode == mode
    one, other = tmp_path / "d", tmp_path / "e"
    one.mkdir()
    other.mkdir()
    set_attribute(other, "user.old", b"1")
    set_attribute(one, "user.new", b"2")
    copy_entry(one, other)
    assert attributes(other) == {"user.new": b"2"}


def test_inherited_acls_do_not_stick(tmp_path: Path):
    """A default ACL of the directory gives every new file one; the copy has what the original has: none."""
    src, into = tmp_path / "f", tmp_path / "d"
    src.write_bytes(b"x")
    src.chmod(0o640)
    into.mkdir()
    set_attribute(into, "system.posix_acl_default", ACL)
    copy_entry(src, into / "f")
    assert attributes(into / "f") == {}
    assert same(src, into / "f")


@pytest.mark.needs_root
def test_attributes_that_cannot_be_kept_are_noted(tmp_path: Path, mount):
    """A file system without that kind of attribute is no error, and not silent either."""
    src = tmp_path / "f"
    src.write_bytes(b"x")
    set_attribute(src, "user.note", b"hello")
    ramfs = mount(tmp_path / "ramfs", "-t", "ramfs", "none")
    notes = copy_entry(src, ramfs / "f")
    assert notes == ('"f": the attribute user.note was not kept: Operation not supported',)
    assert (ramfs / "f").read_bytes() == b"x"
    assert copy_entry(ramfs / "f", tmp_path / "back") == ()


def test_links_and_directories(tmp_path: Path):
    """A link is copied itself, broken or not; a directory with its metadata, without what is in it."""
    (tmp_path / "link").symlink_to("no/where")
    os.utime(tmp_path / "link", ns=(10**18, 10**18 + 5), follow_symlinks=False)
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "in it").write_bytes(b"")
    (tmp_path / "dir").chmod(0o750)
    os.utime(tmp_path / "dir", ns=(10**18, 10**18))
    for name in ("link", "dir"):
        copy_entry(tmp_path / name, tmp_path / f"{name}2")
        assert same(tmp_path / name, tmp_path / f"{name}2") or name == "dir"
    assert os.readlink(tmp_path / "link2") == "no/where"
    assert list((tmp_path / "dir2").iterdir()) == []
    assert (tmp_path / "dir2").stat().st_mtime_ns == 10**18
    assert stat.S_IMODE((tmp_path / "dir2").stat().st_mode) == 0o750


def test_a_directory_takes_the_place_of_a_file(tmp_path: Path):
    """A file or link gives way to a directory; a directory does not give way to a file or a link."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to("dir")
    copy_entry(tmp_path / "dir", tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    (tmp_path / "link2").symlink_to("x")
    for name in ("file", "link2"):
        with pytest.raises(IsADirectoryError):
            copy_entry(tmp_path / name, tmp_path / "dir")
    assert {path.name for path in tmp_path.iterdir()} == {"dir", "file", "link", "link2"}


def test_special_files_are_left_out_with_a_note(tmp_path: Path):
    """Fifos, sockets and devices are no data."""
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server, open_dir(tmp_path) as here:
        server.bind(f"/proc/self/fd/{here}/s")
        assert copy_entry(tmp_path / "fifo", tmp_path / "x") == ('"fifo" was left out: it is a fifo',)
        assert copy_entry(tmp_path / "s", tmp_path / "x") == ('"s" was left out: it is a socket',)
    assert copy_entry(Path("/dev/null"), tmp_path / "x") == ('"null" was left out: it is a device',)
    assert not (tmp_path / "x").exists()


def test_a_failed_copy_leaves_nothing(tmp_path: Path):
    """What is interrupted after the bytes were written leaves the old file, and no temporary one."""
    (tmp_path / "f").write_bytes(b"new")
    (tmp_path / "g").write_bytes(b"old")

    def interrupt(name: str) -> None:
        raise KeyboardInterrupt(name)

    faults.install(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt, match=r"files\.copy\.written"):
            copy_entry(tmp_path / "f", tmp_path / "g")
    finally:
        faults.install(None)
    assert (tmp_path / "g").read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"f", "g"}


@pytest.mark.parametrize("function", ["fchown", "chown", "setxattr", "listxattr"])
@pytest.mark.parametrize(("number", "passes"), [(errno.EPERM, True), (errno.EIO, False)])
def test_metadata_that_the_system_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, number: int, passes: bool
):
    """What a user may not do is left undone; an error of the disk is one."""
    for name in ("f", "link"):
        src = tmp_path / name
        if name == "link":
            src.symlink_to("f")
        else:
            src.write_bytes(b"x")
            set_attribute(src, "user.note", b"1")
        with monkeypatch.context() as patch:
            if os.geteuid() == 0:
                os.chown(src, 1, 1, follow_symlinks=False)

            def refuse(*_: object, **__: object) -> None:
                raise OSError(number, os.strerror(number))

            patch.setattr(f"fsm.system.files.metadata.os.{function}", refuse)
            # Users own what they copy: fchown is not even tried. That of a link is: it has no descriptor to ask before.
            concerned = function == "chown" if name == "link" else function in {"setxattr", "listxattr"}
            concerned = concerned or (name == "f" and function == "fchown" and os.geteuid() == 0)
            if passes or not concerned:
                copy_entry(src, tmp_path / "copy")
                assert (tmp_path / "copy").exists()
            else:
                with pytest.raises(OSError, match="Input/output"):
                    copy_entry(src, tmp_path / "copy")


@pytest.mark.needs_root
def test_directories_are_opened_up_for_their_owner(theirs: Path, as_nobody):
    """One's own directory can be entered whatever its mode; a foreign mode is not touched, a link not followed."""
    for name, owner in (("own", 65534), ("foreign", 0)):
        (theirs / name).mkdir()
        os.chown(theirs / name, owner, owner)
        (theirs / name).chmod(0)
    (theirs / "target").mkdir(mode=0o555)
    (theirs / "link").symlink_to("target")
    with as_nobody(), open_dir(theirs) as here:
        os.close(open_writable_child_dir("own", here))
        with pytest.raises(PermissionError):
            open_writable_child_dir("foreign", here)
        with pytest.raises(NotADirectoryError):
            open_writable_child_dir("link", here)
        with open_dir(theirs / "target") as foreign:
            make_writable(foreign)
    assert stat.S_IMODE((theirs / "own").stat().st_mode) == 0o700
    assert stat.S_IMODE((theirs / "target").stat().st_mode) == 0o555


def test_listing_has_links_themselves(tmp_path: Path):
    """A link's status is its own."""
    (tmp_path / "link").symlink_to("/etc")
    with open_dir(tmp_path) as here:
        assert stat.S_ISLNK(listing(here)["link"].st_mode)


def test_unsupported_is_what_too_deep_says():
    """The error for bottomless trees has its three parts."""
    from fsm.system.files.nofollow import too_deep

    error = too_deep("copy", "a/b")
    assert isinstance(error, Unsupported)
    assert str(error) == 'cannot copy "a/b": it lies more than 200 directories deep; flatten the tree'
