"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compose import ComposeBed

MakeBed = Callable[..., ComposeBed]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeBed]:
    """Makes beds, which are removed after the test."""
    beds: list[ComposeBed] = []

    def made(**options: Any) -> ComposeBed:
        beds.append(ComposeBed(tmp_path / str(len(beds)), **options))
        return beds[-1]

    yield made
    for bed in reversed(beds):
        bed.close()
