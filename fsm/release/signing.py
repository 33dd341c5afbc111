"""Signing what was built: with which keys, for which repository, and how new it is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from fsm.errors import FsmError, TrustError
from fsm.formats.manifest import parse as parse_manifest
from fsm.formats.trust import KEYRING, SIGNATURE, Keyring, SecretKey, timestamp
from fsm.formats.trust.documents import parse
from fsm.formats.trust.signing import sign_manifest
from fsm.release.problems import ReleaseError, Spot

GIT_TIMEOUT: Final = 30.0

LATEST: Final = 250_000_000_000
"""The latest time that a release can be of, in the year 9892: what ends ten years later still has four digits."""


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


def commit_time(root: Path) -> int | None:
    """How new a release is: ``SOURCE_DATE_EPOCH`` (https://reproducible-builds.org/specs/source-date-epoch/), else the
    time of the commit that is checked out; None where neither is known. In seconds since 1970.

    Raises:
        ReleaseError: it is no number, or of a year that no manifest can name.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        if not given.isascii() or not given.isdecimal() or len(given) > 12 or int(given) > LATEST:
            raise ReleaseError(Spot("$SOURCE_DATE_EPOCH"), f"{given[:40]!r} is no number of seconds", "correct it")
        return int(given)
    found = _asked(root)[0]
    if not found.isdecimal():
        return None
    if int(found[:20]) > LATEST:
        todo = "correct the commit's date, or set $SOURCE_DATE_EPOCH"
        raise ReleaseError(Spot(str(root)), f"{found[:20]} is no time of a commit", todo)
    return int(found)


def why_unknown(root: Path) -> str:
    """What git says where it does not tell the commit's time; empty where it says nothing."""
    complaint = _asked(root)[1].strip().partition("\n")[0][:200]
    return f" (git says: {complaint})" if complaint else ""


def _asked(root: Path) -> tuple[str, str]:
    """What git answers, and what it complains about."""
    command = ["git", "-C", str(root), "log", "-1", "--no-show-signature", "--format=%ct"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", str(error)
    return (done.stdout.strip(), "") if done.returncode == 0 else ("", done.stderr)


def times(made: int | None, days: int | None) -> dict[str, str]:
    """The keys of a manifest that say when it was made, and until when it is installed anew."""
    if made is None:
        return {}
    at = datetime.fromtimestamp(made, UTC)
    until = {} if days is None else {"expires_at": timestamp(at + timedelta(days=days))}
    return {"released_at": timestamp(at), **until}


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
    return f"key {known.name} was good until {known.not_after}" if late else ""


def loaded(texts: Sequence[str], password: str | None) -> tuple[SecretKey, ...]:
    """Secret keys from the content of their files.

    Raises:
        TrustError: one cannot be read, or is there twice.
    """
    keys = tuple(SecretKey.load(text, password) for text in texts)
    if len({key.key_id for key in keys}) < len(keys):
        raise TrustError("cannot sign", "a key was given twice", "give each once")
    return keys
