"""What the tests of the kit share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def umask() -> Iterator[Callable[[int], object]]:
    """Sets the mask of this process until the test is over."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)
