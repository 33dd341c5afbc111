"""Hosts that pin a root key: what they install, what they refuse, and what they remember."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fsm.engine.journal import Journal
from fsm.engine.report import Outcome
from fsm.errors import ConfigError, TrustError
from fsm.formats.manifest import Manifest
from fsm.formats.timestamps import timestamp
from fsm.formats.trust.signing import sign_manifest
from fsm.model import Version
from fsm.updater import Updater
from tests.library.hosts import REGISTRY
from tests.library.shop import Shop
from tests.unit.trust.conftest import Maker

DAY = timedelta(days=1)


def test_a_signed_release_is_installed(shop: Shop):
    """From an empty journal; the next one too."""
    shop.release("1.1.0", 10)
    shop.installed("1.1.0")
    shop.release("1.2.0", 11, keyring=None)
    shop.installed("1.2.0")


def test_without_keys_nothing_is_installed(shop: Shop):
    """Whatever the manifest has beside it; it says what to write, and where."""
    shop.release("1.1.0", 10)
    result = shop.host(trust=False).update("a")
    assert result.outcome is Outcome.REFUSED
    assert "no root keys are pinned" in result.reason
    assert "allow_unsigned = true in [components.a.source]" in result.todo
    assert shop.host(trust=False, allow_unsigned=True).update("a").outcome is Outcome.DONE


def test_unsigned_releases_are_warned_of_each_time(shop: Shop):
    """In a check and in a plan."""
    shop.release("1.1.0", 10)
    host = shop.host(allow_unsigned=True)
    assert any("not authenticated" in each for each in host.check("a").warnings)
    assert any("not authenticated" in each for each in host.plan("a").notes)
    assert not shop.host().check("a").warnings


def test_a_git_source_cannot_be_verified(shop: Shop):
    """So it needs the same word."""
    host = shop.host()
    data = {
        "fsm": {"state_dir": str(shop.root / "state")},
        "trust": {"root_keys": [str(shop.maker.root.public_key)]},
        "components": {"a": {"type": "note", "path": "a", "source": {"type": "git", "url": "/x", "branch": "main"}}},
    }
    del host
    result = Updater.from_data(data, registry=REGISTRY, base=shop.root).update("a")
    assert result.outcome is Outcome.REFUSED
    assert "the commits of a git source are not authenticated" in result.reason


def test_a_repository_must_be_named(shop: Shop):
    """Signed manifests are bound to it."""
    with pytest.raises(ConfigError, match=r"components\.a\.source\.repository: is missing"):
        shop.host(repository=None)


def test_a_release_that_is_not_signed(shop: Shop):
    """Or has no manifest."""
    folder = shop.release("1.1.0", 10)
    (folder / "update-manifest.yaml.minisig").unlink()
    assert "it is not signed" in shop.refused()
    (folder / "update-manifest.yaml").unlink()
    assert "no update-manifest.yaml yet" in shop.refused()


def test_a_manifest_is_verified_before_it_is_read(shop: Shop):
    """What is no YAML at all is refused for its signature."""
    folder = shop.release("1.1.0", 10)
    (folder / "update-manifest.yaml").write_bytes(b"\x00 not yaml")
    assert "does not match" in shop.refused()
    (folder / "update-manifest.yaml").write_bytes(b"#" * (2 << 20))
    assert "more than 1048576 bytes" in shop.refused()


def test_a_manifest_of_another_version(shop: Shop):
    """A signed manifest under another release's name."""
    (shop.release("1.1.0", 10)).rename(shop.depot / "9.0.0")
    assert "it is about version 1.1.0" in shop.refused()


def test_a_signature_says_what_the_manifest_says(shop: Shop):
    """Component, version and sequence; a key that signs what it should not is found out."""
    folder = shop.release("1.1.0", 10)
    data = (folder / "update-manifest.yaml").read_bytes()
    other = Manifest.model_validate({"version": "1.1.0", "component": "a", "sequence": 99}, strict=False)
    signature = sign_manifest(data, other, [shop.maker.ci], "acme/shop")
    (folder / "update-manifest.yaml.minisig").write_bytes(signature)
    assert "for another component, version or sequence" in shop.refused()


def test_no_file_that_is_not_in_the_manifest(shop: Shop):
    """Checksum files are not signed, so what they list is not taken."""
    folder = shop.release("1.1.0", 10, artifacts=[])
    (folder / "evil.txt").write_text("x")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'x').hexdigest()}  evil.txt\n")
    source = shop.host()._host.checking("a", shop.host()._host.journal()).source()
    found = source.release(source.releases().releases[0])
    assert found.artifacts == ()


def test_nobody_goes_back(shop: Shop):
    """An older release under a higher version number is refused; so is one that --force asks for."""
    shop.release("1.1.0", 10)
    shop.installed("1.1.0")
    shop.release("1.2.0", 9)
    assert "older (sequence 9) than 1.1.0 (sequence 10)" in shop.refused()
    assert "older (sequence 9)" in shop.refused(version="1.2.0", force=True)
    shop.release("1.3.0", 10)
    shop.installed("1.3.0")


def test_what_was_only_seen_counts_as_well(shop: Shop):
    """A plan is enough: from then on the host knows that there is something newer."""
    shop.release("1.1.0", 5)
    shop.release("1.2.0", 10)
    shop.host().plan("a")
    assert "older (sequence 5)" in shop.refused(version="1.1.0")


def test_a_release_that_fails_its_checks_is_not_remembered(shop: Shop):
    """Else anybody with an old signature could lock a host out."""
    shop.release("1.2.0", 99, repository="acme/bank")
    assert "signed for the repository 'acme/bank'" in shop.refused()
    (shop.depot / "1.2.0").rename(shop.root / "gone")
    shop.release("1.1.0", 10)
    shop.installed("1.1.0")


def test_what_a_revoked_key_has_said_counts_no_more(shop: Shop):
    """Whoever stole it could have signed the highest number there is."""
    shop.release("1.1.0", 1 << 52)
    shop.installed("1.1.0")
    folder = shop.release("1.2.0", 11, shop.maker.spare, keyring=None)
    assert "older (sequence 11)" in shop.refused()
    shop.put(folder, "fsm-keyring.yaml", shop.maker.keyring(2, revoked=[shop.maker.ci]))
    shop.installed("1.2.0")
    shop.release("1.3.0", 12, keyring=1)
    assert "its key gone is revoked" in shop.refused()


def test_a_revocation_reaches_hosts_beside_the_releases(shop: Shop):
    """Without a new release."""
    shop.release("1.1.0", 10)
    shop.host().plan("a")
    shop.put(shop.depot, "fsm-keyring.yaml", shop.maker.keyring(2, revoked=[shop.maker.ci]))
    assert "its key gone is revoked" in shop.refused()


def test_a_keyring_of_somebody_else_changes_nothing(shop: Shop):
    """It is said, and the known one stays in force."""
    shop.release("1.1.0", 10)
    shop.host().plan("a")
    shop.put(shop.depot, "fsm-keyring.yaml", shop.maker.keyring(9, by=[shop.maker.stranger]))
    assert any("the known keyring stays in force" in each for each in shop.host().check("a", force=True).warnings)
    shop.installed("1.1.0")


def test_an_expired_release_is_not_installed(shop: Shop):
    """A mirror that keeps newer ones back has its time."""
    shop.release("1.1.0", 10, expires_at=timestamp(datetime.now(UTC) - DAY))
    assert "its manifest expired at" in shop.refused()
    assert "its manifest expired at" in shop.refused(version="1.1.0", force=True)
    shop.release("1.2.0", 11, expires_at=timestamp(datetime.now(UTC) + DAY))
    shop.installed("1.2.0")


def test_a_clock_that_is_behind_is_corrected_by_what_was_signed(shop: Shop):
    """A release of tomorrow shows that today is over, whatever the clock says."""
    later = datetime.now(UTC) + 400 * DAY
    shop.release("1.1.0", 10, released_at=timestamp(later))
    shop.installed("1.1.0")
    shop.release("1.2.0", 11, expires_at=timestamp(later - DAY))
    assert "its manifest expired at" in shop.refused()


def test_who_may_only_read_is_answered(shop: Shop):
    """And nothing is remembered."""
    shop.release("1.1.0", 10)
    host = shop.host()
    host.check("a")
    with Journal(shop.root / "state" / "journal.db", readonly=True) as journal:
        checking = host._host.checking("a", journal)
        made = checking.plan(host._host.executor(journal).bare_context("a", checking.component_type))
        assert made.to_version == Version("1.1.0")
        assert journal.trusted.keyring(str(shop.maker.root.public_key)) is None


def test_a_rollback_needs_nobodys_signature(shop: Shop):
    """What is kept on the host was verified once."""
    shop.release("1.1.0", 10, expires_at=timestamp(datetime.now(UTC) + DAY))
    shop.installed("1.1.0")
    for path in shop.depot.rglob("*.minisig"):
        path.unlink()
    assert shop.host().rollback("a").outcome is Outcome.DONE


def test_other_root_keys_are_another_world(shop: Shop):
    """What one set of keys has shown says nothing about another."""
    shop.release("1.1.0", 10)
    shop.installed("1.1.0")
    other = Maker()
    shop.maker = other
    shop.release("1.2.0", 3)
    shop.installed("1.2.0")


def test_a_component_may_have_keys_of_its_own(shop: Shop):
    """Another vendor's."""
    shop.release("1.1.0", 10)
    data: dict[str, Any] = {
        "fsm": {"state_dir": str(shop.root / "state")},
        "trust": {"root_keys": [str(Maker().root.public_key)]},
        "components": {
            "a": {
                "type": "note",
                "path": str(shop.root / "a"),
                "source": {"type": "directory", "path": str(shop.depot), "repository": "acme/shop"},
                "trust": {"root_keys": [str(shop.maker.root.public_key)]},
            }
        },
    }
    assert Updater.from_data(data, registry=REGISTRY).update("a").outcome is Outcome.DONE
    del data["components"]["a"]["trust"]
    (shop.root / "state" / "journal.db").unlink()
    result = Updater.from_data(data, registry=REGISTRY).update("a")
    assert "0 of the 1 required root keys" in result.reason


@pytest.mark.parametrize(
    ("trust", "why"),
    [
        ({"root_keys": []}, "root_keys"),
        ({"root_keys": ["RW"]}, "a public key is one line"),
        ({"threshold": 1}, r"root_keys: is missing"),
    ],
)
def test_a_wrong_table_is_refused(shop: Shop, trust: dict[str, Any], why: str):
    """With its key."""
    with pytest.raises(ConfigError, match=why):
        Updater.from_data({"trust": trust}, registry=REGISTRY, base=shop.root)


def test_a_threshold_that_cannot_be_reached(shop: Shop):
    """Two of one."""
    key = str(shop.maker.root.public_key)
    for trust in ({"root_keys": [key], "threshold": 2}, {"root_keys": [key, key]}):
        with pytest.raises(ConfigError, match="root key"):
            Updater.from_data({"trust": trust}, registry=REGISTRY, base=shop.root)


def test_two_keyrings_of_one_version_beside_a_release(shop: Shop):
    """Then nothing is installed: only people can say which one is right."""
    folder = shop.release("1.1.0", 10)
    shop.host().plan("a")
    shop.put(folder, "fsm-keyring.yaml", shop.maker.keyring(1, revoked=[shop.maker.spare]))
    assert "knows a different keyring of that version" in shop.refused()
    with pytest.raises(TrustError):
        shop.host().plan("a")


def test_a_plan_says_whose_release_it_is(shop: Shop):
    """The key, what it was signed for, and how new it is."""
    shop.release("1.1.0", 10)
    (note,) = [each for each in shop.host().plan("a").notes if each.startswith("signed by")]
    assert note == f"signed by ci ({shop.maker.ci.public_key.name}) for acme/shop, sequence 10"


def test_the_doctor_looks_at_keys(shop: Shop):
    """None pinned; none known yet; one that ends soon; one that has ended; one that was pinned anew."""

    def said(host: Updater, text: str) -> list[str]:
        return [each.level for each in host.doctor() if text in each.message]

    assert said(shop.host(trust=False), "its updates are refused: no root keys are pinned") == ["error"]
    assert not said(shop.host(allow_unsigned=True), "keyring")
    assert said(shop.host(), "no keyring is known yet") == ["ok"]
    folder = shop.release("1.1.0", 10, keyring=None)
    soon = timestamp(datetime.now(UTC) + 9 * DAY)
    shop.put(folder, "fsm-keyring.yaml", shop.maker.keyring(1, not_after=soon))
    shop.host().plan("a")
    assert said(shop.host(), "the key ci that signs its releases expires in 8 days") == ["warning"]
    gone = timestamp(datetime.now(UTC) - DAY)
    shop.put(shop.depot, "fsm-keyring.yaml", shop.maker.keyring(2, not_after=gone))
    shop.host().check("a", force=True)
    assert said(shop.host(), "the key ci that signs its releases has expired") == ["warning"]
