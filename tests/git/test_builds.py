"""Builds: before the stop from a worktree of its own, or in the checkout; their products, and the way back."""

from __future__ import annotations

import sys

import pytest

from fsm.report import Outcome
from tests.gitbed import GitBed, git

COPY = ["sh", "-c", "mkdir -p dist && cp VERSION dist/built && cat .env > dist/env && git rev-parse HEAD > dist/commit"]


def test_a_build_runs_before_the_stop_in_a_worktree_of_its_own(made):
    """With the preserved files and a repository; the service runs meanwhile; nothing of the worktree stays."""
    ask = f"{sys.executable} -S -I {{root}}/ask.py {{socket}}"
    command = ["sh", "-c", f"cd {{live}} && {ask} && cd - && {COPY[2]} && pwd > {{root}}/where"]
    bed = made(build={"command": command, "products": ["dist"]}, preserve=[".env", "data/"])
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (bed.live / "dist/built").read_text() == "1.1.0\n"
    assert (bed.live / "dist/commit").read_text().strip() == bed.released("1.1.0")
    assert (bed.live / "dist/env").read_bytes() == (bed.live / ".env").read_bytes()
    assert ".app.fsm/run-1/" in (bed.root / "where").read_text()
    assert git(bed.live, "worktree", "list").count("\n") == 0
    assert not (bed.live / ".git/worktrees").exists()
    assert not (bed.work / "run-1").exists()


@pytest.mark.parametrize("where", ["worktree", "checkout"])
def test_the_products_go_back_with_a_failed_update(made, where):
    """By renames: the old ones are what they were."""
    bed = made(build={"command": COPY, "products": ["dist"], "where": where})
    assert bed.updater().update("app").outcome is Outcome.DONE
    inode = (bed.live / "dist").stat().st_ino
    before = bed.inventory()
    bed.publish("1.2.0", "BROKEN")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert "command failed" in result.reason
    assert (bed.live / "dist").stat().st_ino == inode
    assert not before.compare(bed.inventory())
    assert bed.updater().rollback("app").outcome is Outcome.DONE
    assert (bed.live / "dist/built").read_text() == "1.0.0\n"


@pytest.mark.parametrize("where", ["worktree", "checkout"])
def test_a_build_that_fails(made, where):
    """In a worktree nothing was touched; in the checkout it is rolled back."""
    fails = ["sh", "-c", "mkdir dist; echo half > dist/half; echo the compiler says no; exit 3"]
    bed = made(build={"command": fails, "products": ["dist"], "where": where})
    before = bed.inventory()
    result = bed.updater().update("app")
    assert result.outcome is (Outcome.REFUSED if where == "worktree" else Outcome.ROLLED_BACK)
    assert "the compiler says no" in result.reason
    assert bed.answer() == "1.0.0"
    assert not before.compare(bed.inventory())
    assert not bed.work.exists()


def test_a_build_that_makes_nothing_is_refused(made):
    """Before the stop."""
    bed = made(build={"command": ["true"], "products": ["dist"]})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "made no dist" in result.reason


def test_a_build_that_takes_too_long_is_ended(made):
    """With its deadline, and nothing was stopped."""
    bed = made(build={"command": ["sleep", "600"], "timeout": 0.5})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "sleep" in result.reason
    assert bed.answer() == "1.0.0"


def test_the_downtime_does_not_hold_the_build(made):
    """A build of a second costs no second of downtime."""
    bed = made(build={"command": ["sleep", "1.5"]})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE
    assert result.downtime is not None
    assert result.downtime < 1.5 < result.seconds


def test_a_worktree_of_somebody_else_stays(made):
    """Also one whose directory is not there just now: a disk that is not mounted."""
    bed = made(build={"command": ["true"]})
    git(bed.live, "worktree", "add", "--quiet", "--detach", str(bed.root / "theirs"))
    (bed.root / "theirs").rename(bed.root / "unmounted")
    assert bed.updater().update("app").outcome is Outcome.DONE
    (bed.root / "unmounted").rename(bed.root / "theirs")
    assert git(bed.root / "theirs", "rev-parse", "HEAD") == bed.released("1.0.0")


def test_a_first_installation_is_built_as_well(made):
    """In a worktree of the repository that has no place yet."""
    bed = made(
        install=False,
        build={"command": ["sh", "-c", "mkdir -p dist && cp VERSION dist/built"], "products": ["dist"]},
    )
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (bed.live / "dist/built").read_text() == "1.1.0\n"
    assert bed.is_clean("1.1.0")
    assert git(bed.live, "worktree", "list").count("\n") == 0


@pytest.mark.parametrize(
    "build",
    [
        {},
        {"command": ["true"], "compose": ["compose.yaml"]},
        {"command": ["true"], "products": ["../outside"]},
        {"command": ["true"], "products": [".git/hooks"]},
        {"compose": ["compose.yaml"], "products": ["dist"]},
    ],
)
def test_a_build_that_cannot_be_meant(made, build):
    """Refused with the configuration."""
    from fsm.errors import ConfigError

    with pytest.raises(ConfigError, match="build"):
        GitBed(made(publish=False, install=False).root, build=build).updater()
