"""What an archive is: by its first bytes, which have to agree with its name."""

from __future__ import annotations

import re
from typing import BinaryIO, Final

from fsm.system.archive.model import BrokenError, Kind
from fsm.system.archive.tarheader import BLOCK, looks_like_tar

_MAGIC: Final[tuple[tuple[bytes, Kind], ...]] = (
    (b"\x1f\x8b", "tar.gz"),
    (b"BZh", "tar.bz2"),
    (b"\xfd7zXZ\x00", "tar.xz"),
    (b"\x28\xb5\x2f\xfd", "tar.zst"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
)

_SUFFIXES: Final[tuple[tuple[str, Kind], ...]] = (
    (".tar.gz", "tar.gz"),
    (".tgz", "tar.gz"),
    (".tar.bz2", "tar.bz2"),
    (".tbz2", "tar.bz2"),
    (".tar.xz", "tar.xz"),
    (".txz", "tar.xz"),
    (".tar.zst", "tar.zst"),
    (".tzst", "tar.zst"),
    (".tar", "tar"),
    (".zip", "zip"),
    (".whl", "wheel"),
)

_HTML: Final = re.compile(rb"^(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|\?xml|!--)", re.IGNORECASE)


def detect(file: BinaryIO, name: str) -> Kind:
    """What kind of archive an open file is; it is read from its beginning and left there.

    Args:
        file: the archive.
        name: its name as it was published. One without a known suffix says nothing.

    Raises:
        BrokenError: it is no archive, or of another kind than its name says.
    """
    head = file.read(BLOCK)
    file.seek(0)
    named = next((kind for suffix, kind in _SUFFIXES if name.lower().endswith(suffix)), None)
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if found is None and looks_like_tar(head):
        found = "tar"
    if found is None:
        raise BrokenError(f"{_described(head)}, not an archive")
    if named == "wheel" and found == "zip":
        return "wheel"
    if named is not None and named != found:
        raise BrokenError(f"its name says {named}, but it is a {found} file")
    return found


def _described(head: bytes) -> str:
    if not head:
        return "it is empty"
    if _HTML.match(head):
        return "it is a web page (HTML or XML), perhaps an error page of the server"
    if not head.strip(b"\0"):
        return "it begins with zeros only"
    try:
        text = head.decode("utf-8", "strict" if len(head) < BLOCK else "ignore")
    except UnicodeDecodeError:
        return "it is of an unknown kind"
    if not all(char.isprintable() or char.isspace() for char in text):
        return "it is of an unknown kind"
    return f"it is a text that begins with {' '.join(text.split())[:40]!r}"
