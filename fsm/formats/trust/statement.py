"""What a trusted comment says: of what kind the signed bytes are, and what they belong to.

One line, signed with the signature: ``fsm-manifest:1 repository=owner/name component=web version=1.2.3
sequence=1700000000``. So a signature over one kind of file, or for one component, is of no use for another; and what
is bound is also readable for people with `minisign` alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from fsm.errors import TrustError

MANIFEST: Final = "fsm-manifest:1"
KEYRING: Final = "fsm-keyring:1"
WITHDRAWN: Final = "fsm-withdrawn:1"

_KEYS: Final = {
    MANIFEST: ("repository", "component", "version", "sequence"),
    KEYRING: ("version",),
    WITHDRAWN: ("repository", "sequence"),
}
_VALUE: Final = re.compile(r"[!-~]{1,200}")
"""No spaces, and nothing but ASCII: what a value is must not depend on who reads it."""


def write(kind: str, values: Mapping[str, object]) -> str:
    """The comment.

    Args:
        kind: one of those above.
        values: exactly the keys of that kind.

    Raises:
        TrustError: a value cannot stand in a comment.
    """
    for key in _KEYS[kind]:
        if not _VALUE.fullmatch(str(values[key])):
            raise TrustError("cannot sign", f"the {key} {str(values[key])[:80]!r} is empty or has spaces", "correct it")
    return " ".join((kind, *(f"{key}={values[key]}" for key in _KEYS[kind])))


def read(comment: str, kind: str) -> dict[str, str]:
    """What a comment says.

    Args:
        comment: from a signature that was verified.
        kind: what it must be about.

    Raises:
        TrustError: it is about something else, or has another form.
    """
    head, *parts = comment.split(" ")
    pairs = [part.partition("=") for part in parts]
    if head != kind or tuple(key for key, _, _ in pairs) != _KEYS[kind] or not all(value for _, _, value in pairs):
        what = f"its comment is {comment[:200]!r}, and one that begins with {kind} is needed"
        raise TrustError("the signature is for something else", what, "sign with `fsm release build --key`")
    return {key: value for key, _, value in pairs}
