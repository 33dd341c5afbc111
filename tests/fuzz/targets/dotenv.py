"""`.env` files beside a compose file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fsm_container.dotenv import assigned, entries, values

NEW: Final = "9.9.9"

WORDS = (b"export ", b"TAG", b"='", b'="', b"=", b": ", b" #", b"${TAG}", b"\\n", b"\r\n", b"\xef\xbb\xbf", b'"', b"'")
LONGEST = 1024


def run(data: bytes) -> None:
    """Read it, and change every variable whose value can be told."""
    known = values(data)
    for entry in entries(data):
        assert entry.value is None or data[entry.start : entry.end].decode("utf-8", "surrogateescape") == entry.value
    plain = [key for key, value in known.items() if value is not None]
    for key in (*plain[:8], "A_NEW_ONE"):
        offset, old, new = assigned(data, key, NEW)
        assert data[offset : offset + len(old)] == old, "the change is about other bytes"
        after = values(data[:offset] + new + data[offset + len(old) :])
        assert after == {**known, key: NEW}, f"changing {key} changes more, or something else"


def seeds() -> Iterator[bytes]:
    """What people write."""
    yield b"# versions\nTAG=1.2.0\nexport REGISTRY=127.0.0.1:5000 # here\n\nNAME='a b'\nTEXT=\"a\\n$TAG\"\n"
    yield b"\xef\xbb\xbfTAG: 1.2.0\r\nEMPTY=\r\nOTHER = x#y \r\n"
    yield b'KEY="several\nlines"\nTAG=1\nTAG=2'
