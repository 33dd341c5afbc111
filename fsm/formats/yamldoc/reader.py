"""What both readers of YAML do alike with the parser's events: one document, so deep, of so many values.

`fsm.formats.yamldoc.builder` makes plain data of them, `fsm.formats.yamldoc.tree` nodes that know their bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, NoReturn

from fsm.errors import ManifestError
from fsm.formats.yamldoc.document import Place, refusal
from fsm.formats.yamldoc.events import place_of

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 50_000

Collection = Literal["mapping", "sequence"]


def refuse_long(data: bytes, where: str, max_bytes: int) -> None:
    """Refuse a file that is too long, unread.

    Raises:
        ManifestError: it has more than `max_bytes` bytes.
    """
    if len(data) > max_bytes:
        raise ManifestError(where, f"{len(data)} bytes, more than the {max_bytes} allowed", "make it shorter")


class Reader:
    """Takes parser events; a subclass makes something of them.

    Args:
        where: the file's name, for messages.

    Attributes:
        last: where the latest event stands.
        documents: how many have begun.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.last: Place = (1, 1)
        self.documents = 0
        self._depth = 0

    def read(self, events: Iterable[Any]) -> None:
        """Take all the events of a text; raises ManifestError with the place of what is wrong."""
        for event in events:
            self.last = place_of(event.start_mark)
            self._take(event)

    def _take(self, event: Any) -> None:
        match type(event).__name__:
            case "DocumentStartEvent":
                self.documents += 1
                if self.documents > 1:
                    self.refuse("a second document begins", "keep one document in the file")
            case "MappingStartEvent":
                self._enter("mapping", event)
            case "SequenceStartEvent":
                self._enter("sequence", event)
            case "MappingEndEvent" | "SequenceEndEvent":
                self._depth -= 1
                self.end(event)
            case "ScalarEvent":
                self.scalar(event)
            case "AliasEvent":
                self.alias(event)

    def _enter(self, kind: Collection, event: Any) -> None:
        if self._depth >= MAX_DEPTH:
            self.refuse(f"nested deeper than {MAX_DEPTH} levels", "make it flatter")
        self._depth += 1
        self.begin(kind, event)

    def refuse(self, why: str, todo: str) -> NoReturn:
        """Raise the error about what stands at `last`."""
        raise refusal(self.where, self.last, why, todo)

    def refuse_more(self, count: int) -> None:
        """Refuse one more value where there are `count` already."""
        if count >= MAX_VALUES:
            self.refuse(f"more than {MAX_VALUES} values", "make it shorter")

    def begin(self, kind: Collection, event: Any) -> None:
        """A mapping or a sequence begins."""
        raise NotImplementedError

    def end(self, event: Any) -> None:
        """It ends."""
        raise NotImplementedError

    def scalar(self, event: Any) -> None:
        """A scalar stands here."""
        raise NotImplementedError

    def alias(self, event: Any) -> None:
        """An alias stands here; `fsm.formats.yamldoc.events.events` lets none pass."""
        raise NotImplementedError
