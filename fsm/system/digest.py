"""Checksums: of files, streamed, and as the checksum files of releases write them.

Only SHA-256 is known here. A checksum file that also lists other algorithms is read for its SHA-256 lines; one that
has none, or that is not a checksum file at all (an error page, say), is refused rather than taken as "no sums".
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from fsm.errors import IntegrityError
from fsm.model import Digest

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

BLOCK: Final = 1 << 20
"""Bytes that are read at a time."""

Check = Callable[[], None]
"""Called often in long loops; raises when it is time to stop."""


Hashed = tuple[Digest, int] | None
"""A file's digest and the number of bytes that were read for it; None when the file was gone."""

_IN_A_THREAD: Final = 64 << 10
"""Bytes from which on a file is worth a thread: below, handing it over costs as much as hashing it."""
_PATIENCE: Final = 0.1
"""Seconds between two looks at whether it is time to stop."""
_OPEN: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def no_check() -> None:
    """The `check` of callers that cannot be interrupted."""


def hash_stream(stream: BinaryIO, *, check: Check = no_check, block: int = BLOCK) -> tuple[Digest, int]:
    """The digest and the number of bytes of what is left in an open binary file.

    Args:
        stream: the file, best unbuffered.
        check: called once per block; what it raises ends the reading.
        block: bytes to read at a time; less for a small file saves clearing that much memory.
    """
    digest, size = hashlib.sha256(), 0
    view = memoryview(bytearray(block))
    while count := stream.readinto(view):  # type: ignore[attr-defined]  # BinaryIO lacks it, every binary file has it
        check()
        digest.update(view[:count])
        size += count
    return f"sha256:{digest.hexdigest()}", size


def hash_chunks(chunks: Iterable[bytes]) -> Digest:
    """The digest of bytes that come in pieces."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def hash_file(path: Path, *, check: Check = no_check) -> tuple[Digest, int]:
    """The digest of a file and its size in bytes.

    Args:
        path: the file; it is read in blocks of 1 MiB.
        check: called once per block; what it raises ends the reading.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb", buffering=0) as stream:
        return hash_stream(stream, check=check)


class Hasher:
    """Digests of many files: of small ones at once, of larger ones in threads, which start when the first comes.

    Hashing lets the interpreter's lock go, so threads do help. Use it as a context: leaving it ends them soon.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads: ThreadPoolExecutor | None = None
        self._done: list[tuple[str, Hashed]] = []
        self._coming: list[tuple[str, Future[Hashed]]] = []

    def __enter__(self) -> Hasher:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def add(self, key: str, path: str, size: int) -> None:
        """Have a file hashed; a link in its place is an error.

        Args:
            key: what `results` will call it.
            path: the file.
            size: about how many bytes it has.

        Raises:
            OSError: a small file cannot be read; for others `results` says so.
        """
        if size < _IN_A_THREAD:
            self._done.append((key, self._hash(path, size)))
            return
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 15 ms, which small trees need not pay

            self._threads = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="hash")
        self._coming.append((key, self._threads.submit(self._hash, path, size)))

    def results(self, check: Check) -> Iterator[tuple[str, Hashed]]:
        """What became of each file.

        Args:
            check: called while we wait.

        Raises:
            OSError: a file cannot be read.
        """
        yield from self._done
        for key, future in self._coming:
            while not future.done():
                check()
                with suppress(TimeoutError):  # of the waiting only: one that reading the file ended with is its result
                    future.exception(timeout=_PATIENCE)
            yield key, future.result()

    def _hash(self, path: str, size: int) -> Hashed:
        try:
            descriptor = os.open(path, _OPEN)
        except FileNotFoundError:
            return None
        with open(descriptor, "rb", buffering=0) as stream:
            return hash_stream(stream, check=self._check, block=min(BLOCK, size + 1))

    def _check(self) -> None:
        if self._stop.is_set():
            raise _Stopped


class _Stopped(Exception):
    """Ends a thread whose result nobody waits for any more."""


def verify_file(path: Path, *, sha256: Digest, size: int | None = None, check: Check = no_check) -> None:
    """Make sure that a file is the one that was promised.

    Args:
        path: the file.
        sha256: the digest that it must have.
        size: the number of bytes that it must have; None when nobody said. A wrong size is found without reading.
        check: called once per block; what it raises ends the reading.

    Raises:
        IntegrityError: it is another file, or part of one.
        OSError: the file cannot be read.
    """
    found_size = path.stat().st_size
    if size is not None and found_size != size:
        raise _other_file(path, f"{size} bytes", f"{found_size} bytes")
    found, _ = hash_file(path, check=check)
    if found != sha256:
        raise _other_file(path, sha256, found)


def _other_file(path: Path, expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        f"cannot use {path.name}",
        f"expected {expected}, found {found}",
        "nothing was changed; fetch it again, and report the release as broken if it stays so",
    )


_GNU: Final = re.compile(r"^(\\?)([0-9a-fA-F]{64})(?: [ *]|[ \t])(.+)$")
_BSD: Final = re.compile(r"^(\\?)SHA256 \((.+)\) = ([0-9a-fA-F]{64})$")
_BARE: Final = re.compile(r"^[0-9a-fA-F]{64}$")
_OTHER_ALGORITHM: Final = re.compile(r"^\\?(?!SHA256 )[A-Za-z0-9/-]{2,20} \(.+\) = [0-9a-fA-F]+$")
_ESCAPES: Final = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}


def parse_sums(text: str) -> dict[str, Digest]:
    r"""The digests of a checksum file, by file name.

    Known forms: GNU coreutils (``<hex>  name``, ``<hex> *name``; a line that starts with a backslash has ``\\``, ``\n``
    and ``\r`` escaped in its name, https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html),
    BSD (``SHA256 (name) = <hex>``) and a sidecar ``<asset>.sha256`` that holds the hexadecimal digits alone or with
    the name ``-``, whose key is the empty string. Empty lines, ``#`` comments and other algorithms' BSD lines are
    passed over; a leading ``./`` of a name is dropped.

    Raises:
        IntegrityError: a line is none of these, a name has two digests, or no digest is there at all.
    """
    sums: dict[str, Digest] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = raw.rstrip("\r \t")
        if not line or line.startswith("#") or _OTHER_ALGORITHM.match(line):
            continue
        name, digest = _sum_line(line, number)
        if sums.setdefault(name, digest) != digest:
            raise _unreadable(f"line {number} gives {name or 'the file'!r} a second, different digest")
    if not sums:
        raise _unreadable("it holds no SHA-256 digest")
    return sums


def _sum_line(line: str, number: int) -> tuple[str, Digest]:
    if _BARE.match(line):
        return "", f"sha256:{line.lower()}"
    if match := _GNU.match(line):
        escaped, digits, name = match.groups()
    elif match := _BSD.match(line):
        escaped, name, digits = match.groups()
    else:
        raise _unreadable(f"line {number} is not a checksum: {line[:60]!r}")
    if escaped:
        name = re.sub(r"\\[\\nr]", lambda found: _ESCAPES[found[0]], name)
    name = name.removeprefix("./")
    return "" if name == "-" else name, f"sha256:{digits.lower()}"


def _unreadable(why: str) -> IntegrityError:
    return IntegrityError("cannot read the checksums", why, "nothing was changed; the release is broken")
