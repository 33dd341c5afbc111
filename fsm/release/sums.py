"""The checksum files of a release, as `sha256sum --check` and its BSD relatives read them.

`fsm.system.digest.parse_sums` reads the same forms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

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
