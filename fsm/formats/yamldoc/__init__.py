"""A strict reader of YAML 1.2 that knows where each value stands.

YAML is more than a manifest needs, and most of it is trouble: aliases that expand to gigabytes, merge keys, tags that
construct objects, two documents in one file, two keys of one name. All of that is refused by name, with line and
column. What is left is plain data by the core schema (https://yaml.org/spec/1.2.2/#103-core-schema): ``yes`` and
``2026-01-01`` are texts, ``1.10`` is a number.

ruamel.yaml scans and parses, event by event; the tree is built here, without recursion, so that a hostile file ends at
the first thing that is not allowed and costs time in proportion to its length.

Files that people wrote for another program may have aliases and merge keys; `read_tree` reads them as nodes that know
which bytes they are made of, for those who change one value and keep every other byte.
"""

from __future__ import annotations

import re
from typing import Final

from fsm.formats.yamldoc.builder import Builder
from fsm.formats.yamldoc.document import Document, Path, Place, refusal
from fsm.formats.yamldoc.events import events
from fsm.formats.yamldoc.reader import MAX_BYTES, MAX_DEPTH, MAX_VALUES, refuse_long
from fsm.formats.yamldoc.scalars import MAX_DIGITS, kind, resolve
from fsm.formats.yamldoc.tree import Node, Tree, lookup, pairs_of, read_tree

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MAX_VALUES",
    "Document",
    "Node",
    "Path",
    "Place",
    "Tree",
    "kind",
    "load",
    "lookup",
    "pairs_of",
    "read_tree",
    "refusal",
    "resolve",
]

_BREAK: Final = re.compile(r"\r\n|\r|\n")
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def load(data: bytes, *, where: str, max_bytes: int = MAX_BYTES) -> Document:
    """Read one YAML mapping.

    Args:
        data: the file's bytes, UTF-8, with or without a byte order mark.
        where: the file's name, for messages.
        max_bytes: longer input is refused unread.

    Raises:
        ManifestError: one line with file, line and column, for whatever is wrong.
    """
    refuse_long(data, where, max_bytes)
    text = _decoded(data, where)
    builder = Builder(where)
    builder.read(events(text, where))
    return builder.document()


def _decoded(data: bytes, where: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place(data[: error.start].decode("utf-8-sig", "replace"))
        what = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise refusal(where, place, what, "save the file as UTF-8") from error
    odd = _UNPRINTABLE.search(text)
    if odd:
        what = f"the character U+{ord(odd[0]):04X} is not allowed"
        raise refusal(where, _place(text[: odd.start()]), what, "remove it, or write it as an escape in double quotes")
    return text


def _place(before: str) -> Place:
    lines = _BREAK.split(before)
    return len(lines), len(lines[-1]) + 1
