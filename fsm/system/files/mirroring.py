"""Making one tree equal to another, and carrying over the files that `preserve` names.

Both may be killed anywhere and called again with the same arguments; the result is the same as of one undisturbed
call (`fsm.system.files.treecopy` says why).
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from fsm.errors import Refused
from fsm.model import Model
from fsm.system.digest import Check, no_check
from fsm.system.files.atomic import sync_entry, sync_filesystem
from fsm.system.files.mounts import mounts_within
from fsm.system.files.naming import shown
from fsm.system.files.patterns import Patterns
from fsm.system.files.treecopy import Chosen, Tally, TreeCopy

_FEW: Final = 100
"""So many entries take less time one by one than everybody else's writes on a busy host."""


_NOT_OPENED: Final = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG})
"""Files that we own and may not read, and names too deep to say in one."""


class MirrorReport(Model):
    """What a mirror did.

    Attributes:
        copied: files and links that were written anew.
        linked: further names of a file that were made hard links.
        unchanged: files and links that were equal already.
        removed: entries that the source lacks, a directory with what was in it counted once.
        size: bytes of the files that were written.
        notes: what could not be kept, for people.
    """

    copied: int
    linked: int
    unchanged: int
    removed: int
    size: int
    notes: tuple[str, ...] = ()


def mirror(
    src: Path, dst: Path, *, check: Check = no_check, skip: Chosen | None = None, verify: bool = False
) -> MirrorReport:
    """Make `dst` equal to `src`: bytes, modes, owners, times, attributes, links, hard links within the tree.

    What `src` lacks is deleted from `dst`. Files whose size, time of modification, mode and owner agree count as
    equal. `dst` itself stays the directory that it is, so it may be a mount point. Fifos, sockets and devices are
    neither copied nor touched. When it returns, all of it is durable.

    Args:
        src: a directory. What disappears from it meanwhile counts as not there; nothing should write to its files.
        dst: a directory, made when it is missing.
        check: called before each entry and at least once per 16 MiB; what it raises ends the mirror half way.
        skip: says by relative path what is left alone on both sides, with everything below it.
        verify: do not trust size and time: compare the bytes of files that look equal, and of those just copied.

    Raises:
        Refused: one tree lies inside the other, or something to be deleted holds a mount point.
        Unsupported: the tree is more than 200 directories deep, or this is Windows.
        IntegrityError: `verify` found that a file changed while it was copied.
        OSError: something cannot be read, written or deleted; a full disk, say.
    """
    copy = TreeCopy(dst, check, skip, owns=lambda _path: True, verify=verify)
    return _report(src, copy, lambda: _sync_everything(dst))


def carry(src: Path, dst: Path, patterns: Patterns, *, check: Check = no_check) -> MirrorReport:
    """Copy what patterns name from one tree into another, replacing what is there, deleting nothing beside it.

    Directories on the way are made with the metadata that they have in `src`; those that are there keep theirs unless
    a pattern names them. When it returns, all of it is durable.

    Args:
        src: the root that the patterns are relative to.
        dst: the other root.
        patterns: what to copy.
        check: as for `mirror`.

    Returns:
        What was done. A note names each entry of `dst` that gave way to one of another kind.

    Raises:
        Refused, Unsupported, OSError: as for `mirror`.
    """
    wanted = _Wanted(patterns.tops(src))
    few = set(islice(patterns.find(src), _FEW + 1))
    copy = TreeCopy(
        dst,
        check,
        skip=lambda path: path not in wanted,
        owns=lambda path: patterns.match(path, is_dir=True),
        # What is there is of another origin: one size and one time, as two builds give them, prove nothing.
        compare=True,
        delete=False,
    )
    return _report(src, copy, lambda: _sync_entries(dst, few.union(*(path.parents for path in few))))


class _Wanted:
    """What patterns name, with the directories on the way there. They name 100,000 files by one directory above them.

    Args:
        tops: what they name itself, and whether it is a directory.
    """

    def __init__(self, tops: Iterable[tuple[PurePosixPath, bool]]) -> None:
        self._single: set[PurePosixPath] = set()
        self._whole: set[PurePosixPath] = set()
        for path, is_dir in tops:
            (self._whole if is_dir else self._single).add(path)
            self._single.update(path.parents)
        self._last = PurePosixPath(), False

    def __contains__(self, path: PurePosixPath) -> bool:
        if path in self._whole or path in self._single:
            return True
        parent = path.parent
        if parent != self._last[0]:
            self._last = parent, any(each in self._whole for each in (parent, *parent.parents))
        return self._last[1]


def _sync_entries(root: Path, paths: Collection[PurePosixPath]) -> None:
    """Make these entries of a tree durable, with the directories they are in.

    One by one as long as they are few: `syncfs` also writes out what everybody else on that file system has written,
    which may take seconds, and a service is down meanwhile.
    """
    if len(paths) > _FEW:
        sync_filesystem(root)
        return
    try:
        for path in paths:
            sync_entry(root / path)
    except OSError as error:
        if error.errno not in _NOT_OPENED:
            raise
        sync_filesystem(root)


def _sync_everything(root: Path) -> None:
    """Make a tree durable, with the file systems that are mounted in it."""
    for place in {root, *mounts_within(root)}:
        sync_filesystem(place)


def _report(src: Path, copy: TreeCopy, sync: Callable[[], None]) -> MirrorReport:
    _refuse_nested(src, copy.dst)
    done: Tally = copy.run(src)
    sync()
    return MirrorReport(
        copied=done.copied,
        linked=done.linked,
        unchanged=done.unchanged,
        removed=done.removed,
        size=done.size,
        notes=tuple(done.notes),
    )


def _refuse_nested(src: Path, dst: Path) -> None:
    one, other = src.resolve(), dst.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise Refused(
            f"cannot copy {shown(src)} to {shown(dst)}", "one lies inside the other", "choose another directory"
        )
