"""What the journal remembers of checks: one commit for many."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm.engine.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be."""
    return tmp_path / "state" / "journal.db"


def test_checks_that_are_remembered_together_are_one_commit(path: Path):
    """They are known at once to who has made them, to others when all are there; an error in between loses none."""
    with Journal(path) as journal, Journal(path) as other:

        def checks() -> None:
            with journal.policy.together():
                journal.policy.remember_check("a", {"n": 1})
                journal.policy.remember_check("b", {"n": 1})
                journal.policy.remember_check("a", {"n": 2})
                assert (journal.policy.last_check("a") or ("", {}))[1] == {"n": 2}
                assert other.policy.last_check("a") is None
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            checks()
        assert [(other.policy.last_check(name) or ("", {}))[1] for name in ("a", "b")] == [{"n": 2}, {"n": 1}]
        journal.policy.remember_check("c", {})
        assert other.policy.last_check("c") is not None, "outside of it each is a commit"


def test_together_nothing_is_nothing(path: Path):
    """A journal that may only be read is not written to where there is nothing to keep."""
    Journal(path).close()
    with Journal(path, readonly=True) as journal, journal.policy.together():
        assert journal.policy.last_check("a") is None
