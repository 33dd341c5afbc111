"""The atomic exchange, and whether a directory can be renamed at all."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from pathlib import Path

import pytest

from fsm.system.files import can_exchange, native, why_not_renamable
from fsm.system.files.moving import Spot, exchange_spots, open_below
from fsm.system.files.naming import maker

pytestmark = pytest.mark.needs_linux


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two directories, each with a file that names it."""
    for name in ("live", "staging"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "VERSION").write_text(name, encoding="utf-8")
    return tmp_path / "live", tmp_path / "staging"


def version(path: Path) -> str:
    """What a directory says it is."""
    return (path / "VERSION").read_text(encoding="utf-8")


def exchange(first: Path, second: Path) -> None:
    """Exchange what is at two paths."""
    with open_below(first.parent) as here, open_below(second.parent) as there:
        exchange_spots(Spot(here, first.name), Spot(there, second.name))


def test_exchange_swaps_two_directories(pair: tuple[Path, Path]):
    """Both names are there afterwards, and it is its own undo."""
    live, staging = pair
    exchange(live, staging)
    assert (version(live), version(staging)) == ("staging", "live")
    exchange(live, staging)
    assert version(live) == "live"


def test_exchange_between_two_parents(pair: tuple[Path, Path]):
    """The two need not be neighbours, and one may be a file or a link."""
    live, staging = pair
    file = staging.parent / "sub" / "file"
    file.parent.mkdir()
    file.symlink_to("nowhere")
    exchange(live, file)
    assert version(file) == "live"
    assert live.is_symlink()


def test_a_reader_never_misses_the_name(pair: tuple[Path, Path]):
    """While the exchange goes on, the live name always leads to a whole directory."""
    live, staging = pair
    stop = threading.Event()
    missed: list[Exception] = []

    def look() -> None:
        while not stop.is_set():
            try:
                version(live)
            except OSError as error:
                missed.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(50):
        exchange(live, staging)
    stop.set()
    thread.join()
    assert missed == []


def test_exchange_in_memory(fast: Path):
    """tmpfs can do it as well."""
    (fast / "a").mkdir()
    (fast / "b").write_text("file", encoding="utf-8")
    exchange(fast / "a", fast / "b")
    assert (fast / "b").is_dir()
    assert can_exchange(fast)


@pytest.mark.parametrize("other", ["missing", "live/inside", "."])
def test_exchange_of_impossible_pairs_is_an_oserror(pair: tuple[Path, Path], other: str):
    """A missing name, and a directory inside the other: the file system is not to blame for that."""
    live, _ = pair
    (live / "inside").mkdir()
    with pytest.raises(OSError, match=r"No such file|Invalid argument|busy") as caught:
        exchange(live, live.parent / other)
    assert caught.value.errno in {errno.ENOENT, errno.EINVAL, errno.EBUSY}


def test_exchange_across_file_systems(fast: Path, tmp_path: Path):
    """Two file systems are an OSError with EXDEV."""
    if fast.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system here")
    (fast / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(OSError, match="cross-device"):
        exchange(fast / "a", tmp_path / "b")


@pytest.mark.needs_root
def test_a_file_system_without_exchange():
    """The kernel's cgroup file system renames directories, but cannot exchange them: that is said as such."""
    roots = [path for path in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")) if os.access(path, os.W_OK)]
    made = [roots[0] / f"fsm-test-{os.getpid()}-{name}" for name in "ab"] if roots else []
    try:
        for path in made:
            path.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    if not made:
        pytest.skip("no cgroup file system is writable here")
    try:
        with pytest.raises(OSError, match="Invalid argument"):
            exchange(*made)
        assert not can_exchange(made[0])
        assert list(made[0].glob(".fsm-*")) == []
    finally:
        for path in made:
            path.rmdir()


def test_can_exchange_leaves_nothing_behind(tmp_path: Path):
    """It tries for real, and cleans up."""
    assert can_exchange(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        can_exchange(tmp_path / "missing")


def test_the_exchange_without_a_wrapper_in_libc(pair: tuple[Path, Path]):
    """Where libc has no renameat2, the call is made by its number; on unknown machines it says so."""
    real = ctypes.CDLL(None, use_errno=True)

    class Musl:
        syscall = real.syscall

    first, second = (os.fsencode(path) for path in pair)
    call = native.linux_exchanger(Musl(), os.uname().machine)  # type: ignore[arg-type]  # what musl lacks is the point
    here = (native.AT_FDCWD, native.AT_FDCWD)
    assert call(first, second, *here) == 0
    assert version(pair[0]) == "staging"
    assert call(first, b"/missing", *here) == errno.ENOENT
    unknown = native.linux_exchanger(Musl(), "vax")  # type: ignore[arg-type]  # as above
    assert unknown(first, second, *here) == errno.ENOSYS


def test_sync_of_a_closed_descriptor_is_an_error():
    """What the kernel says about a sync is not lost."""
    with pytest.raises(OSError, match="Bad file descriptor"):
        native.sync_file_system(-1)


def test_a_plain_directory_can_be_renamed(pair: tuple[Path, Path]):
    """Nothing stands in the way, nothing moves, nothing is left."""
    live, _ = pair
    inode = live.stat().st_ino
    assert why_not_renamable(live) is None
    assert live.stat().st_ino == inode
    assert {path.name for path in live.parent.iterdir()} == {"live", "staging"}


def test_a_link_can_be_renamed(pair: tuple[Path, Path]):
    """What is renamed is the link, wherever it leads."""
    link = pair[0].parent / "link"
    link.symlink_to("/proc")
    assert why_not_renamable(link) is None


def test_a_missing_directory_is_an_error(tmp_path: Path):
    """Asking about nothing is a mistake."""
    with pytest.raises(FileNotFoundError):
        why_not_renamable(tmp_path / "missing")


@pytest.mark.needs_root
def test_mount_points_cannot_be_renamed(tmp_path: Path, mount):
    """Neither a file system of its own nor a bind mount of the same one."""
    tmpfs = mount(tmp_path / "tmpfs", "-t", "tmpfs", "none")
    bind = tmp_path / "bind me"
    bind.mkdir()
    mount(bind, "--bind", str(bind))
    for path in (tmpfs, bind):
        assert why_not_renamable(path) == f'"{path}" is a mount point: Device or resource busy (EBUSY)'


@pytest.mark.needs_root
def test_directories_of_a_lower_layer_cannot_be_renamed(tmp_path: Path, mount):
    """On overlayfs a directory of the image stays where it is; one made since can be renamed, also one merged not."""
    layers = {name: tmp_path / name for name in ("lower", "upper", "work")}
    for path in layers.values():
        path.mkdir()
    for name in ("app", "merged"):
        (layers["lower"] / name).mkdir()
        (layers["lower"] / name / "VERSION").write_text("1", encoding="utf-8")
    options = ",".join(f"{name}dir={path}" for name, path in layers.items())
    root = mount(tmp_path / "root", "-t", "overlay", "overlay", "-o", options)
    (root / "new").mkdir()
    (root / "merged" / "log").write_text("", encoding="utf-8")
    assert why_not_renamable(root / "new") is None
    for name in ("app", "merged"):
        why = why_not_renamable(root / name)
        assert why is not None
        assert "lower layer of an overlay" in why
        with pytest.raises(OSError, match="cross-device"):
            exchange(root / name, root / "new")
    assert {path.name for path in root.iterdir()} == {"app", "merged", "new"}


@pytest.mark.needs_root
def test_a_read_only_file_system_is_said(tmp_path: Path, mount):
    """Where nothing can be created, nothing can be renamed."""
    (tmp_path / "fs").mkdir()
    root = mount(tmp_path / "fs", "-t", "tmpfs", "none")
    (root / "app").mkdir()
    mount(root, "-o", "remount,ro")
    why = why_not_renamable(root / "app")
    assert why is not None
    assert why.startswith("nothing can be created in")
    assert "EROFS" in why


@pytest.mark.needs_root
def test_rights_of_the_user_count(theirs: Path, as_nobody):
    """A parent that is not ours, and a neighbour's directory under a sticky bit, are found without a try."""
    (theirs / "locked").mkdir()
    (theirs / "locked" / "app").mkdir()
    sticky = theirs / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    (sticky / "app").mkdir()
    with as_nobody():
        locked, foreign = why_not_renamable(theirs / "locked" / "app"), why_not_renamable(sticky / "app")
    assert locked is not None
    assert "nothing can be created" in locked
    assert foreign is not None
    assert "may not be renamed by this user" in foreign
    assert not [path for path in sticky.iterdir() if maker(path.name)]
