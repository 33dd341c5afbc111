"""What a host remembers must neither be lost nor lock it out: keys that end or were stolen, another threshold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fsm.engine.journal import Journal
from fsm.engine.report import Outcome
from fsm.formats.timestamps import timestamp
from fsm.formats.trust import SignedFile
from fsm.formats.trust.minisign import sign
from fsm.formats.trust.signing import sign_keyring
from tests.library.shop import Shop

DAY = timedelta(days=1)
FAR = "9999-12-31T00:00:00Z"


def _spare_ends(shop: Shop, version: int, at: datetime, *, revoked: bool = False) -> SignedFile:
    """A keyring in which the spare key has an end."""
    ring = shop.maker.ring(version, revoked=[shop.maker.ci] if revoked else [])
    ended = tuple(
        each.model_copy(update={"not_after": timestamp(at)}) if each.name == "spare" else each for each in ring.keys
    )
    return sign_keyring(ring.model_copy(update={"keys": ended}), [shop.maker.root])


def test_a_time_that_a_revoked_key_has_shown_is_no_proof(shop: Shop):
    """Whoever stole it could have signed the last day there is, on which all other keys have ended."""
    later = datetime.now(UTC) + 400 * DAY
    folder = shop.release("1.1.0", 10, keyring=None, released_at=FAR)
    shop.put(folder, "fsm-keyring.yaml", _spare_ends(shop, 1, later))
    shop.installed("1.1.0")
    folder = shop.release("1.2.0", 11, shop.maker.spare, keyring=None)
    assert "its key spare expired at" in shop.refused()
    shop.put(folder, "fsm-keyring.yaml", _spare_ends(shop, 2, later, revoked=True))
    shop.installed("1.2.0")


def test_a_revocation_counts_although_its_release_is_refused(shop: Shop):
    """The keyring is signed by itself: a host that has heard of it does not go back to the former one."""
    shop.release("1.1.0", 10)
    shop.host().plan("a")
    folder = shop.release("1.2.0", 11, keyring=None)
    shop.put(folder, "fsm-keyring.yaml", shop.maker.keyring(2, revoked=[shop.maker.ci]))
    assert "its key gone is revoked" in shop.refused()
    shop.put(folder, "fsm-keyring.yaml", shop.maker.keyring(1))
    assert "its key gone is revoked" in shop.refused()
    with Journal(shop.root / "state" / "journal.db", readonly=True) as journal:
        kept = journal.trusted.keyring(str(shop.maker.root.public_key))
        assert kept is not None
        assert b"version: 2" in kept[0]


def test_a_host_that_asks_for_more_root_keys_than_before(shop: Shop):
    """The keyring that it keeps is believed no more; one that enough of them have signed is, of whatever version."""
    both = [shop.maker.root, shop.maker.stranger]
    shop.release("1.1.0", 10)
    assert shop.host(roots=both).update("a").outcome is Outcome.DONE
    result = shop.host(roots=both, threshold=2).update("a", version="1.1.0", force=True)
    assert "1 of the 2 required root keys" in result.reason
    (shop.root / "a").write_text("1.1.0")
    folder = shop.release("1.2.0", 11, keyring=None)
    shop.put(folder, "fsm-keyring.yaml", shop.maker.keyring(1, by=both))
    shop.withdraw("1.2.0")
    assert "it was withdrawn" in shop.host(roots=both, threshold=2).update("a").reason
    shop.release("1.3.0", 12, keyring=None)
    result = shop.host(roots=both, threshold=2).update("a")
    assert (result.outcome, result.to_version) == (Outcome.DONE, "1.3.0"), result.headline


def test_a_withdrawn_version_stays_so_when_its_key_ends(shop: Shop):
    """What is bad does not become good by time. Only a list that comes anew needs a key that is good now."""
    shop.release("1.1.0", 10, shop.maker.spare)
    shop.host().plan("a")
    shop.withdraw("1.1.0", sequence=2)
    assert shop.host().check("a", force=True).target is None
    shop.put(shop.depot, "fsm-keyring.yaml", shop.maker.keyring(2, not_after=timestamp(datetime.now(UTC) - DAY)))
    found = shop.host().check("a", force=True)
    assert found.target is None
    assert any("the known list stays in force" in each for each in found.warnings)
    shop.withdraw("7.7.7", sequence=1, by=[shop.maker.spare])
    assert shop.host().check("a", force=True).target is None
    shop.put(shop.depot, "fsm-keyring.yaml", shop.maker.keyring(3, revoked=[shop.maker.ci]))
    assert shop.host().check("a", force=True).target == "1.1.0"


def test_a_sequence_without_end_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """Python does not read numbers of thousands of digits: a reason, and no error of the program."""
    monkeypatch.setattr("fsm.formats.trust.minisign._COMMENT_LIMIT", 9000)  # which a thief need not keep to
    folder = shop.release("1.1.0", 10)
    data = (folder / "update-manifest.yaml").read_bytes()
    comment = f"fsm-manifest:1 repository=acme/shop component=a version=1.1.0 sequence={'9' * 5000}"
    (folder / "update-manifest.yaml.minisig").write_text(sign(data, shop.maker.ci, comment=comment))
    assert "names no sequence" in shop.refused()


def test_of_two_that_learn_at_once_the_newer_one_stays(shop: Shop):
    """A check asks all components at once, and the mirror of one may lag behind; what was heard is not forgotten."""
    spare = [shop.maker.spare]
    shop.release("1.1.0", 10, *spare)
    shop.host().plan("a")
    shop.withdraw("0.1.0", sequence=1, by=spare)
    host = shop.host()
    with host._host.looking() as journal:
        slow = host._host.checking("a", journal)
        assert slow.check(force=True).target == "1.1.0"
        shop.put(shop.depot, "fsm-keyring.yaml", shop.maker.keyring(3, revoked=[shop.maker.ci]))
        shop.withdraw("1.1.0", sequence=5, by=spare)
        assert shop.host().check("a", force=True).target is None
        shop.put(shop.depot, "fsm-keyring.yaml", shop.maker.keyring(2))
        shop.withdraw("7.7.7", sequence=4, by=spare)
        assert slow.check(force=True).target is None
    with Journal(shop.root / "state" / "journal.db", readonly=True) as journal:
        (ring, _), (listed, _) = _kept(journal, shop)
    assert b"version: 3" in ring
    assert b"sequence: 5" in listed
    shop.withdraw("1.1.0", sequence=6)
    assert any("its key gone is revoked" in each for each in shop.host().check("a", force=True).warnings)


def _kept(journal: Journal, shop: Shop) -> list[tuple[bytes, bytes]]:
    """The keyring and the list in a journal."""
    domain = str(shop.maker.root.public_key)
    found = journal.trusted.keyring(domain), journal.trusted.withdrawn(domain, "acme/shop")
    return [each for each in found if each is not None]
