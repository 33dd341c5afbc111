"""What a tree consists of, written down: to find out later what was added, removed or changed.

Trees have 100,000 entries and more, so they are streams, sorted by path: `scan` makes one of a tree, `write` puts one
into a file, `read` takes it out again, and `paired` goes through two at a time. An `Inventory` has all of it in memory.

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
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, BinaryIO, Final, Literal, NamedTuple

from pydantic import Field, ValidationError

from fsm.errors import IntegrityError
from fsm.model import Digest, Model
from fsm.system import regular
from fsm.system.digest import BLOCK, Check, Hashed, Hasher, hash_found, no_check
from fsm.system.files import shown, writing

SCHEMA: Final = 1

_LIMIT: Final = 256 << 20
"""Bytes of an inventory's file: as many as a million entries have. More would be read for minutes."""

_HEADER: Final = 300
"""Characters of the header, filled with spaces."""

_LONGEST_HEADER: Final = 4096

_AHEAD: Final = 256
"""Entries whose digests may be made at the same time."""

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
        """Write it to a file, see `write`."""
        write(self, path)

    def compare(self, now: Inventory) -> Differences:
        """What a later inventory of the same tree has more, less and otherwise.

        Where one of the two was taken without digests, the bytes of a file count as equal when its size is.
        """
        return differences(self, now)

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


def differences(then: Iterable[Entry], now: Iterable[Entry]) -> Differences:
    """What distinguishes a tree from an earlier one; both as streams, see `Inventory.compare`."""
    added: list[str] = []
    removed: list[str] = []
    changed: list[str] = []
    for before, after in paired(then, now):
        if before is None:
            assert after is not None, "one of a pair is there"
            added.append(after.path)
        elif after is None:
            removed.append(before.path)
        elif _changed(before, after):
            changed.append(before.path)
    return Differences(tuple(added), tuple(removed), tuple(changed))


def paired(then: Iterable[Entry], now: Iterable[Entry]) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Go through two streams at the same time: the entries of each path, None for the one that does not have it."""
    first, second = iter(then), iter(now)
    one, other = next(first, None), next(second, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.path < other.path):
            yield one, None
            one = next(first, None)
        elif one is None or other.path < one.path:
            yield None, other
            other = next(second, None)
        else:
            yield one, other
            one, other = next(first, None), next(second, None)


def write(entries: Iterable[Entry], path: Path) -> int:
    """Write a stream to a file, atomically and durably, readable by its owner only (names can be telling).

    Returns:
        The number of entries.

    Raises:
        OSError: it cannot be written.
    """
    count, digest = 0, hashlib.sha256()
    with writing(path, 0o600) as file:
        # The header tells of what comes after it, so there is room for it, and it is filled with spaces.
        file.write(_header(0, digest.hexdigest()))
        for entry in entries:
            line = f"{_encode(entry)}\n".encode("ascii")
            digest.update(line)
            file.write(line)
            count += 1
        file.seek(0)
        file.write(_header(count, digest.hexdigest()))
    return count


_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def _header(count: int, digest: str) -> bytes:
    """The first line, of the same length for every count."""
    header = _Header(
        format="fsm-inventory", schema_version=SCHEMA, columns=Entry._fields, count=count, sha256=f"sha256:{digest}"
    )
    return header.model_dump_json().ljust(_HEADER).encode("ascii") + b"\n"


def load(path: Path) -> Inventory:
    """Read a whole inventory from a file; as `read`."""
    return Inventory({entry.path: entry for entry in read(path)})


def read(path: Path) -> Iterator[Entry]:
    """The entries that a file lists; it is checked as a whole before the first.

    Raises:
        IntegrityError: it is cut off, edited, no inventory, or of a newer schema than this program knows.
        OSError: it cannot be read.
    """
    with (
        regular.beneath(path.parent, path.name) as descriptor,
        open(descriptor, "rb", closefd=False) as file,
    ):
        regular.refuse_large(descriptor, path, _LIMIT)
        header = _checked(file, path)
        count, digest = 0, hashlib.sha256()
        begin = file.tell()
        while block := file.read(BLOCK):
            digest.update(block)
            count += block.count(b"\n")
        if f"sha256:{digest.hexdigest()}" != header.sha256 or count != header.count:
            raise _unusable(path, f"it was cut off or edited: {header.count} entries with {header.sha256} were written")
        file.seek(begin)
        # Who passes the checksum was written by `write`; the types are not checked once more, entry by entry.
        for line in file:
            yield Entry(*json.loads(line))


def _checked(file: BinaryIO, path: Path) -> _Header:
    """The header of an inventory."""
    try:
        header = _Header.model_validate_json(file.readline(_LONGEST_HEADER))
    except ValidationError as error:
        raise _unusable(path, "its first line is not the header of an inventory") from error
    if header.schema_version != SCHEMA or header.columns != Entry._fields:
        raise _unusable(
            path, f"its schema is {header.schema_version}, and this program knows {SCHEMA}", "use the fsm that wrote it"
        )
    return header


def _unusable(path: Path, why: str, todo: str = "do not rely on it; take a new one") -> IntegrityError:
    return IntegrityError(f"cannot use the inventory {shown(path)}", why, todo)


def take(root: Path, *, skip: Skip | None = None, check: Check = no_check, hash: bool = True) -> Inventory:
    """Write down what a tree consists of; as `scan`, with all of it in memory."""
    return Inventory({entry.path: entry for entry in scan(root, skip=skip, check=check, hash=hash)})


def scan(root: Path, *, skip: Skip | None = None, check: Check = no_check, hash: bool = True) -> Iterator[Entry]:
    """The entries of a tree, sorted by path. Links are not followed.

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
    coming: deque[Entry] = deque()
    with Hasher[str, Hashed | None](hash_found) as hasher:

        def hashed() -> Iterator[Entry]:
            entry = coming.popleft()
            if entry.kind != "file":
                yield entry
            elif (found := hasher.taken(entry.path, check)) is not None:
                yield entry._replace(sha256=found.sha256, size=found.size)

        for entry in _walk(os.fspath(root), skip):
            check()
            if not hash:
                yield entry
                continue
            coming.append(entry)
            if entry.kind == "file":
                hasher.add(entry.path, f"{root}/{entry.path}", entry.size, check)
            if len(coming) > _AHEAD:
                yield from hashed()
        while coming:
            yield from hashed()


def _walk(root: str, skip: Skip | None) -> Iterator[Entry]:
    """Every directory's entries, sorted, and what is in it after those that sort before its name with a slash."""
    above: list[tuple[str, list[str]]] = [("", _names(root, ""))]
    below: set[str] = set()
    while above:
        prefix, names = above[-1]
        if not names:
            above.pop()
            continue
        path = prefix + names.pop()
        if path.endswith("/"):
            if path in below:
                below.remove(path)
                above.append((path, _names(root, path)))
            continue
        if skip is not None and skip(PurePosixPath(path)):
            continue
        try:
            entry = _entry(path, f"{root}/{path}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        if entry.kind == "dir":
            below.add(f"{path}/")
        yield entry


def _names(root: str, prefix: str) -> list[str]:
    """The names in one directory, the last first, and each one's of a directory with a slash once more.

    It is read at once: what the caller does between two of them may change it.
    """
    found = []
    try:
        with os.scandir(f"{root}/{prefix}") as items:
            for item in items:
                found.append(item.name)
                if item.is_dir(follow_symlinks=False):
                    found.append(f"{item.name}/")
    except (FileNotFoundError, NotADirectoryError):
        if not prefix:
            raise
    found.sort(reverse=True)
    return found


def _entry(path: str, place: str) -> Entry:
    status = os.lstat(place)
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
        os.readlink(place) if kind == "symlink" else None,
    )


_KINDS: Final[dict[int, Kind]] = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink"}
