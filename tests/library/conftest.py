"""A new world in memory, and a host on which everything has version 1.0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.library.hosts import publish
from tests.library.shop import Shop
from tests.unit.trust.conftest import Maker
from tests.world import World, fresh


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A new world, in which an undo that failed is tried again at once."""
    monkeypatch.setattr("fsm.engine.executor.runner.BACK_OFF", 0.01)
    yield fresh()
    fresh()


@pytest.fixture
def root(world: World, tmp_path: Path) -> Path:
    """A host with version 1.0 of everything, and 1.1 published."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("1.0")
    publish(tmp_path, "1.1")
    return tmp_path


@pytest.fixture(scope="module")
def maker() -> Maker:
    """Keys for all tests of a module."""
    return Maker()


@pytest.fixture
def shop(root: Path, maker: Maker) -> Shop:
    """A host that has 1.0.0."""
    (root / "a").write_text("1.0.0")
    return Shop(root, maker)
