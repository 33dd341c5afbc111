"""`SHA256SUMS` and its like, from a server."""

from __future__ import annotations

from collections.abc import Iterator

from fsm.formats.sums import parse_sums, sums
from fsm.model import SHA256, matches

WORDS = (b"SHA256 (", b") = ", b"  ", b" *", b"\\", b"./", b"-", b"0" * 64, b"#", b"\r\n", b"SHA512 (", b"\xef\xbb\xbf")
LONGEST = 2048


def run(data: bytes) -> None:
    """Read it as the sources do."""
    found = parse_sums(data.decode("utf-8", "replace"))
    assert all(matches(SHA256, digest) for digest in found.values())


def seeds() -> Iterator[bytes]:
    """Each style."""
    digests = {name: {"sha256": "0a" * 32, "sha512": "1b" * 64} for name in ("a-1.0.tar.gz", "b c.whl")}
    yield from (data for name, data in sums(digests, ("bsd", "files", "sha512")).items() if name != "SHA512SUMS")
    yield b"\\" + b"a" * 64 + b"  a\\nb\\\\c\n" + b"b" * 64 + b" *./d\r\n# end\n"
