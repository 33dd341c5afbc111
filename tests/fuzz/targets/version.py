"""Versions, and the files that say which one is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fsm.formats.version_file import VersionFile, ask
from fsm.versions import Version

WORDS = (b"rc1", b".dev0", b".post1", b"-poc", b"+build7", b"1!", b"v1.2", b'{"full_version": "', b'"version": "1.2"}')
LONGEST = 512


def run(data: bytes) -> None:
    """Compare two versions with a line break between them; the whole is a version file as well."""
    Path("VERSION").write_bytes(data)
    version, why = ask(VersionFile(Path.cwd(), "VERSION"))
    assert (version is None) == bool(why), "unknown without a reason, or known with one"
    found = [each for part in data.split(b"\n")[:3] if (each := Version.parse(part.decode("utf-8", "replace")))]
    for each in found:
        again = Version(each.canonical)
        assert again == each, f"{each!r} is not its canonical form"
        assert hash(again) == hash(each)
        assert again.canonical == each.canonical
        assert "/" not in str(each)
    for one in found:
        for other in found:
            assert (one < other) + (other < one) + (one == other) == 1, f"{one!r} and {other!r} are in no order"
            assert (one.canonical == other.canonical) == (one == other), f"{one!r} and {other!r}: one key, or two?"


def seeds() -> Iterator[bytes]:
    """Each form."""
    yield b"v1.4.0\n1.4\n"
    yield b"2.0.0rc1\n2.0.0-poc.2\n2.0.0-poc.10"
    yield b"1!2.3.post4.dev5+build.7\n3.0.0-alpha-1+a.b\n"
    yield b'{"full_version": "1.2.3+g123", "version": "1.2.3"}'
    yield b'\xef\xbb\xbf{"version": "1.2.3"}\n'
