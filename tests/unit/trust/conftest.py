"""Keys, a keyring, and a host that pins their root."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from fsm.formats.manifest import Manifest, canonical
from fsm.formats.trust import Key, Keyring, SecretKey, SignedFile, Trust, TrustSpec
from fsm.formats.trust.documents import Revoked
from fsm.formats.trust.signing import sign_keyring, sign_manifest

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Maker:
    """Those who release: a root key, two keys that sign, a stranger's."""

    def __init__(self) -> None:
        self.root, self.ci, self.spare, self.stranger = (SecretKey.generate() for _ in range(4))

    def ring(self, version: int = 1, *, threshold: int = 1, revoked: Sequence[SecretKey] = (), **ci: object) -> Keyring:
        """A keyring with the keys `ci` (with other attributes, if given) and `spare`."""
        keys = [
            Key(name="ci", key=str(self.ci.public_key), **ci),  # type: ignore[arg-type]
            Key(name="spare", key=str(self.spare.public_key)),
        ]
        gone = {key.public_key for key in revoked}
        return Keyring(
            version=version,
            threshold=threshold,
            keys=tuple(key for key in keys if key.public not in gone),
            revoked=tuple(Revoked(name="gone", key=str(key), why="stolen") for key in gone),
        )

    def keyring(self, version: int = 1, *, by: Sequence[SecretKey] = (), **given: object) -> SignedFile:
        """The same, signed; by the root key if nobody else is named."""
        return sign_keyring(self.ring(version, **given), by or [self.root])  # type: ignore[arg-type]

    def manifest(
        self, *by: SecretKey, repository: str = "acme/shop", component: str = "web", **given: object
    ) -> SignedFile:
        """A manifest, signed; by `ci` if nobody else is named."""
        made = Manifest.model_validate(
            {"version": "1.2.0", "component": component, "sequence": 100, **given}, strict=False
        )
        data = canonical(made)
        return SignedFile(data, sign_manifest(data, made, by or [self.ci], repository))

    def host(self, keyring: SignedFile | None = None, *, now: datetime = NOW, threshold: int = 1) -> Trust:
        """A host that pins the root key; with a keyring, if it knows one."""
        spec = TrustSpec(root_keys=(str(self.root.public_key),), threshold=threshold)
        return Trust(spec, keyring, now)


@pytest.fixture(scope="session")
def maker() -> Maker:
    """Keys are never changed, so all tests may share them."""
    return Maker()
