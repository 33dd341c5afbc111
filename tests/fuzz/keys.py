"""Keys that are the same each time, so that a kept input still means what it meant."""

from __future__ import annotations

from typing import Final

from fsm.formats.trust import SecretKey


def _key(number: int) -> SecretKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = bytes([number]) * 32
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return SecretKey(bytes([number]) * 8, seed, public)


ROOT: Final = _key(1)
CI: Final = _key(2)
SPARE: Final = _key(3)
