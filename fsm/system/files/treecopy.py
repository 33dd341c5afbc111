"""The walk behind `mirroring`: two open directories side by side, entry by entry.

Each entry appears under its name whole or not at all, what is equal already is passed over, and a directory gets its
own times last. So there is nothing to remember between two calls: the trees themselves say what is still to do.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from fsm.errors import IntegrityError
from fsm.system import faults
from fsm.system.digest import Check
from fsm.system.files.content import same_bytes
from fsm.system.files.copying import clear_way, copy_at, make_dir, special_note
from fsm.system.files.leftovers import is_leftover
from fsm.system.files.metadata import copy_metadata, wanted_mode, wanted_owner
from fsm.system.files.mounts import refuse_mounts
from fsm.system.files.naming import shown, with_temporary_name
from fsm.system.files.nofollow import (
    DEEPEST,
    READ,
    closing,
    listing,
    make_writable,
    open_above,
    open_child_dir,
    open_dir,
    open_writable_child_dir,
    too_deep,
)
from fsm.system.files.removing import remove_at

Chosen = Callable[[PurePosixPath], bool]
"""Says something about an entry by its path relative to the root."""

_NO_LINK: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK})
"""Two mounts, a file system without hard links, or too many names already: then a copy has to do."""

_CHANGED: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL})
"""What a call says of an entry that has become another since it was listed."""

_LOOKS: Final = 20
"""So often an entry is looked at anew before its error counts."""

_Inode = tuple[int, int]


class _Pair(NamedTuple):
    """One name on both sides: the directories it is in, and what is there."""

    name: str
    source: int
    target: int
    path: PurePosixPath
    status: os.stat_result
    present: os.stat_result | None


@dataclass
class Tally:
    """What has been done so far."""

    copied: int = 0
    linked: int = 0
    unchanged: int = 0
    removed: int = 0
    size: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass
class TreeCopy:
    """One walk.

    Attributes:
        dst: the root that is written to.
        check: called before each entry.
        skip: what is left alone on both sides; None leaves nothing alone.
        owns: the directories that get the metadata of the original even though they were there before.
        verify: compare bytes where size and times agree, and read back what was copied.
        compare: compare bytes where size and times agree.
        delete: remove what the original lacks.
    """

    dst: Path
    check: Check
    skip: Chosen | None
    owns: Chosen
    verify: bool = False
    compare: bool = False
    delete: bool = True
    tally: Tally = field(default_factory=Tally)
    _root: int = -1
    _first_names: dict[_Inode, PurePosixPath] = field(default_factory=dict)
    _claimed: set[_Inode] = field(default_factory=set)
    _final: OSError | None = None

    def run(self, src: Path) -> Tally:
        """Walk both trees; `dst` is made when it is missing, and only after `src` could be opened."""
        with open_dir(src) as source:
            was = self.dst.stat() if self.dst.is_dir() else None
            self.dst.mkdir(mode=0o700, exist_ok=True)
            with open_dir(self.dst) as self._root:
                self._directory(source, self._root, PurePosixPath(), was)
        return self.tally

    def _directory(self, source: int, target: int, path: PurePosixPath, was: os.stat_result | None) -> None:
        if len(path.parts) > DEEPEST:
            raise too_deep("copy", str(path))
        status = os.fstat(source)
        make_writable(target)
        wanted, present = listing(source), listing(target)
        for name in sorted(present.keys() - wanted.keys()):
            self._surplus(name, target, path / name, present[name])
        for name in sorted(wanted):
            self.check()
            below = path / name
            if self.skip is None or not self.skip(below):
                self._present_entry(_Pair(name, source, target, below, wanted[name], present.get(name)))
                faults.point("files.mirror.entry")
        # Last, because a directory's times change with its entries.
        if was is None or self.owns(path):
            self.tally.notes += copy_metadata(source, target, status, str(path))
        elif was.st_mode != os.fstat(target).st_mode:
            os.fchmod(target, stat.S_IMODE(was.st_mode))

    def _present_entry(self, pair: _Pair) -> None:
        """Deal with an entry that a running program may remove or make anew just now, which is no error."""
        for left in reversed(range(_LOOKS)):
            try:
                self._entry(pair)
            except OSError as error:
                # What was raised further down has been looked at there.
                if error.errno not in _CHANGED or error is self._final:
                    raise
                now, there = _status(pair.name, pair.source), _status(pair.name, pair.target)
                if now is None:
                    # The way may have been cleared for it already, or its directory made.
                    if there is not None:
                        self._surplus(pair.name, pair.target, pair.path, there)
                    return
                if not left:
                    self._final = error
                    raise
                pair = pair._replace(status=now, present=there)
            else:
                return

    def _entry(self, pair: _Pair) -> None:
        kind = stat.S_IFMT(pair.status.st_mode)
        if kind not in {stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK}:
            self.tally.notes.append(special_note(str(pair.path), pair.status))
            return
        if not self.delete and pair.present and kind != stat.S_IFMT(pair.present.st_mode):
            self.tally.notes.append(f"{shown(pair.path)} was of another kind, and was replaced")
        if kind == stat.S_IFDIR:
            made = make_dir(pair.name, pair.target)
            with (
                closing(open_child_dir(pair.name, pair.source)) as source,
                closing(open_writable_child_dir(pair.name, pair.target)) as target,
            ):
                self._directory(source, target, pair.path, None if made else pair.present)
        else:
            self._leaf(pair)

    def _leaf(self, pair: _Pair) -> None:
        """Make one file or symbolic link equal."""
        original = _inode(pair.status)
        first = self._first_names.get(original)
        if first is not None and self._link(pair, first):
            return
        if self._same(pair):
            self.tally.unchanged += 1
        else:
            if pair.present is not None:  # a directory that comes there meanwhile is an error, and looked at anew
                clear_way(pair.name, pair.target, self.check)
            self.tally.notes += copy_at(pair.name, pair.source, pair.name, pair.target, self.check)
            self.tally.copied += 1
            self.tally.size += pair.status.st_size
            if self.verify and not self._same_content(pair):
                raise IntegrityError(
                    f"cannot copy {shown(pair.path)}",
                    "its bytes changed while they were copied",
                    "stop what writes to it, and try again",
                )
        if pair.status.st_nlink > 1:
            self._first_names[original] = pair.path
            self._claimed.add(_inode(os.stat(pair.name, dir_fd=pair.target, follow_symlinks=False)))

    def _link(self, pair: _Pair, first: PurePosixPath) -> bool:
        """Make a name one more of a file that was copied before; False where that cannot be."""

        def make(free: str) -> None:
            os.link(first.name, free, src_dir_fd=directory, dst_dir_fd=pair.target, follow_symlinks=False)

        try:
            with open_above(first, self._root) as directory:
                made = _inode(os.stat(first.name, dir_fd=directory, follow_symlinks=False))
                if made not in self._claimed:
                    return False  # somebody else has put it there
                if pair.present and _inode(pair.present) == made:
                    self.tally.unchanged += 1
                    return True
                temporary, _ = with_temporary_name(make)
        except OSError as error:
            if error.errno not in _NO_LINK | _CHANGED:
                raise
            return False
        try:
            clear_way(pair.name, pair.target, self.check)
            os.rename(temporary, pair.name, src_dir_fd=pair.target, dst_dir_fd=pair.target)
        except BaseException:
            os.unlink(temporary, dir_fd=pair.target)
            raise
        self.tally.linked += 1
        return True

    def _same(self, pair: _Pair) -> bool:
        """Whether what is there is equal already, and not by accident the same file as something else."""
        status, present = pair.status, pair.present
        if present is None or not _alike(status, present):
            return False
        if present.st_nlink > 1 and (status.st_nlink == 1 or _inode(present) in self._claimed):
            return False
        compare = self.verify or self.compare or stat.S_ISLNK(status.st_mode)
        return not compare or self._same_content(pair)

    def _same_content(self, pair: _Pair) -> bool:
        name, source, target = pair.name, pair.source, pair.target
        if stat.S_ISLNK(pair.status.st_mode):
            return os.readlink(name, dir_fd=source) == os.readlink(name, dir_fd=target)
        with closing(os.open(name, READ, dir_fd=source)) as one, closing(os.open(name, READ, dir_fd=target)) as other:
            return same_bytes(one, other, self.check)

    def _surplus(self, name: str, target: int, path: PurePosixPath, status: os.stat_result) -> None:
        """Deal with what the original lacks: it goes; where nothing is deleted, only our own leavings go."""
        self.check()
        if self.delete:
            self.tally.removed += self._remove(name, target, path, status)
        elif is_leftover(name):
            os.unlink(name, dir_fd=target)

    def _remove(self, name: str, target: int, path: PurePosixPath, status: os.stat_result) -> bool:
        """Remove an entry with what is below it, except what is to be skipped; whether all of it is gone."""
        if self.skip is not None and self.skip(path):
            return False
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=target)
            return True
        refuse_mounts(self.dst / path)
        if self.skip is None:
            remove_at(name, target, self.check)
            return True
        if len(path.parts) > DEEPEST:
            raise too_deep("remove", str(path))
        with closing(open_writable_child_dir(name, target)) as into:
            gone = [self._remove(below, into, path / below, found) for below, found in listing(into).items()]
        if all(gone):
            os.rmdir(name, dir_fd=target)
        return all(gone)


def _status(name: str, dir_fd: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _inode(status: os.stat_result) -> _Inode:
    return status.st_dev, status.st_ino


def _alike(status: os.stat_result, present: os.stat_result) -> bool:
    return (
        stat.S_IFMT(status.st_mode) == stat.S_IFMT(present.st_mode)
        and status.st_size == present.st_size
        and status.st_mtime_ns == present.st_mtime_ns
        and wanted_owner(status) == (present.st_uid, present.st_gid)
        and (stat.S_ISLNK(status.st_mode) or wanted_mode(status) == stat.S_IMODE(present.st_mode))
    )
