"""What hosts would refuse is not published: it could not be changed any more, and its version would be used up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fsm.cli.run import run
from fsm.formats.timestamps import timestamp
from tests.github.fake import FakeGitHub
from tests.unit.release.conftest import Repository
from tests.unit.trust.conftest import Maker

pytestmark = pytest.mark.processes

DAY = timedelta(days=1)
NOW = datetime.now(UTC)


class Maintainer:
    """Somebody who publishes to a GitHub, at a commit of some day."""

    def __init__(self, repository: Repository, github: FakeGitHub, given: pytest.MonkeyPatch) -> None:
        self.repository, self.given, self.maker = repository, given, Maker()
        self.there = github.add_repository("acme/shop")
        given.setenv("GITHUB_TOKEN", github.token)
        given.setenv("GITHUB_API_URL", github.api_url)
        given.setenv("GITHUB_REPOSITORY", "acme/shop")
        given.setenv("FSM_SIGNING_KEY", self.maker.ci.file())
        self.commit(NOW - 10 * DAY)
        self.ring()

    def commit(self, at: datetime) -> None:
        """What is published is of that time."""
        self.given.setenv("SOURCE_DATE_EPOCH", str(int(at.timestamp())))

    def ring(self, **ci: object) -> None:
        """Put a keyring beside the description."""
        signed = self.maker.keyring(**ci)  # type: ignore[arg-type]
        self.repository.write("fsm-keyring.yaml", signed.data)
        self.repository.write("fsm-keyring.yaml.minisig", signed.signature)

    def __call__(self, *more: str) -> int:
        """Publish; the exit code."""
        where = ["--description", str(self.repository.root), "--output", str(self.repository.root / "out")]
        return run(["release", "publish", *where, "--tag", "v1.2.0", *more])


@pytest.fixture
def maintainer(repository: Repository, monkeypatch: pytest.MonkeyPatch):
    """With a key, its keyring, and a commit of ten days ago."""
    with FakeGitHub() as github:
        yield Maintainer(repository, github, monkeypatch)


def test_a_release_without_its_signature(maintainer: Maintainer, capsys: pytest.CaptureFixture[str]):
    """As when the secret is misspelt: where there is a keyring, there are hosts that want one."""
    maintainer.given.delenv("FSM_SIGNING_KEY")
    assert maintainer() == 20
    said = capsys.readouterr().err
    assert "update.yaml:2:3: hosts would refuse this release: there is a fsm-keyring.yaml" in said
    assert "is the secret there?" in said
    assert not list(maintainer.there.releases())
    by_hand = maintainer.repository.write("update-manifest.yaml.minisig")
    assert maintainer("--draft") == 0
    assert maintainer("--add", str(by_hand)) == 0


def test_a_release_that_has_ended_already(maintainer: Maintainer, capsys: pytest.CaptureFixture[str]):
    """Its days count from the commit, and an old one may be tagged today."""
    text = maintainer.repository.description.read_text()
    maintainer.repository.describe(text + "    expires_after_days: 9\n")
    assert maintainer() == 20
    assert f"it expired at {timestamp(NOW - DAY)}, because its commit is old" in capsys.readouterr().err
    assert not list(maintainer.there.releases())
    maintainer.commit(NOW - 8 * DAY)
    assert maintainer() == 0


def test_a_key_that_has_ended_since_the_commit(maintainer: Maintainer, capsys: pytest.CaptureFixture[str]):
    """Hosts go by the day on which they install."""
    maintainer.ring(not_after=timestamp(NOW - DAY))
    assert maintainer() == 20
    assert f"key ci expired at {timestamp(NOW - DAY)}" in capsys.readouterr().err
    assert not list(maintainer.there.releases())


def test_a_commit_of_a_day_to_come(maintainer: Maintainer, capsys: pytest.CaptureFixture[str]):
    """Hosts would take its day for the time, and find over what is not; what is not signed, they do not believe."""
    maintainer.commit(NOW + 3 * DAY)
    assert maintainer() == 20
    assert f"it would be signed as of {timestamp(NOW + 3 * DAY)}, a time to come" in capsys.readouterr().err
    assert not list(maintainer.there.releases())
    maintainer.given.delenv("FSM_SIGNING_KEY")
    (maintainer.repository.root / "fsm-keyring.yaml").unlink()
    assert maintainer() == 0
