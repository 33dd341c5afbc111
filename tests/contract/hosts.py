"""Hosts for the tests of awkward ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.app_fixture import AppFixture


def installed(root: Path, *, release: bool = True, **spec: Any) -> AppFixture:
    """A host with 1.0.0 installed, furnished and running.

    Args:
        root: where.
        release: whether 1.1.0 is published.
        spec: as for `AppFixture`.
    """
    app_fixture = AppFixture(root, **spec)
    app_fixture.publish("1.0.0")
    app_fixture.install("1.0.0")
    app_fixture.furnish()
    app_fixture.start()
    if release:
        app_fixture.publish("1.1.0")
    return app_fixture
