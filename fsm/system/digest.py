"""Digests of files: each is read once, streamed, for every algorithm that is wanted; several at a time by `Hasher`."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Generic, NamedTuple, Self, TypeVar

from fsm.system import regular

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from fsm.model import Digest  # pydantic, for which those who only hash need not wait

BLOCK: Final = 128 << 10
"""Bytes that are read at a time: they are still in the core's own cache when they are hashed."""

PLAINLY: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""How a file is opened that somebody else may have put there: no link is followed, no pipe is waited for."""

_SHA256: Final = ("sha256",)
_IN_A_THREAD: Final = 64 << 10
"""Bytes from which on a file is worth a thread: below, handing it over costs as much as hashing it."""
_PATIENCE: Final = 0.1
"""Seconds between two looks at whether it is time to stop."""

Check = Callable[[], None]
"""Called often in long loops; raises when it is time to stop."""


def no_check() -> None:
    """The `check` of callers that cannot be interrupted."""


class Hashed(NamedTuple):
    """What a file was while it was read.

    Attributes:
        size: bytes.
        digests: hexadecimal digits, by the algorithm's name in `hashlib`.
    """

    size: int
    digests: Mapping[str, str]

    @property
    def sha256(self) -> Digest:
        """That digest as documents write it."""
        return f"sha256:{self.digests['sha256']}"


def hash_stream(
    stream: BinaryIO, algorithms: Sequence[str] = _SHA256, *, check: Check = no_check, block: int = BLOCK
) -> Hashed:
    """The digests of what is left in an open binary file.

    Args:
        stream: the file, best unbuffered.
        algorithms: names that `hashlib` knows.
        check: called once per block; what it raises ends the reading.
        block: bytes to read at a time; less for a small file saves clearing that much memory.
    """
    hashes, size = [hashlib.new(name) for name in algorithms], 0
    view = memoryview(bytearray(block))
    while count := stream.readinto(view):  # type: ignore[attr-defined]  # BinaryIO lacks it, every binary file has it
        check()
        size += count
        for each in hashes:
            each.update(view[:count])
    return Hashed(size, {name: each.hexdigest() for name, each in zip(algorithms, hashes, strict=True)})


def hash_chunks(chunks: Iterable[bytes]) -> Digest:
    """The digest of bytes that come in pieces."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def hash_file(path: Path, *, check: Check = no_check) -> tuple[Digest, int]:
    """The digest of a file and its size in bytes.

    Args:
        path: the file; it is read in blocks of `BLOCK`.
        check: called once per block; what it raises ends the reading.

    Raises:
        OSError: the file cannot be read, or is no regular one.
    """
    with regular.opened(path, follow=True) as descriptor, open(descriptor, "rb", buffering=0, closefd=False) as stream:
        found = hash_stream(stream, check=check)
    return found.sha256, found.size


def hash_found(path: str, _size: int, check: Check) -> Hashed | None:
    """What a file is that was found; None if it is gone by now, or something else. A link is an error."""
    try:
        descriptor = os.open(path, PLAINLY)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return None
        if found.st_size < _IN_A_THREAD:
            # Asked for a byte more than there is, a regular file gives less at its end only.
            data = os.read(descriptor, found.st_size + 1)
            if len(data) <= found.st_size:
                return Hashed(len(data), {"sha256": hashlib.sha256(data).hexdigest()})
            os.lseek(descriptor, 0, os.SEEK_SET)
        with open(descriptor, "rb", buffering=0, closefd=False) as stream:
            return hash_stream(stream, check=check, block=min(BLOCK, found.st_size + 1))
    finally:
        os.close(descriptor)


_Key = TypeVar("_Key", bound=Hashable)
_Result = TypeVar("_Result")


class Hasher(Generic[_Key, _Result]):
    """Reads many files: small ones at once, larger ones in threads, which start when the first comes.

    Hashing lets the interpreter's lock go, so threads do help. Use it as a context: leaving it ends them soon.

    Args:
        read: what reads a file (path, about how many bytes it has, a check that ends it), as `hash_found` does.
        threads: files that are read at the same time; by default one for each core, and four at most.
    """

    def __init__(self, read: Callable[[str, int, Check], _Result], *, threads: int | None = None) -> None:
        self._read = read
        self._count = threads or min(4, os.cpu_count() or 1)
        self._stop = threading.Event()
        self._threads: ThreadPoolExecutor | None = None
        self._done: dict[_Key, _Result] = {}
        self._coming: dict[_Key, Future[_Result]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def __contains__(self, key: object) -> bool:
        return key in self._done or key in self._coming

    def add(self, key: _Key, path: str, size: int, check: Check = no_check) -> None:
        """Have a file read.

        Args:
            key: what `results` will call it.
            path: the file.
            size: about how many bytes it has.
            check: called while a small file is read, which may have grown meanwhile.

        Raises:
            Exception: what `read` raises about a small file; of others `results` says so.
        """
        if size < _IN_A_THREAD:
            self._done[key] = self._read(path, size, check)
            return
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 15 ms, which small trees need not pay

            self._threads = ThreadPoolExecutor(max_workers=self._count, thread_name_prefix="hash")
        self._coming[key] = self._threads.submit(self._read, path, size, self._check)

    def result(self, key: _Key, check: Check = no_check) -> _Result:
        """What became of a file that was added; raises what `read` did.

        Args:
            key: the file's.
            check: called while we wait.
        """
        if key in self._done:
            return self._done[key]
        future = self._coming[key]
        while not future.done():
            check()
            with suppress(TimeoutError):  # of the waiting only: one that reading the file ended with is its result
                future.exception(timeout=_PATIENCE)
        return future.result()

    def taken(self, key: _Key, check: Check = no_check) -> _Result:
        """The same, and it is forgotten: who reads 100,000 files need not have them all in memory."""
        result = self.result(key, check)
        self._done.pop(key, None)
        self._coming.pop(key, None)
        return result

    def results(self, check: Check) -> Iterator[tuple[_Key, _Result]]:
        """What became of each file; arguments and errors are those of `result`."""
        for key in (*self._done, *self._coming):
            yield key, self.result(key, check)

    def _check(self) -> None:
        if self._stop.is_set():
            raise _Stopped


class _Stopped(Exception):
    """Ends a thread whose result nobody waits for any more."""
