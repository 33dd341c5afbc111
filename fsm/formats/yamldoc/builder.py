"""Makes a document of parser events, without recursion, and refuses what is not plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from fsm.errors import ManifestError
from fsm.formats.yamldoc.document import Document, Path, Place, refusal
from fsm.formats.yamldoc.events import place_of
from fsm.formats.yamldoc.scalars import kind, resolve

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 50_000

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass
class _Open:
    """A list or mapping that has not ended yet."""

    value: dict[str, Any] | list[Any]
    path: Path
    key: str | None = None

    @property
    def wants_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None

    def put(self, value: Any) -> Path:
        """Add a value; gives back its path."""
        if isinstance(self.value, list):
            self.value.append(value)
            return (*self.path, len(self.value) - 1)
        key, self.key = self.key or "", None
        self.value[key] = value
        return (*self.path, key)


class Builder:
    """Makes a `Document` of parser events; refuses what is not plain data."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.last: Place = (1, 1)
        self._open: list[_Open] = []
        self._root: Any = None
        self._documents = 0
        self._values: dict[Path, Place] = {}
        self._keys: dict[Path, Place] = {}
        self._texts: dict[Path, str] = {}

    def document(self) -> Document:
        """What was built, after the last event."""
        if self._documents == 0:
            raise refusal(self.where, (1, 1), "the document is empty", "write a mapping, key: value")
        if not isinstance(self._root, dict):
            raise refusal(
                self.where, self._values[()], f"the document is {kind(self._root)}", "write a mapping, key: value"
            )
        return Document(self.where, self._root, self._values, self._keys, self._texts)

    def take(self, event: Any) -> None:
        """Take the next event of the parser."""
        self.last = place_of(event.start_mark)
        match type(event).__name__:
            case "DocumentStartEvent":
                self._begin()
            case "MappingStartEvent":
                self._container({})
            case "SequenceStartEvent":
                self._container([])
            case "MappingEndEvent" | "SequenceEndEvent":
                self._open.pop()
            case "ScalarEvent":
                self._scalar(event)

    def _refusal(self, why: str, todo: str) -> ManifestError:
        return refusal(self.where, self.last, why, todo)

    def _begin(self) -> None:
        self._documents += 1
        if self._documents > 1:
            raise self._refusal("a second document begins", "keep one document in the file")

    def _container(self, value: dict[str, Any] | list[Any]) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise self._refusal(f"nested deeper than {MAX_DEPTH} levels", "make it flatter")
        if self._open and self._open[-1].wants_key:
            raise self._refusal(f"a key is {kind(value)}", "use a text as the key")
        self._open.append(_Open(value, self._add(value)))

    def _scalar(self, event: Any) -> None:
        text = self._whole(event.value) if _SURROGATE.search(event.value) else event.value
        plain = event.style is None or event.style == ""
        value = self._resolved(text) if plain else text
        if self._open and self._open[-1].wants_key:
            self._key(value, merge=plain and value == "<<", text=text)
            return
        path = self._add(value)
        if not isinstance(value, str):
            self._texts[path] = text

    def _whole(self, text: str) -> str:
        """A text whose characters beyond U+FFFF were written as two escapes, as JSON does."""
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as error:
            todo = "write the character itself, or \\U and 8 digits"
            raise self._refusal("an escape names half a character", todo) from error

    def _resolved(self, text: str) -> str | int | float | bool | None:
        try:
            return resolve(text)
        except ValueError as error:
            raise self._refusal(str(error), "quote it, if it is a text") from error

    def _key(self, key: Any, *, merge: bool, text: str) -> None:
        if merge:
            raise self._refusal("merge keys (<<) are not allowed", "write the keys out")
        if not isinstance(key, str):
            raise self._refusal(f"the key {_short(text) or 'here'} is {kind(key)}", "use a text as the key; quote it")
        top = self._open[-1]
        path = (*top.path, key)
        if path in self._keys:
            before = self._keys[path]
            raise self._refusal(
                f'the key "{_short(key)}" stands here a second time', f"the first is at line {before[0]}"
            )
        self._keys[path] = self.last
        top.key = key

    def _add(self, value: Any) -> Path:
        """Put a value into what is open, and remember where it stands."""
        if len(self._values) >= MAX_VALUES:
            raise self._refusal(f"more than {MAX_VALUES} values", "make it shorter")
        path = self._open[-1].put(value) if self._open else ()
        if not self._open:
            self._root = value
        self._values[path] = self.last
        return path


def _short(text: str) -> str:
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return repr(shown)[1:-1]
