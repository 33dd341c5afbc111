"""Signing what was built: with which keys, for which repository, and how new it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fsm.errors import FsmError, TrustError
from fsm.formats.manifest import parse as parse_manifest
from fsm.formats.trust import KEYRING, SIGNATURE, Keyring, SecretKey
from fsm.formats.trust.documents import parse
from fsm.formats.trust.minisign import twice
from fsm.formats.trust.signing import sign_manifest
from fsm.release.problems import ReleaseError, Spot


@dataclass(frozen=True)
class Signing:
    """Who signs a release.

    Attributes:
        keys: at least one.
        repository: ``owner/name``, what hosts are configured for.
    """

    keys: tuple[SecretKey, ...]
    repository: str

    def signatures(self, manifests: Mapping[str, bytes]) -> dict[str, bytes]:
        """The signature files of manifests, by file name.

        Raises:
            TrustError: a manifest has no sequence.
        """
        return {
            name + SIGNATURE: sign_manifest(data, parse_manifest(data, name), self.keys, self.repository)
            for name, data in manifests.items()
        }


def keyring_of(path: Path, keys: Sequence[SecretKey], repository: str, made: int | None) -> dict[str, bytes]:
    """The keyring that is published with a release, and its signature, by file name.

    Args:
        path: the keyring's file.
        keys: what signs the release.
        repository: of the release.
        made: when the release was made, in seconds since 1970.

    Raises:
        ReleaseError: it cannot be read, or hosts that believe it would refuse what these keys sign.
    """
    ring = read_keyring(path)
    found = {KEYRING: _bytes(path), KEYRING + SIGNATURE: _bytes(path.with_name(path.name + SIGNATURE))}
    if keys:
        require_good(ring, path, keys, repository, made)
    return found


def require_good(
    ring: Keyring, path: Path, keys: Sequence[SecretKey], repository: str, made: int | None, what: str = "release"
) -> None:
    """Refuse to sign what hosts that believe a keyring would not take.

    Args:
        ring: the keyring.
        path: its file.
        keys, repository, made: as for `keyring_of`.
        what: is signed.

    Raises:
        ReleaseError: too few of the keys count.
    """
    refused = [_refused(ring, key, repository, made) for key in keys]
    if refused.count("") < ring.threshold:
        reasons = "; ".join(filter(None, refused))
        why = f"hosts would refuse this {what}: {reasons or f'{ring.threshold} keys must sign it'}"
        raise ReleaseError(Spot(str(path)), why, "sign with keys of the keyring, see `fsm keys show`")


def read_keyring(path: Path) -> Keyring:
    """The maintainer's own keyring; whether root keys have signed it is for hosts to say.

    Raises:
        ReleaseError: it cannot be read.
    """
    try:
        return parse(Keyring, _bytes(path), str(path))
    except ReleaseError:
        raise
    except FsmError as error:
        raise ReleaseError(Spot(str(path)), error.cause, error.todo) from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        todo = "make keyring and signature with `fsm keys new NAME --root FILE`"
        raise ReleaseError(Spot(str(path)), f"cannot be read: {error.strerror}", todo) from error


def _refused(ring: Keyring, key: SecretKey, repository: str, made: int | None) -> str:
    public = key.public_key
    known = next((each for each in ring.keys if each.public == public), None)
    if known is None:
        revoked = any(each.public == public for each in ring.revoked)
        return f"key {public.name} is revoked" if revoked else f"the keyring does not know key {public.name}"
    if known.repositories and repository not in known.repositories:
        return f"key {known.name} is not for {repository}"
    # Hosts go by the time at which they install; of a key that ends, they may learn that only from this release.
    late = known.is_over(max(datetime.now(UTC), datetime.fromtimestamp(made or 0, UTC)))
    return f"key {known.name} expired at {known.not_after}" if late else ""


def loaded(texts: Sequence[str], password: str | None) -> tuple[SecretKey, ...]:
    """Secret keys from the content of their files.

    Raises:
        TrustError: one cannot be read, or is there twice.
    """
    keys = tuple(SecretKey.load(text, password) for text in texts)
    if twice([key.public_key for key in keys]):
        raise TrustError("cannot sign", "a key was given twice", "give each once")
    return keys
