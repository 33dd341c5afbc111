"""`fsm release yank`: a signed list, in a directory or as a release of its own; what was published stays."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fsm.formats.trust import SecretKey, Withdrawal, Withdrawn
from fsm.formats.trust.documents import parse
from fsm.formats.trust.minisign import verify
from fsm.formats.trust.signing import sign_withdrawn
from fsm.model import Version
from fsm.sources.github import GitHubSource
from fsm.sources.specs import GitHubSpec
from tests import warm
from tests.github.fake import FakeGitHub
from tests.unit.release.test_publish import Cut
from tests.unit.trust.conftest import Maker

pytestmark = pytest.mark.processes

Yank = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def maker() -> Maker:
    """Keys for all tests here."""
    return Maker()


@pytest.fixture
def yank(tmp_path: Path, maker: Maker) -> Yank:
    """Run the command in a directory with the keyring, with the key `ci`."""
    signed = maker.keyring(1)
    (tmp_path / "fsm-keyring.yaml").write_bytes(signed.data)
    (tmp_path / "fsm-keyring.yaml.minisig").write_bytes(signed.signature)

    def run(*arguments: str, github: FakeGitHub | None = None, key: Any = None) -> subprocess.CompletedProcess[str]:
        env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "FSM_SIGNING_KEY": (key or maker.ci).file()}
        env |= {"GITHUB_REPOSITORY": "acme/shop"}
        if github is not None:
            env |= {"GITHUB_TOKEN": github.token, "GITHUB_API_URL": github.api_url}
        return warm.fsm("release", "yank", *arguments, cwd=tmp_path, env=env)

    return run


def put(folder: Path, listed: Withdrawn, *by: SecretKey) -> None:
    """Write a list into a directory."""
    signed = sign_withdrawn(listed, by)
    (folder / "fsm-withdrawn.yaml").write_bytes(signed.data)
    (folder / "fsm-withdrawn.yaml.minisig").write_bytes(signed.signature)


def test_a_list_in_a_directory(yank: Yank, tmp_path: Path, maker: Maker):
    """One version after the other; the same once more changes nothing."""
    first = yank("1.2.0", "loses settings", "--component", "web", "--local", "-o", ".")
    assert first.returncode == 0, first.stderr
    assert first.stdout == "withdrawn: web 1.2.0 (list 1, in .)\n"
    assert yank("v1.3.0", "too", "--local", "-o", ".").returncode == 0
    again = yank("1.2", "otherwise", "--component", "web", "--local", "-o", ".")
    assert again.stdout.startswith("already withdrawn: web 1.2.0, every component v1.3.0 (list 2")
    data = (tmp_path / "fsm-withdrawn.yaml").read_bytes()
    signature = (tmp_path / "fsm-withdrawn.yaml.minisig").read_bytes()
    [found] = verify(data, signature, [maker.ci.public_key])
    assert found.comment == "fsm-withdrawn:1 repository=acme/shop sequence=2"
    read = parse(Withdrawn, data, "w")
    assert [(each.component, str(each.version), each.why) for each in read.withdrawn] == [
        ("web", "1.2.0", "loses settings"),
        (None, "v1.3.0", "too"),
    ]


def test_another_key_signs_it_anew(yank: Yank, tmp_path: Path, maker: Maker):
    """As is needed when the key was revoked that has signed it."""
    assert yank("1.2.0", "x", "--local", "-o", ".").returncode == 0
    done = yank("1.2.0", "x", "--local", "-o", ".", key=maker.spare)
    assert "withdrawn: every component 1.2.0 (list 2" in done.stdout
    data, signature = ((tmp_path / f"fsm-withdrawn.yaml{end}").read_bytes() for end in ("", ".minisig"))
    assert verify(data, signature, [maker.spare.public_key])


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("latest", "x"), 2, "'latest' is not a version"),
        (("1.0", "x", "--repository", "nothing"), 2, "the repository is unknown"),
        (("1.0", "x", "--repository", "\u00e4/b"), 2, "the repository is unknown"),
        (("1.0", "x", "--component", "Web!"), 2, "the component's name is not valid"),
        (("1.0", "two\nlines"), 2, "the reason has line breaks"),
        (("1.0", "x", "--keyring", "none.yaml"), 20, "cannot be read"),
    ],
)
def test_what_cannot_be_withdrawn(yank: Yank, tmp_path: Path, arguments: tuple[str, ...], code: int, why: str):
    """One line, and nothing is written."""
    done = yank(*arguments, "--local", "-o", "out")
    assert done.returncode == code, done.stderr
    assert why in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "fsm-withdrawn.yaml").exists()


def test_a_list_of_somebody_else_is_not_continued(yank: Yank, tmp_path: Path, maker: Maker):
    """Its entries are not what the maintainer has withdrawn."""
    assert yank("1.2.0", "x", "--local", "-o", ".", "--repository", "acme/bank").returncode == 0
    assert "it is that of acme/bank" in yank("1.3.0", "x", "--local", "-o", ".").stderr
    (tmp_path / "fsm-withdrawn.yaml").unlink()
    put(tmp_path, Withdrawn(repository="acme/shop", sequence=1), maker.stranger)
    assert "not signed by a key that is known here" in yank("1.3.0", "x", "--local", "-o", ".").stderr


def hosts(github: FakeGitHub) -> Withdrawn | None:
    """The list as a host finds it."""
    source = GitHubSource(GitHubSpec(type="github", repository="acme/shop", api_url=github.api_url), "web")
    listing = source.releases()
    assert not listing.warnings
    found = source.notices()
    assert found.withdrawn is None or found.keyring is not None
    return parse(Withdrawn, found.withdrawn.data, "w") if found.withdrawn else None


def test_a_list_on_github(yank: Yank):
    """Each is a release of its own, none of the component's; nothing that is published is changed."""
    with FakeGitHub() as github:
        kept = github.add_repository("acme/shop", immutable_releases=True)
        kept.add_release("v1.2.0")
        assert hosts(github) is None
        done = yank("1.2.0", "x", github=github)
        assert done.returncode == 0, done.stderr
        assert "/fsm-withdrawn-1" in done.stdout
        done = yank("1.3.0", "y", "--json", github=github)
        found = json.loads(done.stdout)["results"][0]
        assert (found["sequence"], len(found["withdrawn"]), found["is_new"]) == (2, 2, True)
        assert {each.tag: each.prerelease for each in kept.releases()} == {
            "v1.2.0": False,
            "fsm-withdrawn-1": True,
            "fsm-withdrawn-2": True,
        }
        listed = hosts(github)
        assert listed is not None
        assert len(listed.withdrawn) == 2
        assert yank("1.3.0", "y", github=github).stdout.startswith("already withdrawn")
        assert len(list(kept.releases())) == 3


def test_a_list_that_cannot_go_on(yank: Yank, tmp_path: Path, maker: Maker):
    """As a thief may leave it: it is said which one to remove."""
    put(tmp_path, Withdrawn(repository="acme/shop", sequence=(1 << 53) - 1), maker.ci)
    done = yank("1.2.0", "x", "--local", "-o", ".", key=maker.spare)
    assert done.returncode == 20
    assert "it has the highest sequence there is; delete it" in done.stderr
    gone = tuple(Withdrawal(version=Version(f"1.{number}")) for number in range(1000))
    put(tmp_path, Withdrawn(repository="acme/shop", sequence=1, withdrawn=gone), maker.ci)
    done = yank("2.0", "x", "--local", "-o", ".")
    assert done.returncode == 20
    assert "it is full, with 1000 entries" in done.stderr


def ring(folder: Path, maker: Maker, **given: object) -> None:
    """Put another keyring there."""
    signed = maker.keyring(2, **given)  # type: ignore[arg-type]
    (folder / "fsm-keyring.yaml").write_bytes(signed.data)
    (folder / "fsm-keyring.yaml.minisig").write_bytes(signed.signature)


def test_what_a_revoked_key_has_withdrawn_is_looked_at(yank: Yank, tmp_path: Path, maker: Maker):
    """A thief may have withdrawn what is good; signed anew, hosts would believe that for ever."""
    assert yank("1.2.0", "x", "--local", "-o", ".").returncode == 0
    before = (tmp_path / "fsm-withdrawn.yaml").read_bytes()
    ring(tmp_path, maker, revoked=[maker.ci])
    done = yank("1.3.0", "x", "--local", "-o", ".", key=maker.spare)
    assert done.returncode == 20
    assert "list 1 was signed only by a revoked key, and contains: every component 1.2.0; " in done.stderr
    assert (tmp_path / "fsm-withdrawn.yaml").read_bytes() == before
    assert "(list 2" in yank("1.3.0", "x", "--local", "-o", ".", "--take-over", key=maker.spare).stdout
    assert "(list 3" in yank("1.4.0", "x", "--local", "-o", ".", key=maker.spare).stdout


def test_a_list_that_hosts_would_refuse_is_not_made(yank: Yank, tmp_path: Path, maker: Maker):
    """That a version is withdrawn is said only where hosts will believe it."""
    ring(tmp_path, maker, revoked=[maker.ci])
    done = yank("1.3.0", "x", "--local", "-o", ".")
    assert done.returncode == 20
    assert "hosts would refuse this list: key" in done.stderr
    assert "is revoked" in done.stderr
    ring(tmp_path, maker, threshold=2)
    assert "hosts would refuse this list: 2 keys must sign it" in yank("1.3.0", "x", "--local", "-o", ".").stderr
    assert not (tmp_path / "fsm-withdrawn.yaml").exists()


def test_a_newest_list_that_is_none(yank: Yank):
    """Whoever has the account can make a release of that name; a list that begins anew would be one that goes back."""
    with FakeGitHub() as github:
        kept = github.add_repository("acme/shop")
        assert yank("1.2.0", "x", github=github).returncode == 0
        kept.add_release("fsm-withdrawn-99")
        done = yank("1.3.0", "x", github=github)
        assert done.returncode == 20
        assert "fsm-withdrawn-99 of acme/shop has no list; delete that release" in done.stderr


@pytest.mark.parametrize(
    ("repository", "api", "code", "why"),
    [
        ("under_score/shop", None, 0, ""),
        ("do.t/shop", None, 2, "do.t/shop is not a GitHub repository"),
        ("acme/shop", "http://example.org/api", 2, "api_url cannot be used: plain http"),
    ],
)
def test_where_a_list_goes(yank: Yank, repository: str, api: str | None, code: int, why: str):
    """Names that GitHub gives are taken (those of managed users have an underscore), others are refused in a line."""
    with FakeGitHub() as github:
        github.add_repository("under_score/shop")
        more = () if api is None else ("--api-url", api)
        done = yank("1.2.0", "x", "--repository", repository, *more, github=github)
        assert done.returncode == code, done.stderr
        assert why in done.stderr
        assert done.stderr.count("\n") == bool(why)


@pytest.mark.parametrize("at", [3, 5, 6, 7, 8])
def test_a_list_whose_publication_broke_off(yank: Yank, at: int):
    """Hosts do not see a half one; the next call finishes it, whatever request it was that got no answer."""
    with Cut(at, status=502) as github:
        kept = github.add_repository("acme/shop")
        ended = yank("1.2.0", "x", github=github)
        assert github.count >= at
        github.cut = None
        if ended.returncode != 0:
            assert hosts(github) is None
            assert yank("1.2.0", "x", github=github).returncode == 0
        (release,) = kept.releases()
        assert (release.tag, release.draft) == ("fsm-withdrawn-1", False)
        listed = hosts(github)
        assert listed is not None
        assert [str(each.version) for each in listed.withdrawn] == ["1.2.0"]
