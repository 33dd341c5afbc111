"""Marks of children: the same each time, each another one, and nobody's to guess."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from fsm.system import marks


def test_a_mark_is_the_same_each_time(tmp_path: Path):
    """And another one for each name and each host."""
    first = marks.mark(tmp_path / "a", "run 1")
    assert re.fullmatch("[0-9a-f]{24}", first)
    assert marks.mark(tmp_path / "a", "run 1") == first
    others = {marks.mark(tmp_path / "a", "run 2"), marks.mark(tmp_path / "b", "run 1")}
    assert first not in others
    assert len(others) == 2
    assert [path.name for path in (tmp_path / "a/services").iterdir()] == [marks.NAME]


@pytest.mark.needs_linux
def test_the_secret_is_the_updaters_own(tmp_path: Path):
    """Nobody else reads it."""
    marks.mark(tmp_path / "a", "run 1")
    key = tmp_path / "a/services" / marks.NAME
    assert key.stat().st_mode & 0o077 == 0
    assert len(key.read_text()) == 32


def test_two_who_begin_at_once_have_the_same(tmp_path: Path):
    """The first one's counts."""
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(marks.mark(tmp_path / "a", "x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 8
