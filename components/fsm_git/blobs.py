"""What git has in its trees: files by the names of their contents, and submodules."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from fsm.system import regular

GITLINK: Final = "160000"
"""The mode of a submodule in a tree."""

_CHUNK: Final = 1 << 20


def is_blob(path: Path, digest: str) -> bool:
    """Whether a file or a link has exactly the bytes of a blob; what a filter would make of it does not count."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            data = os.fsencode(os.readlink(path))
            return _hasher(digest, len(data), data).hexdigest() == digest
        if not stat.S_ISREG(status.st_mode):
            return False
        with regular.beneath(path.parent, path.name) as descriptor:
            return _hashed(descriptor, digest) == digest
    except (FileNotFoundError, regular.Irregular):  # gone meanwhile, or something else by now
        return False


def _hashed(descriptor: int, digest: str) -> str:
    hasher = _hasher(digest, left := os.fstat(descriptor).st_size)
    while left > 0 and (chunk := os.read(descriptor, min(left, _CHUNK))):
        hasher.update(chunk)
        left -= len(chunk)
    return hasher.hexdigest()


def _hasher(digest: str, size: int, data: bytes = b"") -> hashlib._Hash:
    """Git's name of a blob is the digest of a header and the bytes (https://git-scm.com/book/en/v2, 10.2)."""
    kind = hashlib.sha256 if len(digest) == 64 else hashlib.sha1
    return kind(b"blob %d\0" % size + data)
