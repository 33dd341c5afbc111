"""Signatures and keys in minisign's format, and what a host concludes from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Final

from fsm.errors import TrustError
from fsm.formats.manifest import canonical
from fsm.formats.trust import Key, Keyring, PublicKey, SecretKey, SignedFile, Trust, TrustSpec
from fsm.formats.trust.minisign import sign
from fsm.formats.trust.signing import sign_keyring
from tests.fuzz.keys import CI, ROOT, SPARE

MESSAGE: Final = b'version: "1.2.0"\n'
COMMENT: Final = "fsm-manifest:1 repository=acme/shop component=web version=1.2.0 sequence=1700000000"

WORDS = tuple(word.encode() for word in (*COMMENT.split(), "untrusted comment: ", "trusted comment: ", "fsm-keyring:1"))
LONGEST = 4096


@cache
def _ring() -> Keyring:
    keys = (Key(name="ci", key=str(CI.public_key)), Key(name="spare", key=str(SPARE.public_key)))
    return Keyring(version=1, keys=keys)


def _host() -> Trust:
    spec = TrustSpec(root_keys=(str(ROOT.public_key),))
    return Trust(spec, sign_keyring(_ring(), [ROOT]), datetime(2026, 6, 1, tzinfo=UTC))


def run(data: bytes) -> None:
    """The first byte says what it is: a key, a signature file, or a comment that is signed with a known key."""
    kind, rest = data[:1], data[1:]
    match kind:
        case b"k":
            _keys(rest.decode("utf-8", "replace"))
        case b"c":
            comment = rest.decode("utf-8", "replace")
            _signed(sign(MESSAGE, CI, comment=comment).encode())
            _learnt(sign(canonical(_ring()), ROOT, comment=comment).encode())
        case _:
            _signed(rest)
            _learnt(rest)


def _keys(text: str) -> None:
    with suppress(TrustError):
        key = PublicKey.parse(text)
        assert PublicKey.parse(key.file()) == key
    SecretKey.is_locked(text)
    secret = SecretKey.load(text)
    assert SecretKey.load(secret.file()) == secret


def _signed(signature: bytes) -> None:
    with suppress(TrustError):
        said = _host().manifest(SignedFile(MESSAGE, signature), what="it", repository="acme/shop", component="web")
        assert {"ci", "spare"}.issuperset(said.names)
    with suppress(TrustError):
        _host().withdrawn(SignedFile(MESSAGE, signature), repository="acme/shop")


def _learnt(signature: bytes) -> None:
    _host().learn(SignedFile(canonical(_ring()), signature), "the keyring")


def seeds() -> Iterator[bytes]:
    """A signature, two in a file, keys, comments."""
    one, other = (sign(MESSAGE, key, comment=COMMENT).encode() for key in (CI, SPARE))
    yield from (b"s" + one, b"s" + one + other, b"s" + sign_keyring(_ring(), [ROOT]).signature)
    yield from (b"k" + CI.file().encode(), b"k" + CI.public_key.file().encode(), b"k" + str(CI.public_key).encode())
    yield from (b"c" + COMMENT.encode(), b"cfsm-keyring:1 version=1", b"cfsm-withdrawn:1 repository=a/b sequence=1")
