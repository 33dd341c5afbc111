"""Builds: before the stop from a worktree of its own, or in the checkout; their products, and the way back."""

from __future__ import annotations

import sys

import pytest

from fsm.engine.report import Outcome
from tests.git_fixture import GitFixture, git

COPY = ["sh", "-c", "mkdir -p dist && cp VERSION dist/built && cat .env > dist/env && git rev-parse HEAD > dist/commit"]


def test_a_build_runs_before_the_stop_in_a_worktree_of_its_own(made):
    """With the preserved files and a repository; the service runs meanwhile; nothing of the worktree stays."""
    ask = f"{sys.executable} -S -I {{root}}/ask.py {{socket}}"
    command = ["sh", "-c", f"cd {{live}} && {ask} && cd - && {COPY[2]} && pwd > {{root}}/where"]
    app_fixture = made(build={"command": command, "products": ["dist"]}, preserve=[".env", "data/"])
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (app_fixture.live / "dist/built").read_text() == "1.1.0\n"
    assert (app_fixture.live / "dist/commit").read_text().strip() == app_fixture.released("1.1.0")
    assert (app_fixture.live / "dist/env").read_bytes() == (app_fixture.live / ".env").read_bytes()
    assert ".app.fsm/run-1/" in (app_fixture.root / "where").read_text()
    assert git(app_fixture.live, "worktree", "list").count("\n") == 0
    assert not (app_fixture.live / ".git/worktrees").exists()
    assert not (app_fixture.work / "run-1").exists()


@pytest.mark.parametrize("where", ["worktree", "checkout"])
def test_the_products_go_back_with_a_failed_update(made, where):
    """By renames: the old ones are what they were."""
    app_fixture = made(build={"command": COPY, "products": ["dist"], "where": where})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    inode = (app_fixture.live / "dist").stat().st_ino
    before = app_fixture.inventory()
    app_fixture.publish("1.2.0", "BROKEN")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert "command failed" in result.reason
    assert (app_fixture.live / "dist").stat().st_ino == inode
    assert not before.compare(app_fixture.inventory())
    assert app_fixture.updater().rollback("app").outcome is Outcome.DONE
    assert (app_fixture.live / "dist/built").read_text() == "1.0.0\n"


@pytest.mark.parametrize("where", ["worktree", "checkout"])
def test_a_build_that_fails(made, where):
    """In a worktree nothing was touched; in the checkout it is rolled back."""
    fails = ["sh", "-c", "mkdir dist; echo half > dist/half; echo the compiler says no; exit 3"]
    app_fixture = made(build={"command": fails, "products": ["dist"], "where": where})
    before = app_fixture.inventory()
    result = app_fixture.updater().update("app")
    assert result.outcome is (Outcome.REFUSED if where == "worktree" else Outcome.ROLLED_BACK)
    assert "the compiler says no" in result.reason
    assert app_fixture.answer() == "1.0.0"
    assert not before.compare(app_fixture.inventory())
    assert not app_fixture.work.exists()


def test_a_build_that_makes_nothing_is_refused(made):
    """Before the stop."""
    app_fixture = made(build={"command": ["true"], "products": ["dist"]})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "made no dist" in result.reason


def test_a_build_that_takes_too_long_is_ended(made):
    """With its deadline, and nothing was stopped."""
    app_fixture = made(build={"command": ["sleep", "600"], "timeout": 0.5})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "sleep" in result.reason
    assert app_fixture.answer() == "1.0.0"


def test_the_downtime_does_not_hold_the_build(made):
    """A build of a second costs no second of downtime."""
    app_fixture = made(build={"command": ["sleep", "1.5"]})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE
    assert result.downtime is not None
    assert result.downtime < 1.5 < result.seconds


def test_a_worktree_that_an_earlier_run_could_not_remove_goes(made):
    """As after an error of the disk, while its run removed what it no longer needed."""
    app_fixture = made(build={"command": COPY, "products": ["dist"]}, preserve=[".env", "data/"])
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    left = app_fixture.work / "run-1/stage/fsm-app-run-1"
    git(app_fixture.live, "worktree", "add", "--quiet", "--detach", str(left))
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert not left.exists()
    assert not (app_fixture.live / ".git/worktrees").exists()


def test_a_worktree_of_somebody_else_stays(made):
    """Also one whose directory is not there just now: a disk that is not mounted."""
    app_fixture = made(build={"command": ["true"]})
    git(app_fixture.live, "worktree", "add", "--quiet", "--detach", str(app_fixture.root / "theirs"))
    (app_fixture.root / "theirs").rename(app_fixture.root / "unmounted")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    (app_fixture.root / "unmounted").rename(app_fixture.root / "theirs")
    assert git(app_fixture.root / "theirs", "rev-parse", "HEAD") == app_fixture.released("1.0.0")


def test_a_first_installation_is_built_as_well(made):
    """In a worktree of the repository that has no place yet."""
    app_fixture = made(
        install=False,
        build={"command": ["sh", "-c", "mkdir -p dist && cp VERSION dist/built"], "products": ["dist"]},
    )
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (app_fixture.live / "dist/built").read_text() == "1.1.0\n"
    assert app_fixture.is_clean("1.1.0")
    assert git(app_fixture.live, "worktree", "list").count("\n") == 0


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
        GitFixture(made(publish=False, install=False).root, build=build).updater()
