"""Changes of a keyring. Each counts its version up, and none is in force before root keys have signed it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ValidationError

from fsm.errors import UsageError, count
from fsm.formats.explain import first_problem
from fsm.formats.trust.documents import Key, Keyring, Revoked


def added(ring: Keyring | None, key: Key) -> Keyring:
    """The keyring with one more key; a first one where there is none.

    Raises:
        UsageError: it has a key of that name, or that key.
    """
    return _changed(ring, {"keys": (*(ring.keys if ring else ()), key)})


def ending(ring: Keyring, name: str, not_after: str) -> Keyring:
    """The keyring in which a key is good until then, and not longer than it was.

    Raises:
        UsageError: it has no such key.
    """
    key = _named(ring, name)
    until = min(not_after, key.not_after or not_after)
    ended = key.model_copy(update={"not_after": until})
    return _changed(ring, {"keys": tuple(ended if each is key else each for each in ring.keys)})


def revoked(ring: Keyring, name: str, why: str, now: datetime) -> Keyring:
    """The keyring in which a key is believed no more.

    Raises:
        UsageError: it has no such key, or too few are left that are good now.
    """
    key = _named(ring, name)
    try:
        gone = Revoked(name=key.name, key=key.key, why=why)
    except ValidationError as error:
        wrong = "the reason has line breaks, or is too long"
        raise UsageError(f"cannot revoke {name}", wrong, "correct it") from error
    left = tuple(each for each in ring.keys if each is not key)
    good = [each for each in left if not each.is_over(now)]
    if len(good) < ring.threshold:
        todo = "add another key first (`fsm keys new NAME --keyring FILE`), then revoke this one"
        why_not = f"{count(len(good), 'key')} would be left, but {ring.threshold} must sign"
        raise UsageError(f"cannot revoke {name}", why_not, todo)
    return _changed(ring, {"keys": left, "revoked": (*ring.revoked, gone)})


def with_threshold(ring: Keyring, threshold: int) -> Keyring:
    """The keyring with which so many keys must have signed a manifest.

    Raises:
        UsageError: it has fewer keys.
    """
    return _changed(ring, {"threshold": threshold})


def _named(ring: Keyring, name: str) -> Key:
    for each in ring.keys:
        if each.name == name:
            return each
    names = ", ".join(each.name for each in ring.keys)
    raise UsageError(f"there is no key {name!r}", f"the keyring has {names}", "see `fsm keys show`")


def _changed(ring: Keyring | None, update: dict[str, Any]) -> Keyring:
    """The next version, validated as if it had been read."""
    # Not `dict(ring)`: that takes what has `keys` for a mapping.
    before: dict[str, Any] = {name: getattr(ring, name) for name in Keyring.model_fields} if ring else {}
    try:
        return Keyring(**{**before, **update, "version": ring.version + 1 if ring else 1})
    except ValidationError as error:
        raise UsageError("cannot change the keyring", first_problem(error).why, "correct the call") from error
