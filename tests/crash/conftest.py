"""What the tests of the matrix share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.yard import Yard


@pytest.fixture(scope="session")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """One yard for each worker."""
    with Yard(tmp_path_factory.mktemp("crash")) as made:
        yield made
