"""What git has in its trees: files by the names of their contents, and submodules."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

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
        hasher = _hasher(digest, status.st_size)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
        return bool(hasher.hexdigest() == digest)
    except FileNotFoundError:
        return False


def _hasher(digest: str, size: int, data: bytes = b"") -> hashlib._Hash:
    """Git's name of a blob is the digest of a header and the bytes (https://git-scm.com/book/en/v2, 10.2)."""
    kind = hashlib.sha256 if len(digest) == 64 else hashlib.sha1
    return kind(b"blob %d\0" % size + data)
