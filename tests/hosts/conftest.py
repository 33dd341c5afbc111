"""The engine for tests, and names that are cleaned up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.hosts.engine import Engine, engine


@pytest.fixture(scope="session")
def docker() -> Engine:
    """The Docker engine of this machine. Tests that use it are marked `needs_docker`."""
    return engine()


@pytest.fixture
def named(docker: Engine) -> Iterator[Callable[[str], str]]:
    """Make names for containers, compose projects and repositories; what has them is removed after the test."""
    names = []

    def name(word: str) -> str:
        names.append(docker.name(word))
        return names[-1]

    yield name
    for one in names:
        docker.remove(one)
