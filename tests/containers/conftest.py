"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compose import ComposeFixture

MakeFixture = Callable[..., ComposeFixture]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeFixture]:
    """Makes fixtures, which are removed after the test."""
    fixtures: list[ComposeFixture] = []

    def made(**options: Any) -> ComposeFixture:
        fixtures.append(ComposeFixture(tmp_path / str(len(fixtures)), **options))
        return fixtures[-1]

    yield made
    for app_fixture in reversed(fixtures):
        app_fixture.close()
