"""What a tree consists of, written down: to find out later what was added, removed or changed.

On disk an inventory is a file of JSON lines (RFC 8259, one value a line). The first line is a header with the schema's
version, the columns, the number of lines and the SHA-256 of everything after it; each further line is an array, one
entry of the tree. A file that was cut off or edited does not match its header and is refused. Names that are no UTF-8
are kept: their bytes become lone surrogates (PEP 383), which JSON escapes.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field, ValidationError

from fsm.errors import IntegrityError
from fsm.model import Digest, Model
from fsm.system import regular
from fsm.system.digest import Check, Hashed, Hasher, hash_found, no_check
from fsm.system.files import shown, write_atomic

SCHEMA: Final = 1

_LIMIT: Final = 256 << 20
"""Bytes of an inventory's file: as many as a million entries have."""

Kind = Literal["file", "dir", "symlink", "other"]
Skip = Callable[[PurePosixPath], bool]


class Entry(NamedTuple):
    """One entry of a tree. A tuple and no `Model`: a tree has tens of thousands.

    Attributes:
        path: relative to the root, with ``/``.
        kind: `other` is a fifo, a socket or a device.
        size: bytes of a file; 0 for everything else.
        mode: permission bits, set-uid, set-gid and sticky; 0 for a link, whose own mode means nothing.
        mtime_ns: time of modification, nanoseconds since 1970.
        uid: owner.
        gid: group.
        sha256: of a file, unless it was not asked for.
        target: of a link.
    """

    path: str
    kind: Kind
    size: int
    mode: int
    mtime_ns: int
    uid: int
    gid: int
    sha256: Digest | None
    target: str | None


class _Header(Model):
    format: Literal["fsm-inventory"]
    schema_version: int
    columns: tuple[str, ...]
    count: Annotated[int, Field(ge=0)]
    sha256: Digest


@dataclass(frozen=True)
class Differences:
    """What distinguishes a tree from an earlier one, by path, sorted. It is true when there is any difference.

    Attributes:
        added: there now, not then.
        removed: there then, not now.
        changed: of another kind, with other bytes, another target, mode or owner. Times do not count.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True)
class Inventory:
    """The entries of a tree by path. The root itself is none of them."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def save(self, path: Path) -> None:
        """Write it to a file, atomically and durably, readable by its owner only (names can be telling).

        Raises:
            OSError: it cannot be written.
        """
        rest = "".join(f"{json.dumps(entry, separators=(',', ':'))}\n" for entry in self).encode("ascii")
        header = _Header(
            format="fsm-inventory",
            schema_version=SCHEMA,
            columns=Entry._fields,
            count=len(self),
            sha256=f"sha256:{hashlib.sha256(rest).hexdigest()}",
        )
        write_atomic(path, header.model_dump_json().encode("ascii") + b"\n" + rest, 0o600)

    def compare(self, now: Inventory) -> Differences:
        """What a later inventory of the same tree has more, less and otherwise.

        Where one of the two was taken without digests, the bytes of a file count as equal when its size is.
        """
        then, later = self.entries, now.entries
        return Differences(
            added=tuple(sorted(later.keys() - then.keys())),
            removed=tuple(sorted(then.keys() - later.keys())),
            changed=tuple(sorted(path for path in then.keys() & later.keys() if _changed(then[path], later[path]))),
        )

    def verify(self, root: Path, *, skip: Skip | None = None, check: Check = no_check) -> Differences:
        """What distinguishes a tree on disk from this inventory.

        Args:
            root: the tree.
            skip: as for `take`; what was skipped then should be skipped now.
            check: as for `take`.

        Raises:
            OSError: something cannot be read.
        """
        hashed = any(entry.kind == "file" and entry.sha256 is not None for entry in self)
        return self.compare(take(root, skip=skip, check=check, hash=hashed))


def _changed(then: Entry, now: Entry) -> bool:
    return then._replace(mtime_ns=0, sha256=None) != now._replace(mtime_ns=0, sha256=None) or (
        then.sha256 != now.sha256 and None not in (then.sha256, now.sha256)
    )


def load(path: Path) -> Inventory:
    """Read an inventory from a file.

    Raises:
        IntegrityError: it is cut off, edited, no inventory, or of a newer schema than this program knows.
        OSError: it cannot be read.
    """
    head, _, rest = regular.read_beneath(path.parent, path.name, _LIMIT).partition(b"\n")
    try:
        header = _Header.model_validate_json(head)
    except ValidationError as error:
        raise _unusable(path, "its first line is not the header of an inventory") from error
    if header.schema_version != SCHEMA or header.columns != Entry._fields:
        raise _unusable(
            path, f"its schema is {header.schema_version}, and this program knows {SCHEMA}", "use the fsm that wrote it"
        )
    found = f"sha256:{hashlib.sha256(rest).hexdigest()}"
    if found != header.sha256 or rest.count(b"\n") != header.count:
        raise _unusable(path, f"it was cut off or edited: {header.count} entries with {header.sha256} were written")
    # Who passes the checksum was written by `save`; the types are not checked once more, entry by entry.
    entries = (Entry(*json.loads(line)) for line in rest.splitlines())
    return Inventory({entry.path: entry for entry in entries})


def _unusable(path: Path, why: str, todo: str = "do not rely on it; take a new one") -> IntegrityError:
    return IntegrityError(f"cannot use the inventory {shown(path)}", why, todo)


def take(root: Path, *, skip: Skip | None = None, check: Check = no_check, hash: bool = True) -> Inventory:
    """Write down what a tree consists of, sorted by path. Links are not followed.

    What disappears meanwhile is left out. Digests of larger files are made in a few threads (hashing lets the
    interpreter's lock go).

    Args:
        root: a directory.
        skip: says by relative path what to leave out, with everything below it.
        check: called before each entry; what it raises ends everything soon.
        hash: whether to read the files; without, their entries have no digest.

    Raises:
        OSError: something cannot be read.
    """
    entries: dict[str, Entry] = {}
    with Hasher[str, Hashed | None](hash_found) as hasher:
        for entry in _walk(os.fspath(root), skip):
            check()
            entries[entry.path] = entry
            if hash and entry.kind == "file":
                hasher.add(entry.path, f"{root}/{entry.path}", entry.size, check)
        for path, hashed in hasher.results(check):
            if hashed is None:
                del entries[path]
            else:
                entries[path] = entries[path]._replace(sha256=hashed.sha256, size=hashed.size)
    return Inventory(dict(sorted(entries.items())))


def _walk(root: str, skip: Skip | None) -> Iterator[Entry]:
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        for entry in _scan(root, prefix):
            if skip is not None and skip(PurePosixPath(entry.path)):
                continue
            yield entry
            if entry.kind == "dir":
                waiting.append(f"{entry.path}/")


def _scan(root: str, prefix: str) -> list[Entry]:
    """The entries of one directory. It is read at once: what the caller does between two of them may change it."""
    found = []
    try:
        with os.scandir(f"{root}/{prefix}") as items:
            for item in items:
                with suppress(FileNotFoundError):
                    found.append(_entry(prefix + item.name, item))
    except (FileNotFoundError, NotADirectoryError):
        if not prefix:
            raise
    return found


def _entry(path: str, item: os.DirEntry[str]) -> Entry:
    status = item.stat(follow_symlinks=False)
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "other")
    return Entry(
        path,
        kind,
        status.st_size if kind == "file" else 0,
        0 if kind == "symlink" else stat.S_IMODE(status.st_mode),
        status.st_mtime_ns,
        status.st_uid,
        status.st_gid,
        None,
        os.readlink(item.path) if kind == "symlink" else None,
    )


_KINDS: Final[dict[int, Kind]] = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink"}
