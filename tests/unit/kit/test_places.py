"""Directories that the updater makes for a component's user: given away by descriptor, and never through a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from fsm.adapter import Done, Failed, User
from fsm.kit import MakePlaces

USER = User(name="4242", uid=4242, gid=4242)
CTX: Any = None
"""The step asks nothing of its context."""

pytestmark = pytest.mark.needs_root


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A directory of root's."""
    place = tmp_path / "opt"
    place.mkdir(mode=0o755)
    return place


def step(parent: Path, **given: Any) -> MakePlaces:
    """For the work directory of an app in there."""
    return MakePlaces(user=USER, root=parent / ".app.fsm", **given)


def test_it_becomes_the_user_s_and_goes_when_it_is_empty(parent):
    """Again and again, as after a kill."""
    made = step(parent, tree=parent / "app")
    for _ in range(2):
        assert isinstance(made.do(CTX), Done)
        for name, mode in ((".app.fsm", 0o711), ("app", 0o755)):
            status = (parent / name).stat()
            assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (4242, 4242, mode)
    for _ in range(2):
        assert isinstance(made.undo(CTX), Done)
        assert os.listdir(parent) == []


def test_what_is_in_use_stays(parent):
    """An undo removes nothing with something in it."""
    made = step(parent)
    made.do(CTX)
    (parent / ".app.fsm/backups").mkdir()
    made.undo(CTX)
    assert os.listdir(parent) == [".app.fsm"]
    assert isinstance(made.do(CTX), Done)


def test_one_that_was_made_and_not_yet_given_is_given(parent):
    """Killed in between."""
    (parent / ".app.fsm").mkdir(mode=0o700)
    step(parent).do(CTX)
    assert (parent / ".app.fsm").stat().st_uid == 4242


@pytest.mark.parametrize("owner", [0, 4243])
def test_what_is_somebody_else_s_is_not_given_away(parent, owner):
    """Root's, with something in it, least of all."""
    (parent / ".app.fsm/deep").mkdir(parents=True)
    os.chown(parent / ".app.fsm", owner, owner)
    answer = step(parent).do(CTX)
    assert isinstance(answer, Failed)
    assert "chown -Rh 4242" in answer.todo
    assert (parent / ".app.fsm").stat().st_uid == owner


def test_no_link_is_followed(parent, tmp_path):
    """As another user may put one into a sticky directory."""
    parent.chmod(0o1777)
    (tmp_path / "precious").mkdir()
    (parent / ".app.fsm").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        step(parent).do(CTX)
    assert (tmp_path / "precious").stat().st_uid == 0


def test_in_the_user_s_own_directory_the_user_makes_them(parent):
    """Nothing of root's is made there."""
    os.chown(parent, 4242, 4242)
    made = step(parent, tree=parent / "app")
    assert isinstance(made.do(CTX), Done)
    assert os.listdir(parent) == []
    assert isinstance(made.undo(CTX), Done)
