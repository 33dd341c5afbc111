"""Digests of a release's files: each file is read once, for every algorithm, several files at a time.

The largest files come first, so that few large ones keep all cores busy to the end. A block fits into a core's cache:
it is still there when it is hashed, whatever the number of algorithms. Hashing lets the interpreter's lock go.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from fsm.release.problems import ReleaseError, Spot

BLOCK: Final = 256 << 10
"""Bytes that are read at a time."""

_INTERVAL: Final = 0.0005
"""Seconds for which another thread may keep the interpreter while files are hashed."""

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
    """Read files once and compute every digest; arguments and errors are those of `Hasher`."""
    with Hasher(algorithms, threads=threads) as hasher:
        return hasher.results(paths)


class Hasher:
    """Digests of many files, several at a time. Use it as a context: leaving it ends what nobody waits for.

    Args:
        algorithms: names that `hashlib` knows.
        threads: files that are read at the same time; by default one for each core.
    """

    def __init__(self, algorithms: Sequence[str] = ("sha256",), *, threads: int | None = None) -> None:
        self.algorithms = tuple(algorithms)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="hash")
        self._coming: dict[Path, Future[Hashed]] = {}
        self._interval = sys.getswitchinterval()

    def __enter__(self) -> Self:
        # A thread needs the interpreter for microseconds between two blocks; it must not wait 5 ms for it each time.
        sys.setswitchinterval(_INTERVAL)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setswitchinterval(self._interval)
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def start(self, paths: Iterable[Path]) -> None:
        """Begin to hash files; each is read once, however often it is named."""
        for path in sorted(dict.fromkeys(paths), key=lambda path: (-_size(path), path)):
            if path not in self._coming:
                self._coming[path] = self._pool.submit(_hash, path, self.algorithms, self._stop)

    def results(self, paths: Iterable[Path]) -> dict[Path, Hashed]:
        """What the files are; those that were not started are now.

        Raises:
            ReleaseError: a file cannot be read, is no plain file, or changed while it was read.
        """
        wanted = tuple(dict.fromkeys(paths))
        self.start(wanted)
        return {path: self._coming[path].result() for path in wanted}


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
