"""The one way in which a manifest is written, byte for byte, so that two tools that mean the same sign the same.

Keys in the schema's order (a step's action and a check's type first, descriptions last), texts in double quotes, values
that equal their default left out, two spaces, ``\\n``, UTF-8. Reading it gives the same manifest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from fsm.model import Model

_FIRST: Final = ("action", "type")
_LAST: Final = ("description",)
# Compiled at its first use: that takes 5 ms, and a resume writes no manifest.
_ESCAPED: Final = r"[^ !#-\[\]-~\xa1-\u167f\u1681-\u1fff\u2030-\u205e\u2070-\u2fff\u3001-\ud7ff\U00010000-\U0001fffd]"
_NAMED: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def canonical(manifest: Model) -> bytes:
    """The canonical bytes of a manifest, or of another model that has lists of models and plain values.

    `fsm.formats.manifest.parse` gives the same manifest back.
    """
    return ("\n".join(_mapping(manifest)) + "\n").encode("utf-8")


def _mapping(model: Model) -> Iterator[str]:
    for key, value in _given(model):
        if not isinstance(value, tuple):
            yield f"{key}: {_scalar(value)}"
        elif not value:
            yield f"{key}: []"
        else:
            yield f"{key}:"
            for entry in value:
                lines = _mapping(entry) if isinstance(entry, Model) else [_scalar(entry)]
                for number, line in enumerate(lines):
                    yield f"{'    ' if number else '  - '}{line}"


def _given(model: Model) -> Iterator[tuple[str, Any]]:
    """The keys that differ from their default, in order."""
    values = {key: getattr(model, key) for key in type(model).model_fields}
    middle = [key for key in values if key not in (*_FIRST, *_LAST)]
    for key in (*_FIRST, *middle, *_LAST):
        if key in values:
            field = type(model).model_fields[key]
            if field.is_required() or values[key] != field.get_default(
                call_default_factory=True, validated_data=values
            ):
                yield key, values[key]


def _scalar(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value).replace("inf", ".inf")
        case _:
            return f'"{re.sub(_ESCAPED, _escape, str(value))}"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    number = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{number:02X}" if number < 0x100 else f"\\u{number:04X}" if number < 0x10000 else f"\\U{number:08X}"
