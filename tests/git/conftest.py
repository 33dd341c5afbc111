"""What the tests of git checkouts share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gitbed import GitBed

Made = Callable[..., GitBed]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Makes a host with 1.0.0 checked out, furnished and running, and 1.1.0 published; arguments as for `GitBed`."""
    beds = []

    def make(*, publish: bool = True, install: bool = True, **given: Any) -> GitBed:
        bed = GitBed(tmp_path, **given)
        beds.append(bed)
        bed.publish("1.0.0")
        if install:
            bed.install("1.0.0")
            bed.furnish()
            bed.start()
        if publish:
            bed.publish("1.1.0")
        return bed

    yield make
    for bed in beds:
        bed.kill()
