"""Makes a document of parser events, without recursion, and refuses what is not plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from fsm.formats.yamldoc.document import Document, Path, Place, refusal
from fsm.formats.yamldoc.reader import Collection, Reader
from fsm.formats.yamldoc.scalars import kind as kind_of
from fsm.formats.yamldoc.scalars import resolve

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


class Builder(Reader):
    """Makes a `Document` of parser events; refuses what is not plain data."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self._open: list[_Open] = []
        self._root: Any = None
        self._values: dict[Path, Place] = {}
        self._keys: dict[Path, Place] = {}
        self._texts: dict[Path, str] = {}

    def document(self) -> Document:
        """What was built, after the last event."""
        if self.documents == 0:
            raise refusal(self.where, (1, 1), "the document is empty", "write a mapping, key: value")
        if not isinstance(self._root, dict):
            raise refusal(
                self.where, self._values[()], f"the document is {kind_of(self._root)}", "write a mapping, key: value"
            )
        return Document(self.where, self._root, self._values, self._keys, self._texts)

    def begin(self, kind: Collection, event: Any) -> None:
        """See `Reader.begin`."""
        value: dict[str, Any] | list[Any] = {} if kind == "mapping" else []
        if self._open and self._open[-1].wants_key:
            self.refuse(f"a key is {kind_of(value)}", "use a text as the key")
        self._open.append(_Open(value, self._add(value)))

    def end(self, event: Any) -> None:
        """See `Reader.end`."""
        self._open.pop()

    def scalar(self, event: Any) -> None:
        """See `Reader.scalar`."""
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
            raise refusal(self.where, self.last, "an escape names half a character", todo) from error

    def _resolved(self, text: str) -> str | int | float | bool | None:
        try:
            return resolve(text)
        except ValueError as error:
            raise refusal(self.where, self.last, str(error), "quote it, if it is a text") from error

    def _key(self, key: Any, *, merge: bool, text: str) -> None:
        if merge:
            self.refuse("merge keys (<<) are not allowed", "write the keys out")
        if not isinstance(key, str):
            self.refuse(f"the key {_short(text) or 'here'} is {kind_of(key)}", "use a text as the key; quote it")
        top = self._open[-1]
        path = (*top.path, key)
        if path in self._keys:
            before = self._keys[path]
            self.refuse(f'the key "{_short(key)}" stands here a second time', f"the first is at line {before[0]}")
        self._keys[path] = self.last
        top.key = key

    def _add(self, value: Any) -> Path:
        """Put a value into what is open, and remember where it stands."""
        self.refuse_more(len(self._values))
        path = self._open[-1].put(value) if self._open else ()
        if not self._open:
            self._root = value
        self._values[path] = self.last
        return path


def _short(text: str) -> str:
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return repr(shown)[1:-1]
