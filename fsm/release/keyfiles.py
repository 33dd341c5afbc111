"""Files with keys and keyrings, as a maintainer has them: made, read, changed, described."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from fsm.errors import TrustError, UsageError
from fsm.formats.explain import first_problem
from fsm.formats.timestamps import timestamp
from fsm.formats.trust import SIGNATURE, Key, Keyring, PublicKey, SecretKey, SignedFile, Trust, TrustSpec
from fsm.formats.trust.documents import DOCUMENT_LIMIT, parse
from fsm.formats.trust.minisign import twice
from fsm.formats.trust.signing import sign_keyring
from fsm.model import COMPONENT_NAME, Model, Text, matches
from fsm.system import files

Ask = Callable[[str, str, bool], str]
"""Gives a password: the environment variable that may have it, what it is for, and whether it is a new one."""


class KeyState(Model):
    """A key of a keyring.

    Attributes:
        name: what people call it.
        id: as minisign shows it.
        key: the public key, a line that begins with ``RW``.
        not_after: when it ends; null means never.
        state: `good`, `expired` or `revoked`.
        repositories: what it may sign for; empty means everything.
        why: it was revoked; empty if nobody said so, or it was not.
    """

    name: str
    id: str
    key: str
    not_after: str | None = None
    state: Literal["good", "expired", "revoked"] = "good"
    repositories: tuple[str, ...] = ()
    why: Text = ""


class KeyFile(Model):
    """A file with a key or a keyring.

    Attributes:
        path: as it was named.
        kind: `public`, `secret` or `keyring`.
        id: of the key; empty for a keyring, and for a secret key that is locked and does not tell it.
        key: the public key; empty for a keyring, and for a secret key that was only looked at.
        encrypted: whether a secret key needs a password.
        version: of a keyring; None for a key.
        threshold: how many keys of a keyring must sign; None for a key.
        verified: whether a keyring is known to be signed by a root key.
        keys: of a keyring.
    """

    path: str
    kind: Literal["public", "secret", "keyring"]
    id: Text = ""
    key: Text = ""
    encrypted: bool = False
    version: int | None = None
    threshold: int | None = None
    verified: bool = False
    keys: tuple[KeyState, ...] = ()


class NewPair(Model):
    """What is wanted of a new key.

    Attributes:
        name: of the key and, with ``.key`` and ``.pub`` after it, of its files.
        directory: where these go.
        encrypted: whether a password protects the secret key.
        days: how long it is good; None means without end.
        repositories: what it may sign for; empty means everything.
    """

    name: str
    directory: Path
    encrypted: bool
    days: int | None
    repositories: tuple[str, ...]


def make(wanted: NewPair, ask: Ask) -> tuple[SecretKey, str]:
    """A new key, and the text of its file; nothing is written yet.

    Raises:
        UsageError: the name cannot be used, or is taken.
    """
    what = f"cannot make the key {wanted.name!r}"
    if not matches(COMPONENT_NAME, wanted.name):
        raise UsageError(what, "it is not a valid name", "use 1 to 64 characters of a-z 0-9 . _ -")
    secret, public = paths(wanted)
    for path in (secret, public):
        if path.exists():
            raise UsageError(what, f"{path} exists", "choose another name; existing keys are never overwritten")
    password = ask("FSM_KEY_PASSWORD", f"password for {secret}", True) if wanted.encrypted else None
    made = SecretKey.generate()
    return made, made.file(password)


def paths(wanted: NewPair) -> tuple[Path, Path]:
    """Where the secret and the public key go."""
    return wanted.directory / f"{wanted.name}.key", wanted.directory / f"{wanted.name}.pub"


def write_pair(wanted: NewPair, made: SecretKey, text: str) -> tuple[KeyFile, KeyFile]:
    """Write both files, the secret one for its owner only.

    Raises:
        UsageError: they cannot be written.
    """
    secret, public = paths(wanted)
    begun = False
    try:
        descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        begun = True
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        files.write_atomic(public, made.public_key.file().encode())
    except OSError as error:
        if begun:  # nobody has seen the key yet, and half a file would keep its name from being used
            secret.unlink(missing_ok=True)
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot write {secret} and {public}", why, "check the directory") from error
    key, name = str(made.public_key), made.public_key.name
    return (
        KeyFile(path=str(secret), kind="secret", id=name, encrypted=wanted.encrypted),
        KeyFile(path=str(public), kind="public", id=name, key=key),
    )


def entry(wanted: NewPair, public: PublicKey) -> Key:
    """The key as a keyring has it.

    Raises:
        UsageError: a repository is not of the form ``owner/name``.
    """
    until = None if wanted.days is None else in_days(wanted.days)
    try:
        return Key(name=wanted.name, key=str(public), not_after=until, repositories=wanted.repositories)
    except ValidationError as error:
        what = f"cannot add the key {wanted.name!r}"
        raise UsageError(what, "a repository must look like OWNER/NAME", "correct --for") from error


def in_days(days: int) -> str:
    """The time so many days from now."""
    return timestamp(datetime.now(UTC) + timedelta(days=days))


def secrets(found: Sequence[tuple[str, str]], ask: Ask) -> tuple[SecretKey, ...]:
    """Root keys, from (path, content); passwords are asked for.

    Raises:
        UsageError: one cannot be read.
    """
    keys = []
    for path, text in found:
        locked = SecretKey.is_locked(text)
        password = ask("FSM_ROOT_PASSWORD", f"password of {path}", False) if locked else None
        try:
            keys.append(SecretKey.load(text, password))
        except TrustError as error:
            raise UsageError(f"cannot use {path}", error.why, error.todo) from error
    if twice([key.public_key for key in keys]):
        raise UsageError("cannot sign the keyring", "a root key was given twice", "give each once")
    return tuple(keys)


def write_all(wanted: NewPair, made: SecretKey, text: str, ring: Callable[[], KeyFile]) -> list[KeyFile]:
    """Write a pair, then the keyring that knows it; without that, no pair is left.

    Args:
        ring: writes the keyring.

    Raises:
        UsageError: one of them cannot be written.
    """
    pair = write_pair(wanted, made, text)
    try:
        return [*pair, ring()]
    except UsageError:
        for path in paths(wanted):
            path.unlink(missing_ok=True)
        raise


def read_ring(path: Path, roots: Sequence[PublicKey]) -> Keyring:
    """A keyring that one of these root keys has signed.

    Raises:
        UsageError: it cannot be read, or one of the root keys is there twice.
        TrustError: none of them has signed it.
    """
    try:
        spec = TrustSpec(root_keys=tuple(map(str, roots)))
    except ValidationError as error:
        why = first_problem(error).why
        raise UsageError(f"cannot verify {path}", why, "give each root key once") from error
    trust = Trust(spec, None, datetime.now(UTC))
    trust.learn(SignedFile(_read(path), _read(path.with_name(path.name + SIGNATURE))), str(path))
    return trust.keyring


def write_ring(path: Path, ring: Keyring, keys: Sequence[SecretKey]) -> KeyFile:
    """Sign a keyring and write both files.

    Raises:
        UsageError: they cannot be written.
    """
    signed = sign_keyring(ring, keys)
    signature = path.with_name(path.name + SIGNATURE)
    drafts = {place: place.with_name(f".{place.name}.new") for place in (signature, path)}
    try:
        # Both are on the disk before the first has its name: a full disk leaves the former two.
        files.write_atomic(drafts[signature], signed.signature)
        files.write_atomic(drafts[path], signed.data)
        for place, draft in drafts.items():
            draft.replace(place)
        files.sync_dir(path.parent)
    except OSError as error:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
        why, todo = (error.strerror or str(error)).lower(), "restore both files from version control, then try again"
        raise UsageError(f"cannot write {path}", why, todo) from error
    return described_ring(path, ring, verified=True)


def described(path: Path, roots: Sequence[PublicKey]) -> KeyFile:
    """What is in a file. A keyring is verified where root keys are given.

    Raises:
        UsageError: it cannot be read, or is none of these.
        TrustError: a keyring is wrong, or none of the root keys has signed it.
    """
    data = _read(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {path}", "it is not a text file", "name a file with keys") from error
    first, _, rest = text.partition("\n")
    locked = SecretKey.is_locked(text)
    if locked is None and "secret key" in first:
        SecretKey.load(text)  # says what is wrong with it
    if locked is not None:
        # Only its comment tells the id of a locked one, and only ours does.
        found = re.search(r"\b[0-9A-F]{16}$", first.strip()) if locked else None
        known = (found[0] if found else "") if locked else SecretKey.load(text).public_key.name
        return KeyFile(path=str(path), kind="secret", id=known, encrypted=locked)
    if "comment:" in first and len(rest.split()) == 1:
        key = PublicKey.parse(text)
        return KeyFile(path=str(path), kind="public", id=key.name, key=str(key))
    ring = read_ring(path, roots) if roots else parse(Keyring, data, str(path))
    return described_ring(path, ring, verified=bool(roots))


def described_ring(path: Path, ring: Keyring, *, verified: bool) -> KeyFile:
    """What people want to know of a keyring."""
    now = datetime.now(UTC)
    keys = [
        KeyState(
            name=each.name,
            id=each.public.name,
            key=each.key,
            not_after=each.not_after,
            state="expired" if each.is_over(now) else "good",
            repositories=each.repositories,
        )
        for each in ring.keys
    ]
    keys += [
        KeyState(name=each.name, id=each.public.name, key=each.key, state="revoked", why=each.why)
        for each in ring.revoked
    ]
    return KeyFile(
        path=str(path),
        kind="keyring",
        version=ring.version,
        threshold=ring.threshold,
        verified=verified,
        keys=tuple(keys),
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(DOCUMENT_LIMIT + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot read {path}", why, "check the path; `fsm keys new` makes keys") from error
