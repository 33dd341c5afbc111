"""Plain words for the messages about a manifest: what a value is, and what a key wants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from fsm.formats.manifest.schema import FETCHABLE
from fsm.formats.manifest.steps import RELEASE_URL
from fsm.formats.yamldoc import Path, kind, resolve
from fsm.model import MEANINGS

MEANINGS[FETCHABLE] = MEANINGS[RELEASE_URL]

_TYPES: Final = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "string": "a text",
}


def expected(schema: dict[str, Any]) -> str:
    """What the JSON Schema of a key asks for, in words."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if options:
        return f"{expected(options[0])}, or leave the key out"
    if "pattern" in schema:
        return MEANINGS[schema["pattern"]]
    return f"{_TYPES[schema['type']]}{_range(schema)}"


def _range(schema: dict[str, Any]) -> str:
    low, high, above = (schema.get(key) for key in ("minimum", "maximum", "exclusiveMinimum"))
    if low is not None and high is not None:
        return f" from {low} to {high}"
    parts = [
        f"{words} {_number(limit)}"
        for words, limit in (("at least", low), ("greater than", above), ("at most", high))
        if limit is not None
    ]
    return f" {' and '.join(parts)}" if parts else ""


def _number(limit: float) -> str:
    return f"{limit:.15g}"


def shown(value: Any, written: str | None) -> str:
    """A value as a message shows it: ``"ok"``, ``the number 1.10``, ``true``, ``empty``, ``a list``."""
    match value:
        case str():
            return quoted(value)
        case bool():
            return written or str(value).lower()
        case int() | float():
            reads = f"{value:.15g}" if isinstance(value, float) else str(value)
            note = f", which YAML reads as {clip(reads)}" if written and reads != written else ""
            return f"the number {clip(written or reads)}{note}"
        case _:
            return kind(value)


def quoted(text: str) -> str:
    """A text in double quotes, on one line, at most 60 characters of it."""
    return '"' + clip(text).replace('"', '\\"') + '"'


def clip(text: str) -> str:
    """The beginning of a text, on one line and without control characters."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")[1:-1].replace("\\'", "'")


def unquoted_types(text: str) -> set[str]:
    """The types of JSON Schema that a quoted text would have without its quotes."""
    try:
        value = resolve(text)
    except ValueError:
        return set()
    return {bool: {"boolean"}, int: {"integer", "number"}, float: {"number"}}.get(type(value), set())


def dotted(path: Path) -> str:
    """A path as people write it: ``post_update_checks[1].expected_status``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if part.isidentifier() and len(part) <= 60 else f"[{quoted(part)}]"
    return text.removeprefix(".")


def suggestion(word: object, known: Iterable[str]) -> str:
    """A did-you-mean where a known word is close, else the list of all."""
    import difflib  # noqa: PLC0415 - only for an error message

    words = sorted(known)
    close = difflib.get_close_matches(str(word)[:60], words, n=1)
    return f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(words)}"
