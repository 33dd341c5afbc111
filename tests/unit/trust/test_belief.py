"""What a host believes: the keyring, the keys that count, and what a signature is bound to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fsm.errors import ManifestError, NotReady, TrustError
from fsm.formats.trust import Key, Keyring, SignedFile, Trust, TrustSpec, Withdrawal, Withdrawn
from fsm.formats.trust.documents import DOCUMENT_LIMIT, Revoked, parse
from fsm.formats.trust.minisign import sign, verify
from fsm.formats.trust.signing import sign_withdrawn
from fsm.release.signing import loaded
from tests.unit.trust.conftest import NOW, Maker


def accept(host: Trust, found: SignedFile, *, repository: str = "acme/shop", component: str = "web") -> tuple[str, ...]:
    """The names of the keys that a host takes a manifest from."""
    return host.manifest(found, what="m.yaml", repository=repository, component=component).names


def refusal(host: Trust, found: SignedFile, **given: str) -> str:
    """Why a host does not take a manifest."""
    with pytest.raises(TrustError) as caught:
        accept(host, found, **given)
    return str(caught.value)


def test_a_key_of_the_keyring_counts(maker: Maker):
    """And everything that its signature is bound to is told."""
    signed = maker.host(maker.keyring()).manifest(maker.manifest(), what="m", repository="acme/shop", component="web")
    assert signed.names == ("ci",)
    assert signed.keys == (maker.ci.public_key.name,)
    assert (signed.repository, signed.component, signed.version, signed.sequence) == ("acme/shop", "web", "1.2.0", 100)


def test_no_other_key_counts(maker: Maker):
    """Not a stranger's, and not the root key: it signs keyrings only."""
    host = maker.host(maker.keyring())
    assert "the keyring does not know" in refusal(host, maker.manifest(maker.stranger))
    assert "the keyring does not know" in refusal(host, maker.manifest(maker.root))


def test_a_revoked_key_counts_no_more(maker: Maker):
    """Whatever it has signed, and by the name that people know it by."""
    host = maker.host(maker.keyring(2, revoked=[maker.ci]))
    assert "its key gone is revoked" in refusal(host, maker.manifest())
    assert accept(host, maker.manifest(maker.spare)) == ("spare",)
    assert host.revoked == {maker.ci.public_key.name}


def test_a_key_ends(maker: Maker):
    """At the very second; by the newest time that the host has proof of."""
    ring = maker.keyring(not_after="2026-06-01T00:00:00Z")
    assert "its key ci expired at 2026-06-01T00:00:00Z" in refusal(maker.host(ring), maker.manifest())
    assert accept(maker.host(ring, now=NOW - timedelta(seconds=1)), maker.manifest()) == ("ci",)


def test_a_key_may_be_for_some_repositories(maker: Maker):
    """A key that one product's CI had stolen cannot sign for another."""
    host = maker.host(maker.keyring(repositories=("acme/shop",)))
    assert accept(host, maker.manifest()) == ("ci",)
    other = maker.manifest(repository="acme/bank")
    assert "its key ci is not for acme/bank" in refusal(host, other, repository="acme/bank")


def test_as_many_keys_as_the_keyring_asks_for(maker: Maker):
    """Different ones: the same key twice is one."""
    host = maker.host(maker.keyring(threshold=2))
    assert "1 of the 2 required signatures" in refusal(host, maker.manifest())
    assert "1 of the 2 required signatures" in refusal(host, maker.manifest(maker.ci, maker.ci))
    assert "1 of the 2 required signatures" in refusal(host, maker.manifest(maker.ci, maker.stranger))
    assert accept(host, maker.manifest(maker.ci, maker.spare)) == ("ci", "spare")
    assert accept(host, maker.manifest(maker.stranger, maker.spare, maker.ci)) == ("ci", "spare")


def test_one_key_under_two_names_is_one(maker: Maker):
    """The eight bytes of an id are nobody's proof: whoever has one key can sign under as many as they like."""
    twin = replace(maker.ci, key_id=bytes(8))
    keys = tuple(Key(name=f"k{number}", key=str(key.public_key)) for number, key in enumerate((maker.ci, twin)))
    with pytest.raises(ValueError, match="a key is listed twice"):
        Keyring(version=1, threshold=2, keys=keys)
    gone = (Revoked(name="gone", key=keys[1].key),)
    with pytest.raises(ValueError, match="a key is listed twice"):
        Keyring(version=1, keys=keys[:1], revoked=gone)
    roots = tuple(each.key for each in keys)
    with pytest.raises(ValueError, match="a root key is listed twice"):
        TrustSpec(root_keys=roots, threshold=2)
    signed = b"".join(sign(b"x", key, comment="c").encode() for key in (maker.ci, twin))
    assert len(verify(b"x", signed, [maker.ci.public_key, twin.public_key])) == 1
    with pytest.raises(TrustError, match="given twice"):
        loaded([maker.ci.file(), twin.file()], None)


def test_signatures_that_differ_in_what_they_say(maker: Maker):
    """Two keys must have signed the same thing."""
    host = maker.host(maker.keyring(threshold=2))
    one, other = maker.manifest(maker.ci), maker.manifest(maker.spare, repository="acme/bank")
    both = SignedFile(one.data, one.signature + other.signature)
    assert "contradict each other" in refusal(host, both)


@pytest.mark.parametrize(("key", "value"), [("repository", "acme/bank"), ("component", "core")])
def test_a_manifest_is_bound(maker: Maker, key: str, value: str):
    """What was signed for another repository or component is of no use here."""
    message = refusal(maker.host(maker.keyring()), maker.manifest(**{key: value}))
    assert f"signed for the {key} {value!r}" in message


def test_a_changed_manifest(maker: Maker):
    """One byte is enough; nothing of it is parsed."""
    data, signature = maker.manifest()
    assert "does not match" in refusal(maker.host(maker.keyring()), SignedFile(data + b"\x00: [", signature))


def test_a_signature_of_another_kind(maker: Maker):
    """A keyring's signature is none of a manifest, although the key is right."""
    data = maker.manifest().data
    wrong = sign(data, maker.ci, comment="fsm-keyring:1 version=3").encode()
    assert "one that begins with fsm-manifest:1 is needed" in refusal(
        maker.host(maker.keyring()), SignedFile(data, wrong)
    )
    wrong = sign(data, maker.ci, comment="hello").encode()
    assert "'hello'" in refusal(maker.host(maker.keyring()), SignedFile(data, wrong))


@pytest.mark.parametrize("sequence", ["-1", "1e3", "x"])
def test_a_sequence_is_a_number(maker: Maker, sequence: str):
    """Else it could not be compared."""
    data = maker.manifest().data
    comment = f"fsm-manifest:1 repository=acme/shop component=web version=1.2.0 sequence={sequence}"
    found = SignedFile(data, sign(data, maker.ci, comment=comment).encode())
    assert "names no sequence" in refusal(maker.host(maker.keyring()), found)


def test_without_a_keyring_nothing_is_believed(maker: Maker):
    """It is not there yet: that may change."""
    with pytest.raises(NotReady, match="no keyring is known yet"):
        accept(maker.host(), maker.manifest())


def test_a_keyring_is_learnt_when_it_is_newer(maker: Maker):
    """Never an older one, which could have a revoked key in it."""
    host = maker.host()
    assert host.learn(maker.keyring(2), "k")
    assert not host.learn(maker.keyring(1), "k")
    assert not host.learn(maker.keyring(2), "k")
    assert host.learn(maker.keyring(3, revoked=[maker.ci]), "k")
    assert host.keyring.version == 3
    assert not host.learn(maker.keyring(2), "k")
    assert "revoked" in refusal(host, maker.manifest())


def test_two_keyrings_of_one_version(maker: Maker):
    """Whoever signs keyrings has made a mistake, or is somebody else; which one counts is for people to say."""
    host = maker.host(maker.keyring(2))
    with pytest.raises(TrustError, match="has version 2, but this host knows a different keyring"):
        host.learn(maker.keyring(2, revoked=[maker.ci]), "k")
    assert accept(host, maker.manifest()) == ("ci",)


def test_a_keyring_of_somebody_else(maker: Maker):
    """Also one that a key of the keyring itself has signed."""
    for key in (maker.stranger, maker.ci):
        with pytest.raises(TrustError, match="0 of the 1 required root keys"):
            maker.host().learn(maker.keyring(9, by=[key]), "k")


def test_as_many_root_keys_as_the_host_asks_for(maker: Maker):
    """A keyring that one of two has signed is none."""
    host = maker.host()
    host.spec = host.spec.model_copy(
        update={"root_keys": (*host.spec.root_keys, str(maker.stranger.public_key)), "threshold": 2}
    )
    with pytest.raises(TrustError, match="1 of the 2 required root keys"):
        host.learn(maker.keyring(), "k")
    assert host.learn(maker.keyring(by=[maker.root, maker.stranger]), "k")


def test_a_kept_keyring_is_verified_again(maker: Maker):
    """What lies in the journal is believed for its signature, not for its place."""
    data, signature = maker.keyring(1)
    host = maker.host(SignedFile(data.replace(b"spare", b"spire"), signature))
    with pytest.raises(TrustError, match="does not match"):
        accept(host, maker.manifest())


def test_a_keyrings_signature_names_its_version(maker: Maker):
    """So the comment alone tells people which keyring it is."""
    data = maker.keyring(1).data
    wrong = SignedFile(data, sign(data, maker.root, comment="fsm-keyring:1 version=2").encode())
    with pytest.raises(TrustError, match="for another version"):
        maker.host().learn(wrong, "k")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"version: 1\n", "keys is missing"),
        (b"version: 0\nkeys: []\n", "version must be"),
        (b'version: 1\nkeys:\n  - name: "a"\n    key: "RW"\n', "a public key is one line"),
        (b"x" * (DOCUMENT_LIMIT + 1), "more than"),
    ],
)
def test_what_is_no_keyring(text: bytes, why: str):
    """The key and the reason, on one line."""
    with pytest.raises(TrustError, match=why) as caught:
        parse(Keyring, text, "k.yaml")
    assert "\n" not in str(caught.value)


def test_what_is_no_yaml():
    """As strict as for manifests."""
    with pytest.raises(ManifestError, match=r"k\.yaml:1:"):
        parse(Keyring, b"a: &x 1\nb: *x\n", "k.yaml")


def withdrawn(maker: Maker, sequence: int = 5, repository: str = "acme/shop") -> SignedFile:
    """A list in which web 1.2.0 and every 1.1.0 are withdrawn."""
    gone = (
        Withdrawal.model_validate({"component": "web", "version": "1.2.0", "why": "loses settings"}, strict=False),
        Withdrawal.model_validate({"version": "1.1.0"}, strict=False),
    )
    return sign_withdrawn(Withdrawn(repository=repository, sequence=sequence, withdrawn=gone), [maker.ci])


def test_withdrawn_versions(maker: Maker):
    """Of one component, or of all; versions are compared, not spelled."""
    from fsm.model import Version

    found = maker.host(maker.keyring()).withdrawn(withdrawn(maker), repository="acme/shop")
    assert found.why("web", Version("v1.2.0")) == "loses settings"
    assert found.why("core", Version("1.2.0")) is None
    assert found.why("core", Version("1.1")) == "no reason was given"


def test_a_list_of_withdrawn_versions_is_bound(maker: Maker):
    """To its repository and its sequence, and to a key that counts."""
    host = maker.host(maker.keyring())
    with pytest.raises(TrustError, match="that of acme/bank"):
        host.withdrawn(withdrawn(maker, repository="acme/bank"), repository="acme/shop")
    data = withdrawn(maker).data
    wrong = sign(data, maker.ci, comment="fsm-withdrawn:1 repository=acme/shop sequence=6").encode()
    with pytest.raises(TrustError, match="for another one"):
        host.withdrawn(SignedFile(data, wrong), repository="acme/shop")
    with pytest.raises(TrustError, match="is revoked"):
        maker.host(maker.keyring(2, revoked=[maker.ci])).withdrawn(withdrawn(maker), repository="acme/shop")


def test_time_is_the_hosts_own(maker: Maker):
    """Nothing here asks a clock."""
    ring = maker.keyring(not_after="2126-06-01T00:00:00Z")
    far = datetime(2126, 6, 2, tzinfo=UTC)
    assert "expired at" in refusal(maker.host(ring, now=far), maker.manifest())
