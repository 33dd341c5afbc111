"""The other side: signing keyrings, manifests and lists of withdrawn versions. Same input, same bytes."""

from __future__ import annotations

from collections.abc import Sequence

from fsm.errors import TrustError
from fsm.formats.manifest import Manifest, canonical
from fsm.formats.trust import statement
from fsm.formats.trust.belief import SignedFile
from fsm.formats.trust.documents import Keyring, Withdrawn
from fsm.formats.trust.minisign import SecretKey, sign


def sign_manifest(data: bytes, manifest: Manifest, keys: Sequence[SecretKey], repository: str) -> bytes:
    """The content of the signature file of a manifest.

    Args:
        data: its exact bytes.
        manifest: what they mean; it must have a component and a sequence.
        keys: who signs.
        repository: ``owner/name``, what hosts are configured for.

    Raises:
        TrustError: the manifest has no component or no sequence, or there is no key.
    """
    if manifest.component is None or manifest.sequence is None:
        missing = "component" if manifest.component is None else "sequence"
        raise TrustError("cannot sign the manifest", f"it has no {missing}", "make it with `fsm release build`")
    values = {
        "repository": repository,
        "component": manifest.component,
        "version": manifest.version,
        "sequence": manifest.sequence,
    }
    return _signed(data, keys, statement.write(statement.MANIFEST, values)).signature


def sign_keyring(ring: Keyring, keys: Sequence[SecretKey]) -> SignedFile:
    """A keyring as it is published; `keys` are root keys."""
    return _signed(canonical(ring), keys, statement.write(statement.KEYRING, {"version": ring.version}))


def sign_withdrawn(listed: Withdrawn, keys: Sequence[SecretKey]) -> SignedFile:
    """A list of withdrawn versions as it is published; `keys` are of the keyring."""
    values = {"repository": listed.repository, "sequence": listed.sequence}
    return _signed(canonical(listed), keys, statement.write(statement.WITHDRAWN, values))


def _signed(data: bytes, keys: Sequence[SecretKey], comment: str) -> SignedFile:
    if not keys:
        raise TrustError("cannot sign", "there is no key", "give --key FILE, or its content in $FSM_SIGNING_KEY")
    return SignedFile(data, "".join(sign(data, key, comment=comment) for key in keys).encode())
