"""The client that publishes, against the fake GitHub."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm.errors import SourceError, StepFailed, Transient
from fsm.release.github import Publisher, _Deadlined
from tests.github.fake import FakeGitHub
from tests.github.state import Repository
from tests.servers import Fault

pytestmark = pytest.mark.processes

DATA = bytes(range(256)) * 4000
POST = ("POST",)


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """GitHub."""
    with FakeGitHub() as running:
        yield running


@pytest.fixture
def repository(github: FakeGitHub) -> Repository:
    """A repository that does not let published releases change."""
    return github.add_repository("o/r", immutable_releases=True)


@pytest.fixture
def publisher(github: FakeGitHub, repository: Repository) -> Iterator[Publisher]:
    """Who may write to it."""
    with Publisher(repository.full_name, github.token, api_url=github.api_url, timeout=5) as made:
        yield made


@pytest.mark.parametrize("ghes", [False, True])
def test_a_release_from_draft_to_published(tmp_path: Path, ghes: bool):
    """Draft, uploads (an empty one as well), compared then published; on a server of one's own, too."""
    (tmp_path / "a.bin").write_bytes(DATA)
    (tmp_path / "empty").touch()
    with FakeGitHub(ghes=ghes) as github:
        kept = github.add_repository("o/r")
        with Publisher("o/r", github.token, api_url=github.api_url) as publisher:
            draft = publisher.create_draft("v1.0", body="new", target="abc", prerelease=True)
            assert [each.id for each in publisher.releases()] == [draft.id]
            made = publisher.upload(draft, tmp_path / "a.bin")
            assert publisher.upload(draft, tmp_path / "empty", "void.bin").size == 0
            assert (made.size, made.digest) == (len(DATA), f"sha256:{hashlib.sha256(DATA).hexdigest()}")
            publisher.delete_asset(made)
            assert [each.name for each in publisher.assets(draft)] == ["void.bin"]
            assert publisher.update(draft, name="One", body="newer").body == "newer"
            done = publisher.publish(draft)
        assert (done.draft, done.prerelease, done.name) == (False, True, "One")
        release = kept.release("v1.0")
        assert release is not None
        assert (release.target, release.draft) == ("abc", False)


def test_what_a_broken_upload_leaves_can_be_replaced(
    github: FakeGitHub, repository: Repository, publisher: Publisher, tmp_path: Path
):
    """5xx in the middle: the next look shows half an asset; it is deleted and uploaded again."""
    (tmp_path / "a.bin").write_bytes(DATA)
    draft = publisher.create_draft("v1.0")
    path = f"/repos/o/r/releases/{draft.id}/assets"
    for fault in (Fault(status=502, methods=POST, times=1), Fault(drop=True, methods=POST, times=1)):
        github.fault(path, fault)
        with pytest.raises(Transient):
            publisher.upload(draft, tmp_path / "a.bin")
        (half,) = publisher.assets(draft)
        assert (half.is_whole, half.digest) == (False, None)
        with pytest.raises(SourceError, match="already_exists"):
            publisher.upload(draft, tmp_path / "a.bin")
        publisher.delete_asset(half)
    assert publisher.upload(draft, tmp_path / "a.bin").is_whole
    assert len(github.asked(path, "POST")) == 5, "what changes something is asked once"


def test_lists_have_all_pages(repository: Repository, publisher: Publisher):
    """A draft may be on the second page."""
    first = repository.add_release("v0", draft=True)
    for number in range(1, 103):
        repository.add_release(f"v{number}")
    assert publisher.releases()[-1].id == first.id


def test_a_question_is_repeated_a_few_times(github: FakeGitHub, publisher: Publisher):
    """A server that is broken for a moment is asked again, one that stays broken is not asked for ever."""
    github.fault("/repos/o/r/releases", Fault(status=502, times=2))
    assert publisher.releases() == ()
    github.fault("/repos/o/r/releases", Fault(status=503))
    with pytest.raises(Transient, match="answered 503"):
        publisher.releases()
    assert len(github.asked("/repos/o/r/releases")) == 6


def test_no_call_waits_for_a_rate_limit(github: FakeGitHub, publisher: Publisher):
    """The error says until when, and comes at once."""
    github.limits.remaining = 0
    began = time.monotonic()
    with pytest.raises(Transient, match=r"rate limit of 127\.0\.0\.1 is used up until \d\d:\d\d:\d\d UTC") as caught:
        publisher.releases()
    assert 3000 < (caught.value.after or 0) <= 3600
    github.limits.remaining, github.limits.secondary = 100, 1
    with pytest.raises(Transient) as caught:
        publisher.create_draft("v1")
    assert caught.value.after == 60
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("uploads", [False, True])
def test_every_request_has_a_deadline(github: FakeGitHub, repository: Repository, tmp_path: Path, uploads: bool):
    """A server that says nothing is left, also the one for uploads, for which PyGithub by itself has none."""
    (tmp_path / "a.bin").write_bytes(DATA)
    with Publisher("o/r", github.token, api_url=github.api_url, timeout=1) as publisher:
        draft = publisher.create_draft("v1.0")
        github.fault("*", Fault(stall=30, methods=POST))
        with pytest.raises(Transient, match="did not answer within 1 s"):
            publisher.upload(draft, tmp_path / "a.bin") if uploads else publisher.create_draft("v2")


def test_an_upload_has_a_deadline_as_a_whole(github: FakeGitHub, repository: Repository, tmp_path: Path):
    """A line that takes one byte a second never reaches a socket's timeout."""
    (tmp_path / "a").write_bytes(b"abc")
    with Publisher("o/r", github.token, api_url=github.api_url, upload_timeout=-1.0) as publisher:
        draft = publisher.create_draft("v1.0")
        with pytest.raises(Transient, match="cannot upload a: it took longer"):
            publisher.upload(draft, tmp_path / "a")


def test_errors_say_what_to_do_and_hide_the_token(github: FakeGitHub, repository: Repository, tmp_path: Path):
    """A wrong token, one that may only read, a repository that is not there, a file that is not there."""
    with Publisher("o/r", "ghp_wrong", api_url=github.api_url) as publisher:
        with pytest.raises(SourceError, match="does not accept the token") as caught:
            publisher.releases()
        assert "ghp_wrong" not in str(caught.value)
    reader = Publisher("o/r", github.read_token, api_url=github.api_url)
    with reader, pytest.raises(SourceError, match=r"403 .*the token may not do that"):
        reader.create_draft("v1")
    lost = Publisher("o/none", github.token, api_url=github.api_url)
    with lost, pytest.raises(SourceError, match=r"404 .*it does not exist"):
        lost.releases()
    with Publisher("o/r", github.token, api_url=github.api_url) as publisher:
        draft = publisher.create_draft("v1")
        with pytest.raises(StepFailed, match="no such file"):
            publisher.upload(draft, tmp_path / "none")
        github.fault("/repos/o/r/releases", Fault(body=b'[{"id": "x"}]'))
        with pytest.raises(SourceError, match="cannot understand"):
            publisher.releases()


def test_a_token_goes_nowhere_else(github: FakeGitHub, repository: Repository, publisher: Publisher, tmp_path: Path):
    """An upload_url on another host is not followed; plain http is for loopback only."""
    (tmp_path / "a").write_bytes(b"x")
    draft = publisher.create_draft("v1").model_copy(update={"upload_url": "http://localhost:1/repos/o/r/1/assets{?a}"})
    with pytest.raises(SourceError, match=r"the token is for 127\.0\.0\.1"):
        publisher.upload(draft, tmp_path / "a")
    with pytest.raises(SourceError, match="plain http"):
        Publisher("o/r", github.token, api_url="http://example.com")


def test_a_body_is_streamed(tmp_path: Path):
    """However much is asked for, a piece is small."""
    (tmp_path / "a").write_bytes(b"x" * (1 << 20))
    with _Deadlined(tmp_path / "a", 60) as body:
        assert {len(body.read()), len(body.read(1 << 30))} == {1 << 18}
        assert len(body.read(5)) == 5
