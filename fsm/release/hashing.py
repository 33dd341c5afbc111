"""Digests of a release's files: for every algorithm, several files at a time, and only of files that stay as they are.

The largest files come first, so that few large ones keep all cores busy to the end. `fsm.system.digest` reads them.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Self

from fsm.release.problems import ReleaseError, Spot
from fsm.system import digest
from fsm.system.digest import BLOCK, PLAINLY, Check, Hashed, hash_stream

_INTERVAL: Final = 0.0001
"""Seconds for which another thread may keep the interpreter while files are hashed."""


def hash_files(
    paths: Iterable[Path], algorithms: Sequence[str] = ("sha256",), *, threads: int | None = None
) -> dict[Path, Hashed]:
    """Read files once and compute every digest; arguments and errors are those of `Hasher`."""
    with Hasher(algorithms, threads=threads) as hasher:
        return hasher.of(paths)


class Hasher(digest.Hasher[Path, Hashed]):
    """Digests of many files, several at a time. Use it as a context: leaving it ends what nobody waits for.

    Args:
        algorithms: names that `hashlib` knows.
        threads: files that are read at the same time; by default one for each core.
    """

    def __init__(self, algorithms: Sequence[str] = ("sha256",), *, threads: int | None = None) -> None:
        super().__init__(partial(_read, tuple(algorithms)), threads=threads or os.cpu_count() or 1)
        self._interval = sys.getswitchinterval()

    def __enter__(self) -> Self:
        # A thread needs the interpreter for microseconds between two blocks; it must not wait 5 ms for it each time.
        sys.setswitchinterval(_INTERVAL)
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        sys.setswitchinterval(self._interval)
        super().__exit__()

    def start(self, paths: Iterable[Path]) -> None:
        """Begin to hash files; each is read once, however often it is named.

        Raises:
            ReleaseError: as for `of`, about a small file.
        """
        for path in sorted(dict.fromkeys(paths), key=lambda path: (-_size(path), path)):
            if path not in self:
                self.add(path, str(path), _size(path))

    def of(self, paths: Iterable[Path]) -> dict[Path, Hashed]:
        """What the files are; those that were not started are now.

        Raises:
            ReleaseError: a file cannot be read, is no plain file, or changed while it was read.
        """
        wanted = tuple(dict.fromkeys(paths))
        self.start(wanted)
        return {path: self.result(path) for path in wanted}


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # reading it will say why
        return 0


def _read(algorithms: Sequence[str], name: str, _size: int, check: Check) -> Hashed:
    path = Path(name)
    try:
        descriptor = os.open(path, PLAINLY)
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}", "an artifact is a plain file, no link") from error
    with open(descriptor, "rb", buffering=0) as stream:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise _refused(path, "is not a plain file", "publish plain files")
        found = hash_stream(stream, algorithms, check=check, block=min(BLOCK, before.st_size + 1))
        _unchanged(path, before, os.fstat(descriptor), found.size)
    return found


def _unchanged(path: Path, before: os.stat_result, after: os.stat_result, size: int) -> None:
    """Refuse a file that somebody wrote to, or put another in the place of, while it was read."""
    try:
        now = path.lstat()
    except OSError:
        now = None
    same = now is not None and (now.st_ino, now.st_dev) == (before.st_ino, before.st_dev)
    if not same or size != before.st_size or _stamp(before) != _stamp(after):
        raise _refused(path, "changed while it was read", "wait for the build to finish, then try again")


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _refused(path: Path, why: str, todo: str) -> ReleaseError:
    return ReleaseError(Spot(str(path)), why, todo)
