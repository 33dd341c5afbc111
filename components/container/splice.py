"""Changes of a few bytes in a file, as data that a plan can freeze."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from fsm.model import Model


class Splice(Model):
    """A few bytes of a file that become others.

    Attributes:
        offset: the byte at which they begin.
        old, new: what stands there before and after.
    """

    offset: int
    old: str
    new: str


class FileEdit(Model):
    """What happens to one file; frozen in the plan.

    Attributes:
        path: the file.
        before, after: SHA-256 of its bytes; None before: there is no such file yet.
        splices: in order of their offsets.
    """

    path: Path
    before: str | None
    after: str
    splices: tuple[Splice, ...]

    @classmethod
    def of(cls, path: Path, data: bytes | None, splices: Iterable[Splice]) -> FileEdit:
        """The change of a file that has these bytes now."""
        ordered = tuple(sorted(splices, key=lambda splice: splice.offset))
        draft = cls(path=path, before=None if data is None else digest(data), after="", splices=ordered)
        return draft.model_copy(update={"after": digest(draft.apply(data or b""))})

    def apply(self, data: bytes) -> bytes:
        """The new bytes of the file."""
        found, position = b"", 0
        for splice in self.splices:
            found += data[position : splice.offset] + splice.new.encode()
            position = splice.offset + len(splice.old.encode())
        return found + data[position:]


def digest(data: bytes) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
