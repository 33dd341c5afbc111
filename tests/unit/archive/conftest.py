"""A fast place to unpack to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one; its file system stores any time."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="fsm-test-") as directory:
        yield Path(directory)


class Stop(Exception):
    """What a `Counted` raises."""


class Counted:
    """A `check` that says stop after some calls."""

    def __init__(self, calls: int) -> None:
        self._left = calls

    def __call__(self) -> None:
        """Count one."""
        self._left -= 1
        if self._left <= 0:
            raise Stop
