"""Withdrawing a version: a signed list that hosts honour, published as a release of its own.

Each list is a new release with the tag ``fsm-withdrawn-<sequence>``, so that it also works where published releases
cannot be changed; hosts take the one with the highest number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from fsm.errors import TrustError, UsageError
from fsm.formats.explain import first_problem
from fsm.formats.trust import SIGNATURE, WITHDRAWN, Keyring, PublicKey, SignedFile, Withdrawal, Withdrawn
from fsm.formats.trust.documents import DOCUMENT_LIMIT, parse
from fsm.formats.trust.minisign import verify
from fsm.formats.trust.signing import sign_withdrawn
from fsm.model import Version
from fsm.release.problems import ReleaseError, Spot
from fsm.release.signing import Signing
from fsm.sources.base import signed_file
from fsm.system import files, regular


@dataclass(frozen=True)
class Change:
    """A list of withdrawn versions, and whether it is a new one."""

    listed: Withdrawn
    signed: SignedFile
    is_new: bool


def withdraw(
    known: SignedFile | None,
    version: Version,
    why: str,
    *,
    component: str | None,
    signing: Signing,
    ring: Keyring | None,
    take_over: bool = False,
) -> Change:
    """The list with one more version.

    Args:
        known: the newest list, if there is one.
        version, why, component: what to add; None for the component means every component.
        signing: who signs.
        ring: the keyring, if it is at hand: whose signature of the known list is believed.
        take_over: whether a person has looked at a known list that nobody but a revoked key has signed.

    Raises:
        TrustError: the known list is not signed by a key of the keyring, or cannot go on.
        UsageError: the component's name or the reason cannot be used.
    """
    before = None if known is None else _read(known, signing, ring, take_over=take_over)
    gone = before.withdrawn if before else ()
    is_there = any((each.version, each.component) == (version, component) for each in gone)
    if known is not None and before is not None and is_there and _signed_by(known, signing):
        return Change(before, known, is_new=False)
    more = () if is_there else (_entry(version, why, component),)
    sequence = before.sequence + 1 if before else 1
    try:
        listed = Withdrawn(repository=signing.repository, sequence=sequence, withdrawn=(*gone, *more))
    except ValidationError as error:
        full = first_problem(error).loc[0] == "withdrawn"
        wrong = f"it is full, with {len(gone)} entries" if full else "it has the highest sequence there is"
        todo = "release a new version instead" if full else "delete it, and start from the one before it"
        raise TrustError(f"cannot add to {WITHDRAWN}", wrong, todo) from error
    return Change(listed, sign_withdrawn(listed, signing.keys), is_new=True)


def _entry(version: Version, why: str, component: str | None) -> Withdrawal:
    try:
        return Withdrawal(component=component, version=version, why=why)
    except ValidationError as error:
        key = first_problem(error).loc[0]
        wrong = (
            "the component's name is not valid" if key == "component" else "the reason has line breaks, or is too long"
        )
        raise UsageError(f"cannot withdraw {version}", wrong, "correct it") from error


def _signed_by(known: SignedFile, signing: Signing) -> bool:
    """Whether those who sign now have signed it; a list by a key that was revoked since must be signed anew."""
    mine = {key.public_key for key in signing.keys}
    return mine <= {each.key for each in verify(known.data, known.signature, mine)}


def _read(known: SignedFile, signing: Signing, ring: Keyring | None, *, take_over: bool) -> Withdrawn:
    what = f"cannot add to {WITHDRAWN}"
    keys: Sequence[PublicKey] = [key.public_key for key in signing.keys]
    revoked = [each.public for each in ring.revoked] if ring else []
    if ring is not None:
        keys = [*keys, *(each.public for each in ring.keys), *revoked]
    signers = [each.key for each in verify(known.data, known.signature, keys)]
    if not signers:
        why = "it is not signed by a key that is known here"
        raise TrustError(what, why, "give the --keyring whose key has signed it")
    found = parse(Withdrawn, known.data, WITHDRAWN)
    if found.repository != signing.repository:
        why = f"it is that of {found.repository}, not of {signing.repository}"
        raise TrustError(what, why, "give the right --repository")
    if all(key in revoked for key in signers) and not take_over:
        # A thief could have written it, and hosts would keep for good what a key that counts has signed.
        named = ", ".join(f"{each.component or 'every component'} {each.version}" for each in found.withdrawn)
        why = f"list {found.sequence} was signed only by a revoked key, and contains: {named}"
        raise TrustError(what, why, "if all of that is right, use --take-over; otherwise delete that list")
    return found


def read_here(directory: Path) -> SignedFile | None:
    """The list in a directory; None if there is none.

    Raises:
        ReleaseError: it cannot be read.
    """

    def read(name: str) -> bytes | None:
        try:
            return regular.read(directory / name, DOCUMENT_LIMIT, follow=True)
        except FileNotFoundError:
            return None

    try:
        return signed_file(read, WITHDRAWN)
    except OSError as error:
        raise ReleaseError(Spot(str(directory)), f"cannot be read: {error.strerror}", "check it") from error


def write(directory: Path, signed: SignedFile) -> tuple[Path, Path]:
    """Write list and signature.

    Raises:
        ReleaseError: they cannot be written.
    """
    data, signature = directory / WITHDRAWN, directory / f"{WITHDRAWN}{SIGNATURE}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        files.write_atomic(signature, signed.signature)
        files.write_atomic(data, signed.data)
    except OSError as error:
        raise ReleaseError(Spot(str(directory)), f"cannot be written: {error.strerror}", "check it") from error
    return data, signature
