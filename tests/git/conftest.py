"""What the tests of git checkouts share."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fsm.engine.report import Outcome
from tests.git_fixture import GitFixture, git

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


@pytest.fixture(scope="session")
def with_submodule(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Where hosts on 1.1.0 with a submodule live, and what one consists of: it is made once, by a hundred calls of git.

    All of them live in the same place, for a repository and a journal name theirs.
    """
    place, kept = (tmp_path_factory.mktemp(name) for name in ("host", "template"))
    with GitFixture(place) as app_fixture:
        app_fixture.publish("1.0.0")
        app_fixture.install("1.0.0")
        app_fixture.furnish()
        app_fixture.start()
        app_fixture.library("lib", "1", extra={"old.txt": b"old\n"})
        app_fixture.publish_with_library("1.1.0")
        assert app_fixture.updater().update("app").outcome is Outcome.DONE
        app_fixture.stop()
    place.rename(kept / "host")
    return place, kept / "host"


@pytest.fixture
def host(with_submodule: tuple[Path, Path]) -> Iterator[Made]:
    """Makes the host on 1.1.0, which has a submodule; arguments of `GitFixture`."""
    place, kept = with_submodule

    def make(**given: Any) -> GitFixture:
        subprocess.run(["cp", "-a", kept, place], check=True)
        app_fixture = GitFixture(place, **given)
        for repository in (app_fixture.live, app_fixture.live / "vendor/lib"):
            git(repository, "update-index", "-q", "--refresh")  # the index knows the files by their inodes
        app_fixture.start()
        return app_fixture

    yield make
    GitFixture(place).kill()
    shutil.rmtree(place)
