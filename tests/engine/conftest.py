"""A new world in memory for each test, and a rig over a journal in a directory of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
