"""`fsm-keyring.yaml` and `fsm-withdrawn.yaml`, after their signatures were verified."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from fsm.formats.manifest import canonical
from fsm.formats.trust.documents import Key, Keyring, Revoked, Withdrawal, Withdrawn, parse
from fsm.model import Version
from tests.fuzz.keys import CI, ROOT, SPARE
from tests.fuzz.words import words_of

WORDS = (*words_of([Keyring.model_json_schema(), Withdrawn.model_json_schema()]), str(CI.public_key).encode())
LONGEST = 4096


def run(data: bytes) -> None:
    """The first byte says which of the two it is."""
    kinds: tuple[Any, Any] = (Keyring, Withdrawn)
    kind = kinds[data[:1] == b"w"]
    found = parse(kind, data[1:], "a file")
    assert parse(kind, canonical(found), "its canonical form") == found, "the canonical form says something else"
    if isinstance(found, Withdrawn):
        found.why("web", Version("1.2.3"))
    else:
        assert all(key.public.name for key in found.keys)
        any(key.is_over(datetime(2026, 6, 1, tzinfo=UTC)) for key in found.keys)


def seeds() -> Iterator[bytes]:
    """One of each."""
    keys = (
        Key(name="ci", key=str(CI.public_key), not_after="2027-06-30T00:00:00Z", repositories=("acme/shop",)),
        Key(name="spare", key=str(SPARE.public_key)),
    )
    revoked = (Revoked(name="old", key=str(ROOT.public_key), why="its runner was broken into"),)
    yield b"k" + canonical(Keyring(version=3, threshold=2, keys=keys, revoked=revoked))
    listed = (Withdrawal(component="web", version=Version("1.2.3"), why="loses"), Withdrawal(version=Version("2.0rc1")))
    yield b"w" + canonical(Withdrawn(repository="acme/shop", sequence=1700000000, withdrawn=listed))
