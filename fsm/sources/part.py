"""The half-finished download: `<dest>.part`, and `<dest>.part.json` that says what it belongs to.

The digest alone decides whether the bytes are right; the sidecar only saves from continuing something else. So neither
needs to be synced while the bytes come: after a power cut the part may hold zeros or an older file's bytes, its digest
will not match, and the caller starts over once.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from fsm.model import Digest, Model
from fsm.system import faults, regular
from fsm.system.digest import hash_stream
from fsm.system.files.atomic import sync_dir

CHUNK: Final = 1 << 18
"""Bytes that are in memory at a time."""

_BINARY: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_SAFELY: Final = _BINARY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_STATE_LIMIT: Final = 1 << 16
_SOMETHING_ELSE: Final = frozenset({errno.ENOENT, errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR})
"""There is none of that name, or it is a link, a socket or a directory."""


class _State(Model):
    """The sidecar. `validator` is the ETag (or its like) that the first bytes came with."""

    sha256: Digest
    validator: str | None = None


class Part:
    """The bytes of one artifact that have come so far. Every method may raise OSError: it is about local files.

    Args:
        dest: where the whole file will be.
        sha256: the digest that it will have.

    Attributes:
        size: bytes so far.
        validator: what the source called the version that they are of; None when unknown.
    """

    def __init__(self, dest: Path, sha256: str) -> None:
        self.path = dest.with_name(f"{dest.name}.part")
        self.sidecar = dest.with_name(f"{dest.name}.part.json")
        self.size = 0
        self.validator: str | None = None
        self._dest = dest
        self._wanted = sha256
        self._hash = hashlib.sha256()
        self._fd = -1

    def resume(self, check: Callable[[], None]) -> None:
        """Open the part and hash what is in it; a part of something else is emptied."""
        self._fd = _own(self.path)
        state = self._read_state()
        if state is None or state.sha256 != self._wanted:
            os.ftruncate(self._fd, 0)
            return
        self.validator = state.validator
        while chunk := os.read(self._fd, CHUNK):
            check()
            self._hash.update(chunk)
            self.size += len(chunk)

    def restart(self, validator: str | None) -> None:
        """Forget the bytes; those that follow are of the version `validator`."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size = 0
        self._hash = hashlib.sha256()
        self.validator = validator
        self._write_state(_State(sha256=self._wanted, validator=validator))
        faults.point("download.restarted")

    def append(self, chunk: bytes) -> None:
        """Add the bytes that come next."""
        rest = memoryview(chunk)
        while rest:
            count = os.write(self._fd, rest)
            self._hash.update(rest[:count])
            self.size += count
            rest = rest[count:]
        faults.point("download.part_written")

    @property
    def is_right(self) -> bool:
        """Whether the bytes so far have the wanted digest."""
        return f"sha256:{self._hash.hexdigest()}" == self._wanted

    def commit(self) -> None:
        """Make the bytes durable and give them their name. The sidecar goes last: without it they belong to nothing."""
        os.fsync(self._fd)
        self.close()
        faults.point("download.verified")
        self.path.replace(self._dest)
        faults.point("download.renamed")
        self.settle()

    def settle(self) -> None:
        """Make the name durable and remove what is left over; also after a crash that came before this."""
        sync_dir(self._dest.parent)
        self.path.unlink(missing_ok=True)
        self.sidecar.unlink(missing_ok=True)
        faults.point("download.settled")

    def discard(self) -> None:
        """Remove the part and its sidecar."""
        self.close()
        self.path.unlink(missing_ok=True)
        self.sidecar.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file; it stays."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write_state(self, state: _State) -> None:
        """Written in place: a torn sidecar is unreadable, and then the part starts over."""
        with open(_own(self.sidecar), "wb") as stream:
            stream.truncate()
            stream.write(state.model_dump_json().encode())

    def _read_state(self) -> _State | None:
        """The sidecar, or None if there is none that can be believed."""
        try:
            return _State.model_validate_json(regular.read_beneath(self._dest.parent, self.sidecar.name, _STATE_LIMIT))
        except (ValidationError, FileNotFoundError, regular.Irregular):
            return None


def is_whole(dest: Path, *, sha256: str, size: int | None, check: Callable[[], None]) -> bool:
    """Whether `dest` is a file with this digest (and size in bytes, where known). Raises OSError."""
    try:
        with regular.beneath(dest.parent, dest.name) as fd, open(fd, "rb", buffering=0, closefd=False) as stream:
            right = size is None or os.fstat(fd).st_size == size
            return right and hash_stream(stream, check=check).sha256 == sha256
    except (FileNotFoundError, regular.Irregular):  # a link to such a file is none
        return False


def _own(path: Path) -> int:
    """A file of ours, open for reading and writing; what else has its name gives way, and a second name of a file."""
    try:
        fd = os.open(path, os.O_RDWR | _SAFELY)
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            return fd
        os.close(fd)
    except OSError as error:
        if error.errno not in _SOMETHING_ELSE:
            raise
    path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFELY, 0o600)
