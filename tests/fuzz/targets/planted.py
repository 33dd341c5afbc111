"""A reader with a bug, for the test that such are found."""

from __future__ import annotations

from collections.abc import Iterator

WORDS = (b"KEYWORD",)
LONGEST = 64


def run(data: bytes) -> None:
    """Fail for one beginning."""
    if data.startswith(b"KEYWORD"):
        raise ZeroDivisionError


def seeds() -> Iterator[bytes]:
    """Nothing that fails."""
    yield b"something"
