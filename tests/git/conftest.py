"""What the tests of git checkouts share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.git_fixture import GitFixture

Made = Callable[..., GitFixture]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Makes a host with 1.0.0 checked out, furnished and running, and 1.1.0 published; arguments of `GitFixture`."""
    fixtures = []

    def make(*, publish: bool = True, install: bool = True, **given: Any) -> GitFixture:
        app_fixture = GitFixture(tmp_path, **given)
        fixtures.append(app_fixture)
        app_fixture.publish("1.0.0")
        if install:
            app_fixture.install("1.0.0")
            app_fixture.furnish()
            app_fixture.start()
        if publish:
            app_fixture.publish("1.1.0")
        return app_fixture

    yield make
    for app_fixture in fixtures:
        app_fixture.kill()
