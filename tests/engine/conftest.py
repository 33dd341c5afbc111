"""A new world in memory for each test, and a rig over a journal in a directory of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fsm.system import users
from tests.engine.worker_bench import Bench
from tests.users import OTHER, python_for_all
from tests.world import Rig, World, fresh


@pytest.fixture
def world() -> Iterator[World]:
    """A new world."""
    yield fresh()
    fresh()


@pytest.fixture
def rig(world: World, tmp_path: Path) -> Rig:
    """A journal in a directory of its own."""
    return Rig(tmp_path)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench whose user is who runs the tests: all but the change of the user is the same."""
    made = Bench(tmp_path, users.numbered(os.getuid()))
    with closing(made.workers):
        yield made


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A bench with another user."""
    monkeypatch.setattr(sys, "executable", python_for_all())
    tmp_path.chmod(0o700)
    made = Bench(tmp_path, users.numbered(OTHER))
    with closing(made.workers):
        yield made
