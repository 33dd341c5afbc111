"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app_fixture import AppFixture


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A directory whose fixture is ended, whatever a test did."""
    yield tmp_path
    AppFixture(tmp_path).kill()
