"""Digests of a release's files: each file is read once, for every algorithm, several files at a time.

The largest files come first, so that few large ones keep all cores busy to the end. A block fits into a core's cache:
it is still there when it is hashed, whatever the number of algorithms. Hashing lets the interpreter's lock go.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fsm.release.problems import ReleaseError, Spot

BLOCK: Final = 256 << 10
"""Bytes that are read at a time."""

_OPEN: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Hashed:
    """What a file was while it was read.

    Attributes:
        size: bytes.
        digests: hexadecimal digits, by the algorithm's name in `hashlib`.
    """

    size: int
    digests: Mapping[str, str]


def hash_files(
    paths: Iterable[Path], algorithms: Sequence[str] = ("sha256",), *, threads: int | None = None
) -> dict[Path, Hashed]:
    """Read files once and compute every digest.

    Args:
        paths: plain files; each is read once, however often it is named.
        algorithms: names that `hashlib` knows.
        threads: files that are read at the same time; by default one for each core.

    Raises:
        ReleaseError: a file cannot be read, is no plain file, or changed while it was read.
    """
    wanted = sorted(dict.fromkeys(paths), key=lambda path: (-_size(path), path))
    stop = threading.Event()
    pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="hash")
    try:
        coming = {path: pool.submit(_hash, path, algorithms, stop) for path in wanted}
        return {path: future.result() for path, future in coming.items()}
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # reading it will say why
        return 0


def _hash(path: Path, algorithms: Sequence[str], stop: threading.Event) -> Hashed:
    try:
        descriptor = os.open(path, _OPEN)
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}", "an artifact is a plain file, no link") from error
    with open(descriptor, "rb", buffering=0) as stream:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise _refused(path, "is no plain file", "publish plain files")
        hashes = [hashlib.new(name, usedforsecurity=True) for name in algorithms]
        view, size = memoryview(bytearray(BLOCK)), 0
        while not stop.is_set() and (count := stream.readinto(view)):
            size += count
            for each in hashes:
                each.update(view[:count])
        _unchanged(path, before, os.fstat(descriptor), size)
    return Hashed(size, {name: each.hexdigest() for name, each in zip(algorithms, hashes, strict=True)})


def _unchanged(path: Path, before: os.stat_result, after: os.stat_result, size: int) -> None:
    """Refuse a file that somebody wrote to, or put another in the place of, while it was read."""
    try:
        now = path.lstat()
    except OSError:
        now = None
    same = now is not None and (now.st_ino, now.st_dev) == (before.st_ino, before.st_dev)
    if not same or size != before.st_size or _stamp(before) != _stamp(after):
        raise _refused(path, "changed while it was read", "let the build end first, then try again")


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _refused(path: Path, why: str, todo: str) -> ReleaseError:
    return ReleaseError(Spot(str(path)), why, todo)
