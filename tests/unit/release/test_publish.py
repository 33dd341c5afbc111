"""`fsm release publish` against a stateful GitHub: whatever an earlier run left, the next one finishes it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fsm.cli.run import run
from fsm.errors import FsmError, Transient
from fsm.release.build import build
from fsm.release.github import Publisher
from fsm.release.problems import ReleaseError
from fsm.release.publish import MARK, Published, files_of, publish
from fsm.sources import open_source
from tests.github.fake import FakeGitHub
from tests.servers import Fault, Request
from tests.unit.release.conftest import Repository
from tests.unit.sources.conftest import nothing, spec_of, unseen

pytestmark = pytest.mark.processes

ALL = ("GET", "POST", "PATCH", "DELETE")
NAMES = ["SHA256SUMS", "update-manifest.yaml", "web-1.2.0.tar.gz"]


class Cut(FakeGitHub):
    """A GitHub that does what the n-th request asks, and from then on answers nobody: the publisher has died."""

    def __init__(self, cut: int | None = None, *, status: int | None = None) -> None:
        super().__init__()
        self.cut, self.count = cut, 0
        self._answer = Fault(status=status, drop=status is None, methods=ALL)

    def note(self, request: Request) -> Fault:
        """See `FakeGitHub`."""
        fault = super().note(request)
        self.count += 1
        return self._answer if self.cut is not None and self.count >= self.cut else fault


@pytest.fixture(autouse=True)
def _no_commit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GITHUB_SHA", raising=False)


def send(repository: Repository, github: FakeGitHub, *, draft: bool = False, **given: object) -> Published:
    """Publish once."""
    built = build(repository.options(**given))
    built.write(repository.root / "out")
    with Publisher("o/r", github.token, api_url=github.api_url) as publisher:
        return publish(built, files_of(built, repository.root / "out"), publisher, draft=draft)


def test_a_release_has_what_was_built_and_is_published_last(repository: Repository):
    """Draft, files, comparison, then publication; a second run finds everything right and changes nothing."""
    with FakeGitHub() as github:
        kept = github.add_repository("o/r", immutable_releases=True)
        first = send(repository, github)
        (release,) = kept.releases()
        assert (release.tag, release.draft, release.immutable) == ("v1.2.0", False, True)
        for asset in release.assets.values():
            path = repository.root / ("dist" if asset.name.startswith("web") else "out") / asset.name
            assert asset.digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        assert sorted(asset.name for asset in release.assets.values()) == NAMES
        assert {file.how for file in first.files} == {"uploaded"}
        patched = [request.method for request in github.requests]
        assert patched.index("PATCH") == len(patched) - 1
        again = send(repository, github)
        assert {file.how for file in again.files} == {"kept"}
        assert {request.method for request in github.requests[len(patched) :]} == {"GET"}
        assert "Answers faster." in (release.body or "")


@pytest.mark.parametrize("status", [None, 502], ids=["cut", "502"])
def test_a_publisher_that_dies_at_any_request_is_finished_by_the_next(status: int | None, repository: Repository):
    """The same release in the end, one of it, with nothing half; what the dead one did is kept where it is right."""
    at, ended = 1, False
    while not ended:
        with Cut(at, status=status) as github:
            kept = github.add_repository("o/r", immutable_releases=True)
            try:
                send(repository, github)
                ended = True
            except FsmError:
                assert github.count >= at
            github.cut = None
            send(repository, github)
            (release,) = kept.releases()
            assert (release.tag, release.draft) == ("v1.2.0", False)
            assert sorted((asset.name, asset.state) for asset in release.assets.values()) == [
                (n, "uploaded") for n in NAMES
            ]
        at += 1
    assert at > 8


def test_a_host_reads_what_was_published(repository: Repository, tmp_path: Path):
    """Each of two components by its own manifest: version, notes, and the artifact with its checksum."""
    repository.describe(
        repository.description.read_text() + "  - {name: api, type: t, artifacts: [{path: NOTES.md}]}\n"
    )
    with FakeGitHub() as github:
        github.add_repository("o/r", immutable_releases=True)
        send(repository, github, tag="v1.2.0")
        for component, file in (("web", "dist/web-1.2.0.tar.gz"), ("api", "NOTES.md")):
            keys = {"repository": "o/r", "api_url": github.api_url, "manifest": f"update-manifest-{component}.yaml"}
            source = open_source(spec_of(type="github", **keys), component=component)
            (announced,) = source.releases().releases
            release = source.release(announced)
            (artifact,) = release.artifacts
            source.fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)
            assert (tmp_path / "got").read_bytes() == (repository.root / file).read_bytes()
            assert release.manifest is not None
            assert release.manifest.component == component
            (tmp_path / "got").unlink()


def test_an_upload_that_breaks_off_once_is_taken_up_in_the_same_run(repository: Repository):
    """The half asset that it left is replaced."""
    with FakeGitHub() as github:
        kept = github.add_repository("o/r")
        draft = kept.add_release("v1.2.0", draft=True)
        github.fault(f"/repos/o/r/releases/{draft.id}/assets", Fault(status=502, methods=("POST",), times=1))
        done = send(repository, github)
        assert sorted(file.how for file in done.files) == ["replaced", "uploaded", "uploaded"]
        assert not done.draft


def test_an_upload_that_always_breaks_off_is_given_up(repository: Repository):
    """After a few rounds, with the draft still a draft."""
    with FakeGitHub() as github:
        draft = github.add_repository("o/r").add_release("v1.2.0", draft=True)
        place = f"/repos/o/r/releases/{draft.id}/assets"
        github.fault(place, Fault(status=502, methods=("POST",)))
        with pytest.raises(Transient):
            send(repository, github)
        assert len(github.asked(place, "POST")) == 3
        assert draft.draft


def test_a_publication_whose_answer_is_lost_is_looked_up(repository: Repository):
    """It was done: that is no failure."""
    with FakeGitHub() as github:
        draft = github.add_repository("o/r").add_release("v1.2.0", draft=True)
        github.fault(f"/repos/o/r/releases/{draft.id}", Fault(drop=True, methods=("PATCH",), times=1))
        assert not send(repository, github).draft


def test_a_published_release_with_other_content_is_refused(repository: Repository):
    """Immutable or not: hosts may have it. Nothing is touched."""
    for immutable in (True, False):
        with FakeGitHub() as github:
            kept = github.add_repository("o/r", immutable_releases=immutable)
            kept.add_release("v1.2.0", {"web-1.2.0.tar.gz": b"other"})
            with pytest.raises(ReleaseError, match=r"its web-1.2.0.tar.gz has other content.*publish a new"):
                send(repository, github)
            assert {request.method for request in github.requests} == {"GET"}
    with FakeGitHub() as github:
        github.add_repository("o/r", immutable_releases=True).add_release("v1.2.0")
        with pytest.raises(ReleaseError, match="is missing"):
            send(repository, github)


def test_a_published_release_without_files_gets_them(repository: Repository):
    """A person pressed the button first, and the workflow adds what was built."""
    with FakeGitHub() as github:
        release = github.add_repository("o/r").add_release("v1.2.0")
        send(repository, github)
        assert sorted(asset.name for asset in release.assets.values()) == NAMES


def test_only_what_we_made_is_replaced(repository: Repository):
    """A wrong file in our draft is; one in somebody else's is an error; a file of another name stays, and is told."""
    with FakeGitHub() as github:
        kept = github.add_repository("o/r")
        release = kept.add_release("v1.2.0", {"web-1.2.0.tar.gz": b"other", "guide.pdf": b"x"}, draft=True)
        with pytest.raises(ReleaseError, match=r"somebody else's draft has another web-1.2.0.tar.gz"):
            send(repository, github)
        assert {request.method for request in github.requests} == {"GET"}
        release.body = f"notes\n{MARK}"
        done = send(repository, github, draft=True)
        assert done.draft
        assert [file.how for file in done.files] == ["replaced", "uploaded", "uploaded"]
        assert sorted(asset.name for asset in release.assets.values()) == sorted([*NAMES, "guide.pdf"])
        assert "also has guide.pdf" in done.notes[0]


def test_what_github_shows_is_compared(repository: Repository, monkeypatch: pytest.MonkeyPatch):
    """Other bytes there than here: nothing is published."""
    with FakeGitHub() as github:
        kept = github.add_repository("o/r")
        real = Publisher.upload

        def upload(self, release, path: Path, name: str | None = None):
            other = path.with_name("other")
            other.write_bytes(b"other")
            return real(self, release, other, path.name)

        monkeypatch.setattr(Publisher, "upload", upload)
        with pytest.raises(ReleaseError, match=r"GitHub has 5 bytes, .*nothing was published"):
            send(repository, github)
        assert [each.draft for each in kept.releases()] == [True]


def test_a_rate_limit_is_not_waited_for(repository: Repository):
    """The error says when it ends."""
    with FakeGitHub() as github:
        github.add_repository("o/r")
        github.limits.secondary = 1
        with pytest.raises(Transient) as caught:
            send(repository, github)
        assert caught.value.after == pytest.approx(60, abs=2)


def test_names_that_github_would_change_are_refused(repository: Repository):
    """They would not be those in the manifest; two files of one name are no better."""
    repository.archive("dist/web 1.tar.gz", VERSION=b"1")
    built = build(repository.options())
    built.write(repository.root)
    with pytest.raises(ReleaseError, match="GitHub would rename it"):
        files_of(built, repository.root)
    (repository.root / "dist/web 1.tar.gz").unlink()
    other = repository.write("other/SHA256SUMS")
    built = build(repository.options())
    with pytest.raises(ReleaseError, match="has the same name"):
        files_of(built, repository.root, (other,))


def test_the_command_publishes(
    repository: Repository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """With a signature beside; two components share a release; without token or repository it says what is missing."""
    repository.describe(repository.description.read_text() + "  - {name: api, type: container}\n")
    signature = repository.write("update-manifest-web.yaml.minisig")
    call = ["release", "publish", "--description", str(repository.root), "--tag", "v1.2.0rc1", "--output"]
    call += [str(repository.root / "out"), "--add", str(signature)]
    for name in ("GITHUB_TOKEN", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    assert run(call) == 2
    assert "give --repository" in capsys.readouterr().err
    monkeypatch.setenv("GITHUB_REPOSITORY", "o/r")
    assert run(call) == 2
    assert "$GITHUB_TOKEN is empty" in capsys.readouterr().err
    monkeypatch.setenv("GITHUB_TOKEN", "se\ncret")
    assert run(call) == 2
    assert "cret" not in "".join(capsys.readouterr())
    with FakeGitHub() as github:
        kept = github.add_repository("o/r")
        monkeypatch.setenv("GITHUB_TOKEN", github.token)
        monkeypatch.setenv("GITHUB_API_URL", github.api_url)
        assert run(call) == 0
        out = capsys.readouterr().out
        (release,) = kept.releases()
        assert release.prerelease
        assert signature.name in {asset.name for asset in release.assets.values()}
        assert "v1.2.0rc1 is published: http" in out
        assert "## web" in (release.body or "")


class Overtaken(FakeGitHub):
    """A GitHub to which another publisher brings the same release before the n-th request is answered."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at, self.count = at, 0
        self.other: Callable[[], object] = lambda: None

    def note(self, request: Request) -> Fault:
        """See `FakeGitHub`."""
        fault = super().note(request)
        self.count += 1
        if self.count == self.at:
            self.other()
        return fault


@pytest.mark.parametrize("immutable", [True, False])
def test_two_publishers_of_the_same_files_both_end_well(immutable: bool, repository: Repository):
    """Wherever one overtakes the other: there is one release, it is whole, and the later one is content with it."""
    at, overtaken = 1, True
    while overtaken:
        with Overtaken(at) as github:
            kept = github.add_repository("o/r", immutable_releases=immutable)
            github.other = partial(send, repository, github)
            done = send(repository, github)
            overtaken = github.count > at
            published = [each for each in kept.releases() if not each.draft]
            assert [each.tag for each in published] == ["v1.2.0"], at
            assert sorted(asset.name for asset in published[0].assets.values()) == NAMES, at
            drafts = [each for each in kept.releases() if each.draft]
            assert bool(drafts) == any("another draft" in note for note in done.notes), at
        at += 1
    assert at > 8


def test_of_two_publishers_of_other_files_the_later_one_is_refused(repository: Repository):
    """In one line about the file, not in GitHub's words about a request."""
    for at in range(2, 9):
        with Overtaken(at) as github:
            kept = github.add_repository("o/r", immutable_releases=True)
            artifact = repository.root / "dist" / "web-1.2.0.tar.gz"
            mine = artifact.read_bytes()

            def other(github: FakeGitHub = github, artifact: Path = artifact, mine: bytes = mine) -> None:
                repository.archive("dist/web-1.2.0.tar.gz", other=b"something else")
                try:
                    send(repository, github)
                finally:
                    artifact.write_bytes(mine)

            github.other = other
            with pytest.raises(ReleaseError, match="it is published, and its"):
                send(repository, github)
            assert len([each for each in kept.releases() if not each.draft]) == 1
