"""Signing a release: what is signed, what a maintainer is told before hosts would refuse it."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fsm.errors import TrustError
from fsm.formats.manifest import parse
from fsm.formats.trust import SecretKey
from fsm.formats.trust.minisign import verify
from fsm.release.build import build
from fsm.release.made import commit_time
from fsm.release.problems import ReleaseError
from fsm.release.signing import Signing, loaded
from tests.unit.release.conftest import Repository
from tests.unit.trust.conftest import Maker

MANIFEST = "update-manifest.yaml"


@pytest.fixture(autouse=True)
def _at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


def keyring(repository: Repository, maker: Maker, version: int = 1, **given: object) -> None:
    """Put a keyring beside the description."""
    signed = maker.keyring(version, **given)  # type: ignore[arg-type]
    repository.write("fsm-keyring.yaml", signed.data)
    repository.write("fsm-keyring.yaml.minisig", signed.signature)


@pytest.fixture(scope="session")
def maker() -> Maker:
    """Keys for all tests here."""
    return Maker()


def signing(*keys: SecretKey) -> Signing:
    """These keys, for the repository acme/shop."""
    return Signing(keys, "acme/shop")


def test_a_release_is_signed(repository: Repository, maker: Maker):
    """The manifest's exact bytes, bound to all that they are about; the same bytes a second time."""
    keyring(repository, maker)
    built = build(repository.options(signing=signing(maker.ci)))
    assert set(built.trust) == {f"{MANIFEST}.minisig", "fsm-keyring.yaml", "fsm-keyring.yaml.minisig"}
    [found] = verify(built.manifests[MANIFEST], built.trust[f"{MANIFEST}.minisig"], [maker.ci.public_key])
    assert found.comment == "fsm-manifest:1 repository=acme/shop component=web version=1.2.0 sequence=1700000000"
    assert built.signed_by == (maker.ci.public_key.name,)
    assert build(repository.options(signing=signing(maker.ci))).trust == built.trust


def test_each_manifest_is_signed(repository: Repository, maker: Maker):
    """Of several components, each for its own."""
    repository.describe(
        repository.description.read_text() + "  - {name: api, type: t, artifacts: [{path: NOTES.md}]}\n"
    )
    built = build(repository.options(signing=signing(maker.ci, maker.spare)))
    for name in ("web", "api"):
        file = f"update-manifest-{name}.yaml"
        found = verify(
            built.manifests[file], built.trust[f"{file}.minisig"], [maker.ci.public_key, maker.spare.public_key]
        )
        assert len(found) == 2
        assert f" component={name} " in found[0].comment


@pytest.mark.processes
def test_how_new_it_is(repository: Repository, maker: Maker, monkeypatch: pytest.MonkeyPatch):
    """By SOURCE_DATE_EPOCH, else by the commit, else by --sequence; without any, nothing is signed."""

    def sequence(**given: object) -> tuple[object, object]:
        read = parse(build(repository.options(**given)).manifests[MANIFEST], "m")
        return read.sequence, read.released_at

    assert sequence() == (1_700_000_000, "2023-11-14T22:13:20Z")
    assert sequence(sequence=5) == (5, "2023-11-14T22:13:20Z")
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert sequence() == (None, None)
    with pytest.raises(ReleaseError, match="nothing says how new the release is"):
        build(repository.options(signing=signing(maker.ci)))
    run = ["git", "-C", str(repository.root), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*run, "init", "--quiet"], check=True)
    when = {"GIT_COMMITTER_DATE": "1600000000 +0200", "PATH": "/usr/bin:/bin"}
    subprocess.run([*run, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True, env=when)
    assert sequence() == (1_600_000_000, "2020-09-13T12:26:40Z")
    for wrong in ("x", "-1", "1e9", "9" * 12, "9" * 13):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", wrong)
        with pytest.raises(ReleaseError, match="is not a number of seconds"):
            commit_time(repository.root)


@pytest.mark.processes
def test_a_commit_of_no_calendar(repository: Repository, maker: Maker, monkeypatch: pytest.MonkeyPatch):
    """Git takes any number for a time; no manifest does."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    run = ["git", "-C", str(repository.root), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*run, "init", "--quiet"], check=True)
    when = {"GIT_COMMITTER_DATE": "@999999999999 +0000", "PATH": "/usr/bin:/bin"}
    subprocess.run([*run, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True, env=when)
    assert "999999999999 is not a commit time" in repository.refusal().why


@pytest.mark.processes
def test_git_that_refuses_is_quoted(repository: Repository, maker: Maker, monkeypatch: pytest.MonkeyPatch):
    """As it does for a checkout of another user: to say that there is none would send people the wrong way."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    subprocess.run(["git", "init", "--quiet", str(repository.root)], check=True)
    (repository.root / ".git" / "config").write_text("[core\n")
    error = repository.refusal(signing=signing(maker.ci))
    assert "git says: fatal: bad config line 1" in error.why


@pytest.mark.processes
def test_an_end(repository: Repository, monkeypatch: pytest.MonkeyPatch):
    """Counted from the commit, not from now, so that a second build gives the same."""
    repository.describe(repository.description.read_text() + "    expires_after_days: 30\n")
    read = parse(build(repository.options()).manifests[MANIFEST], "m")
    assert read.expires_at == "2023-12-14T22:13:20Z"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    with pytest.raises(ReleaseError, match=r"update\.yaml:\d+:\d+: needs the time of a commit"):
        build(repository.options())


def test_hosts_would_refuse_it(repository: Repository, maker: Maker):
    """A key that is unknown, revoked, over, or for another repository; too few keys. It is said before publication."""

    def refused(*keys: SecretKey) -> str:
        return repository.refusal(signing=signing(*keys)).why

    keyring(repository, maker)
    assert f"the keyring does not know key {maker.stranger.public_key.name}" in refused(maker.stranger)
    keyring(repository, maker, revoked=[maker.ci])
    assert "is revoked" in refused(maker.ci)
    keyring(repository, maker, not_after="2023-11-14T22:13:20Z")
    assert "key ci expired at 2023-11-14T22:13:20Z" in refused(maker.ci)
    keyring(repository, maker, repositories=("acme/bank",))
    assert "key ci is not for acme/shop" in refused(maker.ci)
    keyring(repository, maker, threshold=2)
    assert "2 keys must sign it" in refused(maker.ci)
    assert build(repository.options(signing=signing(maker.ci, maker.spare))).signed_by


def test_a_keyring_that_cannot_be_used(repository: Repository, maker: Maker):
    """Named with its file; an unsigned release may have one as well."""
    assert "cannot be read" in repository.refusal(keyring=repository.root / "none.yaml").why
    keyring(repository, maker)
    path = repository.root / "fsm-keyring.yaml"
    assert build(repository.options(keyring=path)).trust
    assert build(repository.options()).trust == {}
    path.write_text("version: 0\n")
    assert "cannot read" in repository.refusal(signing=signing(maker.ci)).why
    path.write_text("a: &b 1\n")
    assert repository.refusal(signing=signing(maker.ci)).spot.file == str(path)
    keyring(repository, maker)
    Path(f"{path}.minisig").unlink()
    assert "cannot be read" in repository.refusal(signing=signing(maker.ci)).why


def test_a_repository_that_is_no_name(repository: Repository, maker: Maker):
    """A comment has no place for spaces."""
    with pytest.raises(TrustError, match="the repository 'a b' is empty or has spaces"):
        build(repository.options(signing=Signing((maker.ci,), "a b")))


def test_a_key_counts_once(maker: Maker):
    """Given twice, it is no second signature."""
    with pytest.raises(TrustError, match="a key was given twice"):
        loaded([maker.ci.file(), maker.ci.file()], None)
    assert loaded([maker.ci.file()], None) == (maker.ci,)


def test_times_are_utc(repository: Repository):
    """Whatever the zone of this machine is."""
    at = parse(build(repository.options()).manifests[MANIFEST], "m").released_at
    assert at == datetime.fromtimestamp(1_700_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
