"""Who may release what: keys and signatures in minisign's format, the keyring, and what a host believes.

No IO here, and no clock: bytes and times in, decisions out.
"""

from __future__ import annotations

from fsm.formats.timestamps import Timestamp, moment, timestamp
from fsm.formats.trust.belief import SignedBy, SignedFile, Trust, TrustSpec
from fsm.formats.trust.documents import KEYRING, SIGNATURE, WITHDRAWN, Key, Keyring, Revoked, Withdrawal, Withdrawn
from fsm.formats.trust.minisign import SIGNATURE_LIMIT, PublicKey, SecretKey

__all__ = [
    "KEYRING",
    "SIGNATURE",
    "SIGNATURE_LIMIT",
    "WITHDRAWN",
    "Key",
    "Keyring",
    "PublicKey",
    "Revoked",
    "SecretKey",
    "SignedBy",
    "SignedFile",
    "Timestamp",
    "Trust",
    "TrustSpec",
    "Withdrawal",
    "Withdrawn",
    "moment",
    "timestamp",
]
