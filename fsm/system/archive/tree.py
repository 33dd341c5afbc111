"""The tree that an archive's entries make, and which entries may not be part of it.

Every entry is judged when it comes: by its name, and by what came before it. Symbolic links are judged when all are
known, because where one leads depends on the others: with ``a -> .`` in the root, ``a/..`` is above it.
Nothing may lie below a link, so nothing is ever written through one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(slots=True)
class Node:
    """One entry of the tree.

    Attributes:
        path: its segments, as they are written.
        kind: what it is.
        implied: a directory that has no entry of its own (yet).
        mode: permission bits that it gets.
        mtime_ns: nanoseconds since 1970; None for implied directories.
        size: bytes of a file.
        target: of a symbolic link: what it says.
        original: of a hard link: the segments of the file.
    """

    path: tuple[str, ...]
    kind: EntryKind
    implied: bool = False
    mode: int = 0o755
    mtime_ns: int | None = None
    size: int = 0
    target: str = ""
    original: tuple[str, ...] = ()


class Tree:
    """What has been seen of an archive.

    Args:
        limits: what it may hold at most.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._nodes: dict[tuple[str, ...], Node] = {}
        self._dirs: set[tuple[str, ...]] = set()
        self._entries = self._steps = 0
        self.total_bytes = 0

    def add(self, member: Member) -> Node | None:
        """Judge one more entry.

        Returns:
            Its node; None for the root itself (``./``), which every directory has.

        Raises:
            BrokenError: it may not be part of a release.
        """
        self._count(member.size)
        path = _segments(member.name, "entry")
        if not path:
            if member.kind != "dir":
                raise BrokenError(f"entry {shown(member.name)} is the root of the archive, but not a directory")
            return None
        self._imply_parents(path)
        if member.kind == "symlink" and _odd(member.target):
            raise BrokenError(f"the link {_shown(path)} to {shown(member.target[:60])} {_ODD}")
        node = Node(path, member.kind, False, _mode(member), member.mtime_ns, member.size, member.target)
        if member.kind == "link":
            node.original = self._original(member)
        self._place(node)
        return node

    def _count(self, size: int) -> None:
        self._entries += 1
        if self._entries > self._limits.max_entries:
            raise BrokenError(f"it has more than {self._limits.max_entries} entries")
        self.total_bytes += size
        if self.total_bytes > self._limits.max_bytes:
            raise BrokenError(f"it unpacks to more than {self._limits.max_bytes} bytes, the most that is allowed")

    def _imply_parents(self, path: tuple[str, ...]) -> None:
        if path[:-1] in self._dirs:
            return
        for length in range(1, len(path)):
            parent = path[:length]
            node = self._nodes.get(_folded(parent))
            if node is None:
                self._count(0)
                self._set(Node(parent, "dir", implied=True))
            elif node.path != parent:
                raise _collision(path, node)
            elif node.kind != "dir":
                raise BrokenError(f"entry {_shown(path)} lies below {_shown(parent)}, which is not a directory")

    def _place(self, node: Node) -> None:
        before = self._nodes.get(_folded(node.path))
        if before is not None and before.path != node.path:
            raise _collision(node.path, before)
        if before is not None and not (before.implied and node.kind == "dir"):
            raise BrokenError(
                f"entry {_shown(node.path)} occurs twice, or has entries below it without being a directory"
            )
        self._set(node)

    def _set(self, node: Node) -> None:
        self._nodes[_folded(node.path)] = node
        if node.kind == "dir":
            self._dirs.add(node.path)

    def _original(self, member: Member) -> tuple[str, ...]:
        """The file that a hard link is another name of; it must have come before."""
        path = _segments(member.target, f"the hard link {shown(member.name)} to")
        node = self._nodes.get(_folded(path))
        if node is None or node.path != path or node.kind not in {"file", "link"}:
            raise BrokenError(
                f"the hard link {shown(member.name)} points to {shown(member.target)}, which is not a file before it"
            )
        return node.original or path

    def finish(self, *, strip: bool, check: Check = no_check) -> str | None:
        """Judge the whole: call it when all entries were added.

        Args:
            strip: whether the only top-level directory is to be left away.
            check: called for each symbolic link.

        Returns:
            That directory, or None if there is not exactly one.

        Raises:
            BrokenError: there are no entries, or a symbolic link leaves the tree.
        """
        if not self._nodes:
            raise BrokenError("it has no entries")
        tops = [node for key, node in self._nodes.items() if len(key) == 1]
        top = tops[0].path[0] if strip and len(tops) == 1 and tops[0].kind == "dir" else None
        for node in self._nodes.values():
            if node.kind == "symlink":
                check()
                self._judge_link(node, floor=0 if top is None else 1)
        return top

    def _judge_link(self, link: Node, floor: int) -> None:
        """Follow a link through the tree: at no point may it be above the root, `floor` segments down."""
        if link.target.startswith("/") or _DRIVE.match(link.target):
            raise _leaves(link)
        place, to_do = list(link.path[:-1]), _reversed(link.target)
        expansions = 0
        while to_do:
            name = to_do.pop()
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise BrokenError(f"its links take {_MOST_STEPS} steps to follow, and there are more")
            if name == "..":
                if len(place) <= floor:
                    raise _leaves(link)
                place.pop()
                continue
            place.append(name)
            node = self._nodes.get(_folded(tuple(place))) if len(place) <= _DEEPEST else None
            if node is not None and node.kind == "symlink":
                place.pop()
                to_do += _reversed(node.target)
                expansions += 1
                if expansions > _MOST_EXPANSIONS:
                    raise BrokenError(f"the link {_shown(link.path)} runs in a circle")

    def nodes(self, top: str | None) -> Iterator[Node]:
        """All entries, parents before what is in them; without the top-level directory that is left away."""
        skipped = 0 if top is None else 1
        for node in sorted(self._nodes.values(), key=lambda node: node.path):
            if len(node.path) > skipped:
                yield node

    def entries(self, top: str | None) -> Iterator[Entry]:
        """The same as people and plans see it."""
        skipped = 0 if top is None else 1
        for node in self.nodes(top):
            target = node.target if node.kind == "symlink" else "/".join(node.original[skipped:]) or None
            mode = 0 if node.kind in {"link", "symlink"} else node.mode
            yield Entry(path="/".join(node.path[skipped:]), kind=node.kind, size=node.size, mode=mode, target=target)


def _segments(name: str, what: str) -> tuple[str, ...]:
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
def _folded_segment(segment: str) -> str:
    """What a file system that ignores case and Unicode form takes a name for (Unicode 3.13, D145)."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", segment).casefold())


def _folded(path: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([_folded_segment(segment) for segment in path])


def _reversed(target: str) -> list[str]:
    return [name for name in reversed(target.split("/")) if name not in {"", "."}]


def _shown(path: tuple[str, ...]) -> str:
    return shown("/".join(path))


def _collision(path: tuple[str, ...], other: Node) -> BrokenError:
    return BrokenError(
        f"entry {_shown(path)} and {_shown(other.path)} are the same name where case or Unicode form do not count"
    )


def _leaves(link: Node) -> BrokenError:
    return BrokenError(f"the link {_shown(link.path)} to {shown(link.target)} leaves the archive")
