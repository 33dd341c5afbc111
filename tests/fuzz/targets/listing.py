"""Directory listings of web servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fsm.sources.htmlindex import Entries

URL: Final = "https://example.org/releases/web/"

WORDS = (
    b'<a href="',
    b"</a>",
    b"../",
    b"%2e%2e/",
    b"?C=N",
    b"//example.org/",
    b"&amp;",
    b"<!--",
    b"<![CDATA[",
    b"<script>",
)
LONGEST = 2048


def run(data: bytes) -> None:
    """No name may lead out of the folder."""
    entries = Entries(data, URL)
    for name in (*entries.folders, *entries.files):
        assert name not in ("", ".", ".."), f"{name!r} is no name"
        assert "/" not in name, f"{name!r} leads elsewhere"


def seeds() -> Iterator[bytes]:
    """nginx's, and one with oddities."""
    yield b'<html><head><title>Index</title></head><body><a href="../">../</a>\n<a href="1.2.0/">1.2.0/</a></body>'
    yield b'<A HREF=\'/releases/web/a%20b.tar.gz\'>x</A><a href="?C=M;O=A">m</a><a href="https://x.org/y">z</a><!-- -->'
