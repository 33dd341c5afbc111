"""The tree that an archive's entries make, and which entries may not be part of it.

Every entry is judged when it comes: by its name, and by what came before it. Symbolic links are judged when all are
known, because where one leads depends on the others: with ``a -> .`` in the root, ``a/..`` is above it.
Nothing may lie below a link, so nothing is ever written through one.

Archives have 100,000 entries and more, so each is a small object, and names are kept once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from fsm.system.archive.model import BrokenError, Entry, EntryKind, Limits, Member
from fsm.system.digest import Check, no_check
from fsm.system.files import shown

_LONGEST_SEGMENT: Final = 255
_LONGEST_PATH: Final = 2048
_DEEPEST: Final = 100
_MOST_STEPS: Final = 4_000_000
"""Segments that all links of an archive lead through; each takes a microsecond or more."""
_ODD: Final = "is a link that does not work everywhere"
_MOST_EXPANSIONS: Final = 40
"""Links followed in one path before it counts as a circle: the kernel's own limit, path_resolution(7)."""

_DRIVE: Final = re.compile(r"^[A-Za-z]:")

_Path = tuple[str, ...]


@dataclass(slots=True, eq=False)
class Node:
    """One entry of the tree.

    Attributes:
        name: its last segment, as it is written.
        kind: what it is.
        mode: permission bits that it gets.
        size: bytes of a file.
    """

    name: str
    kind: EntryKind
    mode: int = 0o755
    size: int = 0


@dataclass(slots=True, eq=False)
class Symlink(Node):
    """A symbolic link.

    Attributes:
        target: what it says.
        mtime_ns: nanoseconds since 1970.
    """

    target: str = ""
    mtime_ns: int | None = None


@dataclass(slots=True, eq=False)
class Hardlink(Node):
    """One more name of a file.

    Attributes:
        above: the segments of the directory that the file is in.
        original: its name there.
    """

    above: _Path = ()
    original: str = ""


@dataclass(slots=True, eq=False)
class Directory(Node):
    """A directory.

    Attributes:
        path: its segments. Not the directory that it is in: in a circle, memory would not be free at once.
        mtime_ns: nanoseconds since 1970; None for implied directories.
        implied: whether it has no entry of its own (yet).
        children: what is in it, by names as `_folded` makes them.
    """

    path: _Path = ()
    mtime_ns: int | None = None
    implied: bool = False
    children: dict[str, Node] = field(default_factory=dict)

    def child(self, name: str) -> Node | None:
        """What is there of that name, or of one that some file systems take for the same."""
        return self.children.get(_folded(name))

    def put(self, node: Node) -> None:
        """Have something in it."""
        folded = _folded(node.name)
        # Most names are folded already: then one string is enough.
        self.children[node.name if folded == node.name else folded] = node


class Tree:
    """What has been seen of an archive.

    Args:
        limits: what it may hold at most.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries = self._steps = 0
        self._last = ("", Directory("", "dir"))
        self.root = self._last[1]
        self.total_bytes = 0

    def add(self, member: Member) -> tuple[Directory, Node] | None:
        """Judge one more entry.

        Returns:
            The directory that it is in, and its node; None for the root itself (``./``), which every directory has.

        Raises:
            BrokenError: it may not be part of a release.
        """
        self._count(member.size)
        above, _, last = member.name.rpartition("/")
        if above and above == self._last[0] and _is_plain(last) and len(member.name) < _LONGEST_PATH // 4:
            directory, name = self._last[1], last
        else:
            path = _segments(member.name, "entry")
            if not path:
                if member.kind != "dir":
                    raise BrokenError(f"entry {shown(member.name)} is the root of the archive, but not a directory")
                return None
            directory, name = self._parent(path), path[-1]
            if last == name:  # then what comes before it are those above
                self._last = above, directory
        node = self._node(name, directory, member)
        return directory, self._placed(directory, node)

    def _count(self, size: int) -> None:
        self._entries += 1
        if self._entries > self._limits.max_entries:
            raise BrokenError(f"it has more than {self._limits.max_entries} entries")
        self.total_bytes += size
        if self.total_bytes > self._limits.max_bytes:
            raise BrokenError(f"it unpacks to more than {self._limits.max_bytes} bytes, the most that is allowed")

    def _parent(self, path: _Path) -> Directory:
        """The directory that an entry is in; those that the archive has only implied so far are made."""
        here = self.root
        for length, name in enumerate(path[:-1], 1):
            node = here.child(name)
            if node is None:
                self._count(0)
                node = Directory(name, "dir", path=path[:length], implied=True)
                here.put(node)
            elif node.name != name:
                raise _collision(path, here, node)
            if not isinstance(node, Directory):
                raise BrokenError(f"entry {_shown(path)} lies below {_shown(path[:length])}, which is not a directory")
            here = node
        return here

    def _node(self, name: str, directory: Directory, member: Member) -> Node:
        if member.kind == "file":
            return Node(name, "file", _mode(member), member.size)
        if member.kind == "dir":
            return Directory(name, "dir", _mode(member), path=(*directory.path, name), mtime_ns=member.mtime_ns)
        if member.kind == "symlink":
            if _odd(member.target):
                path = _shown((*directory.path, name))
                raise BrokenError(f"the link {path} to {shown(member.target[:60])} {_ODD}")
            return Symlink(name, "symlink", target=member.target, mtime_ns=member.mtime_ns)
        above, original = self._original(member)
        return Hardlink(name, "link", above=above, original=original)

    def _placed(self, directory: Directory, node: Node) -> Node:
        before = directory.child(node.name)
        if before is None:
            directory.put(node)
            return node
        path = (*directory.path, node.name)
        if before.name != node.name:
            raise _collision(path, directory, before)
        if not (isinstance(before, Directory) and before.implied and isinstance(node, Directory)):
            raise BrokenError(f"entry {_shown(path)} occurs twice, or has entries below it without being a directory")
        before.implied, before.mode, before.mtime_ns = False, node.mode, node.mtime_ns
        return before

    def _original(self, member: Member) -> tuple[_Path, str]:
        """The file that a hard link is another name of; it must have come before."""
        path = _segments(member.target, f"the hard link {shown(member.name)} to")
        node: Node | None = self.root
        for name in path:
            node = node.child(name) if isinstance(node, Directory) else None
            if node is not None and node.name != name:
                node = None
        if isinstance(node, Hardlink):
            return node.above, node.original
        if node is None or node.kind != "file":
            raise BrokenError(
                f"the hard link {shown(member.name)} points to {shown(member.target)}, which is not a file before it"
            )
        return path[:-1], node.name

    def finish(self, *, strip: bool, check: Check = no_check) -> Directory:
        """Judge the whole: call it when all entries were added.

        Args:
            strip: whether the only top-level directory is to be left away.
            check: called for each symbolic link.

        Returns:
            That directory, or the root if there is not exactly one.

        Raises:
            BrokenError: there are no entries, or a symbolic link leaves the tree.
        """
        if not self.root.children:
            raise BrokenError("it has no entries")
        tops = list(self.root.children.values())
        top = tops[0] if strip and len(tops) == 1 and isinstance(tops[0], Directory) else self.root
        for directory in directories(self.root):
            for node in directory.children.values():
                if isinstance(node, Symlink):
                    check()
                    self._judge_link(directory, node, top)
        return top

    def _judge_link(self, directory: Directory, link: Symlink, top: Directory) -> None:
        """Follow a link through the tree: at no point may it be above the top."""
        floor = 0 if top is self.root else 1
        if link.target.startswith("/") or _DRIVE.match(link.target):
            raise _leaves(directory, link)
        place: list[Node | None] = []
        here: Node | None = self.root
        for name in directory.path:
            here = here.child(name) if isinstance(here, Directory) else None
            place.append(here)
        to_do, expansions = _reversed(link.target), 0
        while to_do:
            name = to_do.pop()
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise BrokenError(f"its links take {_MOST_STEPS} steps to follow, and there are more")
            if name == "..":
                if len(place) <= floor:
                    raise _leaves(directory, link)
                place.pop()
                continue
            above = place[-1] if place else self.root
            node = above.child(name) if isinstance(above, Directory) else None
            if isinstance(node, Symlink):
                to_do += _reversed(node.target)
                expansions += 1
                if expansions > _MOST_EXPANSIONS:
                    raise BrokenError(f"the link {_shown((*directory.path, link.name))} runs in a circle")
            else:
                place.append(node)


def directories(top: Directory) -> Iterator[Directory]:
    """A directory and all below it, parents first, in the order of their names."""
    waiting = [top]
    while waiting:
        here = waiting.pop()
        yield here
        below = [node for node in here.children.values() if isinstance(node, Directory)]
        waiting += sorted(below, key=lambda node: node.name, reverse=True)


def entries(top: Directory) -> Iterator[Entry]:
    """What is below a directory as people and plans see it, sorted by the segments of the paths."""
    skipped = len(top.path)
    waiting: list[tuple[str, Node]] = _sorted("", top)
    while waiting:
        path, node = waiting.pop()
        target = None
        if isinstance(node, Symlink):
            target = node.target
        elif isinstance(node, Hardlink):
            target = "/".join((*node.above[skipped:], node.original))
        mode = 0 if node.kind in {"link", "symlink"} else node.mode
        yield Entry(path, node.kind, node.size, mode, target)
        if isinstance(node, Directory):
            waiting += _sorted(f"{path}/", node)


def _sorted(prefix: str, directory: Directory) -> list[tuple[str, Node]]:
    """What is in a directory, the last first."""
    nodes = sorted(directory.children.values(), key=lambda node: node.name, reverse=True)
    return [(prefix + node.name, node) for node in nodes]


def _is_plain(segment: str) -> bool:
    """Whether nothing about a last segment needs a closer look."""
    return bool(segment) and segment.isascii() and len(segment) <= _LONGEST_SEGMENT and _UNPLAIN.search(segment) is None


_UNPLAIN: Final = re.compile(r"[\\\0]|^\.{1,2}$")


def _segments(name: str, what: str) -> _Path:
    """The segments of a name, or why it has no place in a tree."""
    if not name:
        raise BrokenError(f"{what} {shown(name)} has no name")
    if len(name.encode()) > _LONGEST_PATH:
        raise BrokenError(f"{what} {shown(name[:60])}... has a name of more than {_LONGEST_PATH} bytes")
    if name.startswith("/") or _DRIVE.match(name):
        raise BrokenError(f"{what} {shown(name)} is absolute")
    if "\\" in name:
        raise BrokenError(f"{what} {shown(name)} has a backslash, which separates directories on some systems")
    if "\0" in name:
        raise BrokenError(f"{what} {shown(name)} has a NUL")
    path = tuple(segment for segment in name.split("/") if segment not in {"", "."})
    if ".." in path:
        raise BrokenError(f"{what} {shown(name)} leaves the archive")
    if any(len(segment.encode()) > _LONGEST_SEGMENT for segment in path):
        raise BrokenError(f"{what} {shown(name)} has a segment of more than {_LONGEST_SEGMENT} bytes")
    if len(path) > _DEEPEST:
        raise BrokenError(f"{what} {shown(name)} lies more than {_DEEPEST} directories deep")
    return path


def _odd(target: str) -> bool:
    return not target or "\0" in target or "\\" in target or len(target.encode()) > _LONGEST_PATH


def _mode(member: Member) -> int:
    """Without set-uid, set-gid and sticky bits, writable for nobody but the owner, readable for the owner."""
    return member.mode & 0o755 | (0o700 if member.kind == "dir" else 0o400)


@lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    """What a file system that ignores case and Unicode form takes a segment for (Unicode 3.13, D145)."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def _reversed(target: str) -> list[str]:
    return [name for name in reversed(target.split("/")) if name not in {"", "."}]


def _shown(path: _Path) -> str:
    return shown("/".join(path))


def _collision(path: _Path, directory: Directory, other: Node) -> BrokenError:
    there = _shown((*directory.path, other.name))
    return BrokenError(f"entry {_shown(path)} and {there} are the same name where case or Unicode form do not count")


def _leaves(directory: Directory, link: Symlink) -> BrokenError:
    path = _shown((*directory.path, link.name))
    return BrokenError(f"the link {path} to {shown(link.target)} leaves the archive")
