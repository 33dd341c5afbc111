"""Versions that were withdrawn: what a host does about them, and whom it believes."""

from __future__ import annotations

from fsm.engine.report import Outcome
from tests.library.shop import Shop


def test_a_withdrawn_version_is_passed_over(shop: Shop):
    """For the next one that is not; also by a host that has not seen it yet."""
    shop.release("1.1.0", 10)
    shop.host().plan("a")
    shop.release("1.2.0", 11)
    shop.withdraw("1.2.0")
    host = shop.host()
    found = host.check("a", force=True)
    assert (found.target, found.latest, found.blocked) == ("1.1.0", "1.2.0", None)
    assert "skipped 1.2.0: it was withdrawn (loses settings)" in found.reason
    shown = host.status("a")[0]
    assert (shown.target, shown.latest, shown.blocked, shown.reason) == ("1.1.0", "1.2.0", None, found.reason)
    shop.installed("1.1.0")
    found = shop.host().check("a", force=True)
    assert not found.update_available
    assert "1.2.0" in found.reason


def test_a_withdrawn_version_can_be_forced(shop: Shop):
    """By a person who names it, and by nobody else."""
    shop.release("1.1.0", 10)
    shop.withdraw("1.1.0")
    shop.host().plan("a", version="1.1.0", force=True)
    assert "it was withdrawn (loses settings)" in shop.refused(version="1.1.0")
    assert shop.host().update("a", version="1.1.0", force=True).outcome is Outcome.DONE


def test_a_host_that_has_seen_nothing_yet(shop: Shop):
    """The list can be verified only with the keyring that comes with the release: it is looked at again then."""
    shop.release("1.1.0", 10)
    shop.withdraw("1.1.0")
    assert "it was withdrawn (loses settings)" in shop.refused()
    assert shop.host().check("a", force=True).target is None


def test_a_list_by_a_key_that_comes_with_the_release(shop: Shop):
    """It is looked at again when the host knows of the key."""
    shop.release("1.1.0", 10, keyring=None)
    shop.put(shop.depot / "1.1.0", "fsm-keyring.yaml", shop.maker.keyring(1, revoked=[shop.maker.spare]))
    shop.host().plan("a")
    shop.release("1.2.0", 11, keyring=2)
    shop.withdraw("1.2.0", by=[shop.maker.spare])
    assert "it was withdrawn (loses settings)" in shop.refused()


def test_a_host_whose_version_was_withdrawn_is_told(shop: Shop):
    """It runs on: what to do about it is for people."""
    shop.release("1.1.0", 10)
    shop.installed("1.1.0")
    shop.withdraw("1.1.0")
    assert any("the installed 1.1.0: it was withdrawn" in each for each in shop.host().check("a", force=True).warnings)


def test_a_list_never_goes_back(shop: Shop):
    """A version that was withdrawn stays so when an older list comes along, or none."""
    shop.release("1.1.0", 10)
    shop.host().plan("a")
    shop.withdraw("1.1.0", sequence=2)
    assert shop.host().check("a", force=True).target is None
    shop.withdraw("7.7.7", sequence=1)
    assert shop.host().check("a", force=True).target is None
    (shop.depot / "fsm-withdrawn.yaml").unlink()
    assert shop.host().check("a", force=True).target is None


def test_a_list_of_somebody_else_changes_nothing(shop: Shop):
    """It is said."""
    shop.release("1.1.0", 10)
    shop.host().plan("a")
    shop.withdraw("1.1.0", by=[shop.maker.stranger])
    found = shop.host().check("a", force=True)
    assert found.target == "1.1.0"
    assert any("the known list stays in force" in each for each in found.warnings)
