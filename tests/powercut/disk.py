"""A disk whose power can be cut: a file system in an image, mounted by a loop device.

With the kernel's writeback off, what reaches the image is what a program has synced, and what the file system writes
by itself for its journal. A copy of the image, made right after everything was killed, is the disk after a power cut;
it is mounted in place of the first one, and the file system recovers as it would after a boot.
"""

from __future__ import annotations

import fcntl
import gc
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

WRITEBACK: Final = Path("/proc/sys/vm/dirty_writeback_centisecs")

LOCK: Final = Path("/var/tmp/fsm-powercut.lock")

PATIENCE: Final = 10.0
"""Seconds that a mount may stay busy after its last process was killed."""


class Kind(NamedTuple):
    """A file system, as it is made and mounted.

    Attributes:
        make: the command that makes it.
        options: of the mount.
        mebibytes: what it needs at least.
        package: Debian's, that has the command.
    """

    make: tuple[str, ...]
    options: str
    mebibytes: int
    package: str


KINDS: Final = {
    "ext4": Kind(("mkfs.ext4", "-q", "-F"), "defaults", 64, "e2fsprogs"),
    "ext4-noauto": Kind(("mkfs.ext4", "-q", "-F"), "noauto_da_alloc", 64, "e2fsprogs"),
    "xfs": Kind(("mkfs.xfs", "-q", "-f"), "nouuid", 320, "xfsprogs"),
    "btrfs": Kind(("mkfs.btrfs", "-q", "-f"), "defaults", 160, "btrfs-progs"),
}


def missing(kind: str) -> str:
    """Why such a disk cannot be had here; empty if it can."""
    if os.geteuid() != 0:
        return "only root mounts disks"
    if shutil.which(KINDS[kind].make[0]) is None:
        return f"{KINDS[kind].make[0]} is not installed (Debian: {KINDS[kind].package})"
    name = kind.partition("-")[0]
    return "" if f"\t{name}\n" in Path("/proc/filesystems").read_text() else f"this kernel has no {name}"


@contextmanager
def no_writeback() -> Iterator[None]:
    """The kernel writes nothing by itself, for as long as this lasts, or another process's."""
    with LOCK.open("a+") as turn, LOCK.with_suffix(".users").open("a") as users:
        # Who comes first notes what there was, who goes last puts it back; one at a time for either.
        fcntl.flock(turn, fcntl.LOCK_EX)
        before = WRITEBACK.read_text().strip()
        if before != "0":
            LOCK.write_text(before)
        WRITEBACK.write_text("0")
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(turn, fcntl.LOCK_EX)
            with suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                WRITEBACK.write_text(LOCK.read_text() or "500")


def _named(pids: str) -> str:
    return ", ".join(f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes()!r}" for pid in pids.split())


class Disk:
    """One disk. A context manager: nothing is mounted afterwards.

    Args:
        place: a directory for the image, best in memory.
        mount: where it is mounted; made if need be.
        kind: of `KINDS`.
        mebibytes: its size; by default what a file system of this kind needs at least.
    """

    def __init__(self, place: Path, mount: Path, kind: str, mebibytes: int = 0) -> None:
        self._place, self.mount, self._kind = place, mount, KINDS[kind]
        self._mebibytes = mebibytes or self._kind.mebibytes
        self._number = 0

    @property
    def _image(self) -> Path:
        return self._place / f"disk-{self._number}"

    def __enter__(self) -> Self:
        self._place.mkdir(parents=True, exist_ok=True)
        self.mount.mkdir(parents=True, exist_ok=True)
        with self._image.open("wb") as image:
            image.truncate(self._mebibytes << 20)
        subprocess.run([*self._kind.make, str(self._image)], check=True, capture_output=True)
        self._attach()
        return self

    def __exit__(self, *_: object) -> None:
        self._detach()
        shutil.rmtree(self._place)

    def cut(self, rest: random.Random | None = None) -> None:
        """Cut the power, and boot: whoever has used the disk was killed before.

        Args:
            rest: decides which files the kernel had written by then, although nobody has asked for it; None: no others.
        """
        if rest is not None:
            self._write_some(rest)
        after = self._place / f"disk-{self._number + 1}"
        subprocess.run(["cp", "--sparse=always", str(self._image), str(after)], check=True)
        self._detach()
        self._image.unlink()
        self._number += 1
        self._attach()

    def _write_some(self, chance: random.Random) -> None:
        files = sorted(path for path in self.mount.rglob("*") if path.is_file() and not path.is_symlink())
        for path in chance.sample(files, chance.randrange(min(len(files), 12) + 1)):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _attach(self) -> None:
        options = f"loop,{self._kind.options}"
        subprocess.run(["mount", "-o", options, str(self._image), str(self.mount)], check=True, capture_output=True)

    def _detach(self) -> None:
        gc.collect()  # a journal that could not be opened may still have its file
        until = time.monotonic() + PATIENCE
        while subprocess.run(["umount", str(self.mount)], check=False, capture_output=True).returncode != 0:
            if time.monotonic() >= until:
                who = subprocess.run(["fuser", "-m", str(self.mount)], check=False, capture_output=True, text=True)
                subprocess.run(["umount", "--lazy", str(self.mount)], check=False)
                raise AssertionError(f"the disk is still in use: {_named(who.stdout)}")
            time.sleep(0.02)
