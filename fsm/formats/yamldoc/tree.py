"""YAML as a tree of nodes that know where they stand, for changing one scalar and keeping every other byte.

Anchors, aliases, merge keys and tags are read as what they are: an alias is a node that leads to another one. Nothing
is constructed, so nothing expands. Comments are no nodes; they lie between them and stay where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fsm.formats.yamldoc.document import Place, refusal
from fsm.formats.yamldoc.events import any_events
from fsm.formats.yamldoc.reader import MAX_BYTES, Collection, Reader, refuse_long

Kind = Literal["scalar", "mapping", "sequence", "alias"]

_PROPERTIES: Final = re.compile(r"(?:[&!]\S*\s+)+")
"""Anchor and tag before a scalar's own text; no plain scalar begins with one of their signs."""


@dataclass(eq=False)
class Node:
    """One node of a document.

    Attributes:
        kind: what it is.
        place: its line and column, for messages.
        start, end: its first character and the one behind its last, in the document's text, anchor and tag included.
        value: the text of a scalar, the name of an alias.
        style: of a scalar: empty when plain, else its quote or its block sign.
        anchor: its name, for aliases.
        tag: ``!reset`` and the like.
        pairs: of a mapping, in order.
        items: of a sequence.
        target: where an alias leads.
    """

    kind: Kind
    place: Place
    start: int
    end: int
    value: str = ""
    style: str = ""
    anchor: str | None = None
    tag: str | None = None
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)
    target: Node | None = None

    @property
    def real(self) -> Node:
        """The node itself, or where its alias leads."""
        return self if self.target is None else self.target

    def children(self) -> Iterator[Node]:
        """Keys and values, or items."""
        for key, value in self.pairs:
            yield key
            yield value
        yield from self.items


def lookup(node: Node | None, key: str) -> Node | None:
    """The value of a key in a mapping, merge keys included; what the mapping itself has comes first."""
    merged: list[Node] = []
    for name, value in pairs_of(node):
        if name.real.value == key and name.real.kind == "scalar":
            return value.real
        if name.value == "<<" and name.style == "":
            merged += [each.real for each in (value.real.items if value.real.kind == "sequence" else [value])]
    return next((found for each in merged if (found := lookup(each, key)) is not None), None)


def pairs_of(node: Node | None) -> list[tuple[Node, Node]]:
    """Keys and values of a mapping; none where it is something else."""
    return node.real.pairs if node is not None and node.real.kind == "mapping" else []


@dataclass(frozen=True, eq=False)
class Tree:
    """One document.

    Attributes:
        where: the file's name, for messages.
        text: the whole file; a byte order mark is its first character.
        root: None if the document is empty.
    """

    where: str
    text: str
    root: Node | None

    def nodes(self) -> Iterator[Node]:
        """Every node, each once."""
        left = [self.root] if self.root else []
        while left:
            node = left.pop()
            yield node
            left += node.children()

    def content(self, node: Node) -> tuple[int, int] | None:
        """Where the characters of a scalar stand, without quotes; None if the file has them in another form.

        In another form are block scalars, and what has escapes or spreads over lines.
        """
        if node.kind != "scalar" or node.style in ("|", ">"):
            return None
        before = _PROPERTIES.match(self.text, node.start, node.end)
        start, end = before.end() if before else node.start, node.end
        if node.style:
            start, end = start + 1, end - 1
        return (start, end) if self.text[start:end] == node.value else None

    def offset(self, index: int) -> int:
        """The byte at which a character of the text stands."""
        return len(self.text[:index].encode())


def read_tree(data: bytes, *, where: str, max_bytes: int = MAX_BYTES) -> Tree:
    """Read one YAML document, whatever it has.

    Args:
        data: the file's bytes, UTF-8.
        where: the file's name, for messages.
        max_bytes: longer input is refused unread.

    Raises:
        ManifestError: one line with file, line and column, for whatever is wrong.
    """
    refuse_long(data, where, max_bytes)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise refusal(where, (line, 1), f"byte 0x{data[error.start]:02x} is not UTF-8", "save it as UTF-8") from error
    builder = _Builder(where)
    builder.read(any_events(text, where))
    return Tree(where, text, builder.root)


class _Builder(Reader):
    """Makes nodes of parser events."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.root: Node | None = None
        self._open: list[Node] = []
        self._keys: list[Node | None] = []
        self._anchors: dict[str, Node] = {}
        self._count = 0

    def begin(self, kind: Collection, event: Any) -> None:
        """See `Reader.begin`."""
        self._open.append(self._node(kind, event))
        self._keys.append(None)

    def end(self, event: Any) -> None:
        """See `Reader.end`."""
        self._keys.pop()
        self._open.pop().end = event.end_mark.index

    def scalar(self, event: Any) -> None:
        """See `Reader.scalar`."""
        self._node("scalar", event, value=event.value, style=event.style or "")

    def alias(self, event: Any) -> None:
        """See `Reader.alias`."""
        target = self._anchors.get(event.anchor)
        if target is None:
            self.refuse(f"there is no anchor &{event.anchor} above this alias", "correct the name")
        if target in self._open:
            self.refuse(f"the alias *{event.anchor} leads to what it is in itself", "remove it")
        self._node("alias", event, value=event.anchor, target=target)

    def _node(self, kind: Kind, event: Any, **about: Any) -> Node:
        self.refuse_more(self._count)
        self._count += 1
        tag = getattr(event, "tag", None)
        anchor = None if kind == "alias" else event.anchor
        node = Node(
            kind,
            self.last,
            event.start_mark.index,
            event.end_mark.index,
            anchor=anchor,
            tag=None if tag is None else str(tag),
            **about,
        )
        if anchor is not None:
            self._anchors[anchor] = node
        self._put(node)
        return node

    def _put(self, node: Node) -> None:
        if not self._open:
            self.root = node
        elif self._open[-1].kind == "sequence":
            self._open[-1].items.append(node)
        elif (key := self._keys[-1]) is None:
            self._keys[-1] = node
        else:
            self._open[-1].pairs.append((key, node))
            self._keys[-1] = None
