"""Files that git was told not to look at: a widespread way to keep one's own version of a tracked file."""

from __future__ import annotations

from typing import Final

import pytest

from fsm.engine.report import Outcome
from tests.git_fixture import GitFixture, git
from tests.world import Crash, crash_at

OPTIONS: Final = {"--assume-unchanged": "h", "--skip-worktree": "S"}
"""What `git ls-files -v` shows for each."""

NAMES: Final = "lib/names.txt"


def marked(app_fixture: GitFixture, option: str, *, change: bool = True) -> None:
    """Have git not look at a file any more, and change it."""
    git(app_fixture.live, "update-index", option, NAMES)
    if change:
        (app_fixture.live / NAMES).write_text("mine\n")
    assert git(app_fixture.live, "status", "--porcelain", "--untracked-files=no") == ""


def shown(app_fixture: GitFixture) -> str:
    """How git looks at that file."""
    return git(app_fixture.live, "ls-files", "-v", "--", NAMES)[:1]


@pytest.fixture(params=OPTIONS)
def option(request: pytest.FixtureRequest) -> str:
    """One of git's two marks."""
    return str(request.param)


def test_a_change_that_git_does_not_see_is_refused_and_named(made, option):
    """As one that it sees."""
    app_fixture = made(publish=False)
    marked(app_fixture, option)
    app_fixture.publish("1.1.0", extra={NAMES: b"theirs\n"})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert NAMES in result.reason
    assert (app_fixture.live / NAMES).read_text() == "mine\n"
    assert shown(app_fixture) == OPTIONS[option]


@pytest.mark.parametrize("trait", ["BROKEN", None])
def test_a_preserved_file_with_a_mark_stays_and_keeps_it(made, option, trait):
    """Through an update, a second one, and one that is rolled back."""
    app_fixture = made(publish=False, preserve=[".env", "data/", NAMES])
    marked(app_fixture, option)
    for version in ("1.1.0", "1.2.0"):
        app_fixture.publish(version, *([trait] if trait else []), extra={NAMES: f"theirs {version}\n".encode()})
        result = app_fixture.updater().update("app")
        assert result.outcome is (Outcome.ROLLED_BACK if trait else Outcome.DONE), result
        assert (app_fixture.live / NAMES).read_text() == "mine\n"
        assert shown(app_fixture) == OPTIONS[option]


def test_a_file_with_a_mark_that_nobody_changed_is_updated(made, option):
    """And keeps its mark."""
    app_fixture = made(publish=False)
    marked(app_fixture, option, change=False)
    app_fixture.publish("1.1.0", extra={NAMES: b"theirs\n"})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / NAMES).read_text() == "theirs\n"
    assert shown(app_fixture) == OPTIONS[option]
    app_fixture.publish("1.2.0", extra={NAMES: None})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert not (app_fixture.live / NAMES).exists()


def test_a_change_that_git_does_not_see_is_saved(made, option):
    """It is no part of the patch, which git makes; the file itself is kept, and comes back with a rollback."""
    app_fixture = made(publish=False, local_changes="save")
    marked(app_fixture, option)
    app_fixture.publish("1.1.0", extra={NAMES: b"theirs\n"})
    with crash_at(0, only="git.reset.restored"), pytest.raises(Crash):
        app_fixture.updater().update("app")
    assert app_fixture.updater().cancel("app").outcome is Outcome.ROLLED_BACK
    assert (app_fixture.live / NAMES).read_text() == "mine\n"
    assert shown(app_fixture) == OPTIONS[option]
    result = app_fixture.updater().update("app", force=True)
    assert result.outcome is Outcome.DONE, result
    assert (app_fixture.live / NAMES).read_text() == "theirs\n"
    assert any(str(app_fixture.work / "saved/2") in note for note in result.notes)
    assert (app_fixture.work / "saved/2" / NAMES).read_text() == "mine\n"


def test_what_a_sparse_checkout_leaves_out_is_no_change(made):
    """Git marks those files as well, and they are not there."""
    app_fixture = made(publish=False)
    git(app_fixture.live, "sparse-checkout", "set", "--no-cone", "/*", "!/lib/same.txt")
    assert not (app_fixture.live / "lib/same.txt").exists()
    app_fixture.publish("1.1.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result
    assert not (app_fixture.live / "lib/same.txt").exists()
