"""The words of a format, for the fuzzer's dictionary: what its JSON Schema names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def words_of(schema: Any) -> tuple[bytes, ...]:
    """The keys and constants of a schema."""
    return tuple(sorted({word.encode() for word in _words(schema) if word and not word.startswith("^")}))


def _words(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _words(each)
    elif isinstance(schema, dict):
        yield from schema.get("properties", {})
        for each in (schema.get("const"), *schema.get("enum", ())):
            if isinstance(each, str):
                yield each
        for each in schema.values():
            yield from _words(each)
