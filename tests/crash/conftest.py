"""What the tests of the matrix share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.crash_pool import CrashPool


@pytest.fixture(scope="session")
def crash_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashPool]:
    """One crash pool for each worker."""
    with CrashPool(tmp_path_factory.mktemp("crash")) as made:
        yield made
