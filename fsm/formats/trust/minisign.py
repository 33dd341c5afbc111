"""Keys and signatures in minisign's format: Ed25519 over the BLAKE2b-512 of the bytes, with a signed comment.

The format is that of https://jedisct1.github.io/minisign/ (prehashed signatures, algorithm ``ED``; the older ``Ed`` is
refused, as it signs another message). A signature file has four lines::

    untrusted comment: <anything>
    base64(algorithm[2] key_id[8] signature[64])
    trusted comment: <text that is signed with the signature>
    base64(signature[64] of signature[64] + trusted comment)

and one with several signatures has several times four. Whatever is wrong with a text is a `TrustError`; `cryptography`
is imported by what signs and verifies only.
"""

from __future__ import annotations

import binascii
import hashlib
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fsm.errors import TrustError

_UNTRUSTED: Final = "untrusted comment: "
_TRUSTED: Final = "trusted comment: "
_KEY: Final = b"Ed"
_PREHASHED: Final = b"ED"
_SCRYPT: Final = b"Sc"
_NO_KDF: Final = b"\x00\x00"
_BLAKE2B: Final = b"B2"

_PUBLIC_BYTES: Final = 2 + 8 + 32
_SIGNATURE_BYTES: Final = 2 + 8 + 64
_SECRET_BYTES: Final = 2 + 2 + 2 + 32 + 8 + 8 + 8 + 64 + 32

SIGNATURE_LIMIT: Final = 16 << 10
"""Bytes of a file with signatures: enough for 16 of them with comments as long as they may be."""

MOST_SIGNATURES: Final = 16

_COMMENT_LIMIT: Final = 1024

_OPERATIONS: Final = 33_554_432
_MEMORY: Final = 1 << 30
"""libsodium's "sensitive" limits, which minisign takes too: scrypt with N = 2^20, r = 8, p = 1, and 1 GiB."""


@dataclass(frozen=True)
class PublicKey:
    """What verifies a signature.

    Attributes:
        key_id: 8 bytes that only say which key to try.
        key: 32 bytes.
    """

    key_id: bytes
    key: bytes

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read the line that begins with ``RW``, or the file with it.

        Raises:
            TrustError: it is no public key of minisign.
        """
        lines = [line.strip() for line in text.strip().splitlines()]
        if len(lines) == 2 and lines[0].startswith(_UNTRUSTED.strip()):
            lines = lines[1:]
        if len(lines) != 1:
            raise _no_key("it has more than a comment and one line")
        data = _decoded(lines[0], _PUBLIC_BYTES)
        if data is None or data[:2] != _KEY:
            raise _no_key("a public key is one line of 56 characters that begins with RW")
        return cls(data[2:10], data[10:])

    @property
    def name(self) -> str:
        """The key's id as minisign shows it, e.g. ``E7620F1842B4E81F``."""
        return shown_id(self.key_id)

    def __str__(self) -> str:
        return b64encode(_KEY + self.key_id + self.key).decode("ascii")

    def file(self) -> str:
        """The content of a ``.pub`` file."""
        return f"{_UNTRUSTED}minisign public key {self.name}\n{self}\n"


def twice(keys: Sequence[PublicKey]) -> bool:
    """Whether two of the keys are one: of the same id or, under whatever ids, of the same 32 bytes."""
    return min(len({each.key_id for each in keys}), len({each.key for each in keys})) < len(keys)


@dataclass(frozen=True)
class Signature:
    """One signature as it was read; it means nothing before `verify`."""

    key_id: bytes
    signature: bytes
    comment: str
    comment_signature: bytes


@dataclass(frozen=True)
class Verified:
    """What a signature has shown.

    Attributes:
        key: whose signature it is.
        comment: the trusted comment.
    """

    key: PublicKey
    comment: str


@dataclass(frozen=True, repr=False)
class SecretKey:
    """What signs. Its text never appears in a message.

    Attributes:
        key_id: 8 bytes.
        seed: 32 bytes of Ed25519's private key.
        public: 32 bytes.
    """

    key_id: bytes
    seed: bytes
    public: bytes

    @classmethod
    def generate(cls) -> SecretKey:
        """A new key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - 60 ms

        private = Ed25519PrivateKey.generate()
        return cls(os.urandom(8), private.private_bytes_raw(), private.public_key().public_bytes_raw())

    @classmethod
    def load(cls, text: str, password: str | None = None) -> SecretKey:
        """Read a secret key's file.

        Args:
            text: its content.
            password: for one that is encrypted.

        Raises:
            TrustError: it is no secret key of minisign, or the password is wrong. Nothing of the text is told.
        """
        data = _secret(text)
        if data is None:
            raise TrustError(
                "cannot read the secret key",
                "it is not a minisign secret key: a comment line, then 212 characters starting with RW",
                "give the whole file that `fsm keys new` wrote",
            )
        salt, body = data[6:38], data[54:]
        if data[2:4] == _SCRYPT:
            if not password:
                todo = "give it, e.g. in $FSM_KEY_PASSWORD"
                raise TrustError("cannot read the secret key", "it is encrypted, and no password was given", todo)
            operations, memory = int.from_bytes(data[38:46], "little"), int.from_bytes(data[46:54], "little")
            body = _xor(body, _derive(password, salt, operations, memory))
        key_id, pair, checksum = body[:8], body[8:72], body[72:]
        # Minisign itself leaves the checksum of an unlocked key empty; the pair shows as well whether it is whole.
        empty = data[2:4] == _NO_KDF and not any(checksum)
        if not (_is_pair(pair) if empty else _checksum(key_id, pair) == checksum):
            why = "the password is wrong" if data[2:4] == _SCRYPT else "its checksum is wrong"
            raise TrustError("cannot read the secret key", why, "check key and password")
        return cls(key_id, pair[:32], pair[32:])

    def file(self, password: str | None = None) -> str:
        """The content of a ``.key`` file; without a password, whoever reads it can sign."""
        body = self.key_id + self.seed + self.public + _checksum(self.key_id, self.seed + self.public)
        salt, kdf, limits = bytes(32), _NO_KDF, bytes(16)
        if password:
            salt, kdf = os.urandom(32), _SCRYPT
            limits = _OPERATIONS.to_bytes(8, "little") + _MEMORY.to_bytes(8, "little")
            body = _xor(body, _derive(password, salt, _OPERATIONS, _MEMORY))
        encrypted = "encrypted " if password else ""
        line = b64encode(_KEY + kdf + _BLAKE2B + salt + limits + body).decode("ascii")
        return f"{_UNTRUSTED}minisign {encrypted}secret key {self.public_key.name}\n{line}\n"

    @staticmethod
    def is_locked(text: str) -> bool | None:
        """Whether a secret key's file needs a password, whatever its comment says; None if it is no such file."""
        data = _secret(text)
        return None if data is None else data[2:4] == _SCRYPT

    @property
    def public_key(self) -> PublicKey:
        """What verifies its signatures."""
        return PublicKey(self.key_id, self.public)

    def __repr__(self) -> str:
        return f"SecretKey({self.public_key.name})"


def shown_id(key_id: bytes) -> str:
    """A key's id as minisign shows it: a little-endian number in hexadecimal, here always with 16 digits."""
    return f"{int.from_bytes(key_id, 'little'):016X}"


def sign(data: bytes, key: SecretKey, *, comment: str) -> str:
    """Sign bytes; the same bytes, key and comment give the same text.

    Args:
        data: exactly what is signed.
        key: whose signature it is.
        comment: the trusted comment: one line, signed with the signature.

    Raises:
        TrustError: the comment is more than one line.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - 60 ms

    if not comment.isprintable() or len(comment.encode()) > _COMMENT_LIMIT:
        raise TrustError(
            "cannot sign", f"the trusted comment {comment[:80]!r} is not a single short line", "shorten it"
        )
    private = Ed25519PrivateKey.from_private_bytes(key.seed)
    signature = private.sign(hashlib.blake2b(data).digest())
    both = private.sign(signature + comment.encode())
    line = b64encode(_PREHASHED + key.key_id + signature).decode("ascii")
    head = f"{_UNTRUSTED}signature from minisign secret key {key.public_key.name}"
    return f"{head}\n{line}\n{_TRUSTED}{comment}\n{b64encode(both).decode('ascii')}\n"


def signatures(data: bytes) -> tuple[Signature, ...]:
    """Read a file with one or several signatures.

    Raises:
        TrustError: it is longer than `SIGNATURE_LIMIT`, or has another form.
    """
    if len(data) > SIGNATURE_LIMIT:
        raise _no_signature(f"it has more than {SIGNATURE_LIMIT} bytes")
    try:
        lines = data.decode("utf-8").replace("\r\n", "\n").rstrip("\n").split("\n")
    except UnicodeDecodeError as error:
        raise _no_signature("it is not UTF-8") from error
    if len(lines) % 4 or len(lines) > 4 * MOST_SIGNATURES:
        raise _no_signature(f"it has {len(lines)} lines; a signature has four, and a file 16 signatures at most")
    return tuple(_signature(lines[start : start + 4]) for start in range(0, len(lines), 4))


def _signature(lines: list[str]) -> Signature:
    first = _decoded(lines[1], _SIGNATURE_BYTES)
    both = _decoded(lines[3], 64)
    if first is None or both is None or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        raise _no_signature("its four lines are not those of a signature")
    if first[:2] != _PREHASHED:
        raise _no_signature("it is not prehashed (algorithm ED): sign with `minisign -S -H`, or a newer minisign")
    return Signature(first[2:10], first[10:], lines[2].removeprefix(_TRUSTED), both)


def verify(data: bytes, signature: bytes, keys: Iterable[PublicKey]) -> tuple[Verified, ...]:
    """The signatures that hold, one for each key: one key is one, under however many ids it signs.

    Args:
        data: what should be signed.
        signature: the content of the signature file.
        keys: those that are believed. Signatures of other keys are passed over: the file may have more of them.

    Returns:
        In the file's order; empty if no signature is by one of the keys.

    Raises:
        TrustError: the file has another form, or a signature by one of the keys is wrong.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 60 ms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - see above

    known = {key.key_id: key for key in keys}
    found: dict[bytes, Verified] = {}
    digest = hashlib.blake2b(data).digest()
    for each in signatures(signature):
        key = known.get(each.key_id)
        if key is None:
            continue
        try:
            public = Ed25519PublicKey.from_public_bytes(key.key)
            public.verify(each.signature, digest)
            public.verify(each.comment_signature, each.signature + each.comment.encode())
        except (InvalidSignature, ValueError) as error:
            todo = "what was signed has been changed; do not use it, and report it to the publisher"
            raise TrustError(
                "the signature is wrong", f"the signature by key {key.name} does not match", todo
            ) from error
        found.setdefault(key.key, Verified(key, each.comment))
    return tuple(found.values())


def _checksum(key_id: bytes, pair: bytes) -> bytes:
    return hashlib.blake2b(_KEY + key_id + pair, digest_size=32).digest()


def _is_pair(pair: bytes) -> bool:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - 60 ms

    return Ed25519PrivateKey.from_private_bytes(pair[:32]).public_key().public_bytes_raw() == pair[32:]


def _derive(password: str, salt: bytes, operations: int, memory: int) -> bytes:
    """scrypt with the parameters that libsodium's ``pickparams`` makes of the two limits."""
    operations = max(operations, 32_768)
    if operations < memory // 32:
        p, most = 1, operations // 32
    else:
        p, most = 0, memory // 1024
    log2 = next((each for each in range(1, 63) if (1 << each) > most // 2), 63)
    if not p:
        p = max(min(operations // 4 // (1 << log2), (1 << 30) - 1) // 8, 1)
    if (1 << log2) * p > 1 << 22:
        raise TrustError("cannot read the secret key", "its file asks for more than 4 GiB of memory", "make a new key")
    # 128 * r * (N + p + 2) bytes, and OpenSSL counts a little more.
    room = 1024 * ((1 << log2) + p + 64)
    try:
        return hashlib.scrypt(password.encode(), salt=salt, n=1 << log2, r=8, p=p, maxmem=room, dklen=104)
    except (MemoryError, ValueError) as error:
        why = f"deriving it from the password takes {room >> 20} MiB of memory, which are not there"
        todo = "free some memory, or use a key without password"
        raise TrustError("cannot read the secret key", why, todo) from error


def _secret(text: str) -> bytes | None:
    """The bytes of a secret key's file; None if it is none."""
    lines = [line.strip() for line in text.strip().splitlines()]
    data = _decoded(lines[1], _SECRET_BYTES) if len(lines) == 2 else None
    if data is None or data[:2] != _KEY or data[4:6] != _BLAKE2B or data[2:4] not in (_SCRYPT, _NO_KDF):
        return None
    return data


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _decoded(line: str, size: int) -> bytes | None:
    try:
        data = b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(data) == size else None


def _no_key(why: str) -> TrustError:
    return TrustError("cannot read the public key", why, "copy the second line of the .pub file")


def _no_signature(why: str) -> TrustError:
    return TrustError("cannot read the signature", why, "nothing was changed")
