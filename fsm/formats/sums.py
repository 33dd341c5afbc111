"""Checksum files, as coreutils, the BSDs and releases write them: read, and written.

Only SHA-256 is read. A checksum file that also lists other algorithms is read for its SHA-256 lines; one that has none,
or that is not a checksum file at all (an error page, say), is refused rather than taken as "no sums".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from fsm.errors import IntegrityError

if TYPE_CHECKING:
    from fsm.model import Digest  # pydantic, for which files that are hashed need not wait

STYLES: Final = ("bsd", "files", "sha512")
"""What there may be beside ``SHA256SUMS``."""


def algorithms(styles: Sequence[str]) -> tuple[str, ...]:
    """The names, in `hashlib`, of what the checksum files need."""
    return ("sha256", "sha512") if "sha512" in styles else ("sha256",)


def sums(digests: Mapping[str, Mapping[str, str]], styles: Sequence[str] = ()) -> dict[str, bytes]:
    """The checksum files, by name.

    Args:
        digests: of each file, by its name: hexadecimal digits by algorithm.
        styles: ``bsd`` (``SHA256SUMS.bsd``), ``files`` (a ``.sha256`` beside each file), ``sha512`` (``SHA512SUMS``).
    """
    names = sorted(digests)
    files = {"SHA256SUMS": "".join(_gnu(name, digests[name]["sha256"]) for name in names)}
    if "sha512" in styles:
        files["SHA512SUMS"] = "".join(_gnu(name, digests[name]["sha512"]) for name in names)
    if "bsd" in styles:
        files["SHA256SUMS.bsd"] = "".join(f"SHA256 ({name}) = {digests[name]['sha256']}\n" for name in names)
    if "files" in styles:
        files |= {f"{name}.sha256": _gnu(name, digests[name]["sha256"]) for name in names}
    return {name: text.encode() for name, text in files.items()}


def _gnu(name: str, digest: str) -> str:
    return f"{digest}  {name}\n"


_GNU: Final = re.compile(r"^(\\?)([0-9a-fA-F]{64})(?: [ *]|[ \t])(.+)$")
_BSD: Final = re.compile(r"^(\\?)SHA256 \((.+)\) = ([0-9a-fA-F]{64})$")
_BARE: Final = re.compile(r"^[0-9a-fA-F]{64}$")
_OTHER_ALGORITHM: Final = re.compile(r"^\\?(?!SHA256 )[A-Za-z0-9/-]{2,20} \(.+\) = [0-9a-fA-F]+$")
_ESCAPES: Final = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}


def parse_sums(text: str) -> dict[str, Digest]:
    r"""The digests of a checksum file, by file name.

    Known forms: GNU coreutils (``<hex>  name``, ``<hex> *name``; a line that starts with a backslash has ``\\``, ``\n``
    and ``\r`` escaped in its name, https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html),
    BSD (``SHA256 (name) = <hex>``) and a sidecar ``<asset>.sha256`` that holds the hexadecimal digits alone or with
    the name ``-``, whose key is the empty string. Empty lines, ``#`` comments and other algorithms' BSD lines are
    passed over; a leading ``./`` of a name is dropped.

    Raises:
        IntegrityError: a line is none of these, a name has two digests, or no digest is there at all.
    """
    sums: dict[str, Digest] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = raw.rstrip("\r \t")
        if not line or line.startswith("#") or _OTHER_ALGORITHM.match(line):
            continue
        name, digest = _sum_line(line, number)
        if sums.setdefault(name, digest) != digest:
            raise _unreadable(f"line {number} gives {name or 'the file'!r} a second, different digest")
    if not sums:
        raise _unreadable("it holds no SHA-256 digest")
    return sums


def _sum_line(line: str, number: int) -> tuple[str, Digest]:
    if _BARE.match(line):
        return "", f"sha256:{line.lower()}"
    if match := _GNU.match(line):
        escaped, digits, name = match.groups()
    elif match := _BSD.match(line):
        escaped, name, digits = match.groups()
    else:
        raise _unreadable(f"line {number} is not a checksum: {line[:60]!r}")
    if escaped:
        name = re.sub(r"\\[\\nr]", lambda found: _ESCAPES[found[0]], name)
    name = name.removeprefix("./")
    return "" if name == "-" else name, f"sha256:{digits.lower()}"


def _unreadable(why: str) -> IntegrityError:
    return IntegrityError("cannot read the checksums", why, "nothing was changed; the release is broken")
