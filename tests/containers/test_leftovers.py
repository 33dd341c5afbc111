"""What a killed `docker compose` leaves behind is recognised by labels and ids, and cleared away."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from fsm.engine.report import Outcome
from tests.compose import ComposeFixture
from tests.containers.child import ask

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_docker]

ALONE = "services:\n  web:\n    image: {image}:1.0.0\n    ports: ['127.0.0.1::8080']\n    stop_grace_period: 1s\n"
PREFIX = "0123456789ab_"


def started(make) -> ComposeFixture:
    """A fixture with 1.0.0 running and 1.1.0 published."""
    app_fixture: ComposeFixture = make(compose=ALONE)
    app_fixture.start()
    app_fixture.publish("1.1.0")
    return app_fixture


@pytest.mark.parametrize("kill", [None, "engine.names.removed"])
def test_a_new_container_beside_the_old_one(make, kill):
    """Killed after the first of the five calls: the name is in use, and the number twice."""
    app_fixture = started(make)
    found = app_fixture.container()
    assert found is not None
    labels = [part for item in found["Config"]["Labels"].items() for part in ("--label", "=".join(item))]
    app_fixture.docker(
        "create", "--name", f"{PREFIX}{app_fixture.project}-web-1", *labels, f"{app_fixture.image}:1.0.0"
    )
    if kill:
        assert ask(app_fixture.config, "update", (kill, 1)) is None
        (result,) = app_fixture.updater().resume()
    else:
        result = app_fixture.updater().update("web")
        assert any("which an interrupted `docker compose` had left" in note for note in result.notes)
    assert result.outcome is Outcome.DONE, result
    assert app_fixture.names() == [f"{app_fixture.project}-web-1"]
    assert app_fixture.answers() == "1.1.0"


@pytest.mark.parametrize("kill", [None, "engine.names.renamed"])
def test_only_the_new_container_under_its_passing_name(make, kill):
    """Killed after the old one was removed: it gets the name, and with it keeps what was in anonymous volumes."""
    app_fixture = started(make)
    app_fixture.docker("rename", f"{app_fixture.project}-web-1", f"{PREFIX}{app_fixture.project}-web-1")
    if kill:
        assert ask(app_fixture.config, "update", (kill, 1)) is None
        (result,) = app_fixture.updater().resume()
    else:
        result = app_fixture.updater().update("web")
        assert any("renamed" in note for note in result.notes)
    assert result.outcome is Outcome.DONE, result
    assert app_fixture.names() == [f"{app_fixture.project}-web-1"]
    assert app_fixture.answers() == "1.1.0"


def test_compose_killed_at_many_moments(make):
    """A person's own `up` is killed again and again; an update puts everything in order."""
    app_fixture: ComposeFixture = make(compose=ALONE)
    app_fixture.start()
    for number, moment in enumerate((0.15, 0.25, 0.35, 0.5, 0.7), start=1):
        app_fixture.push(f"1.{number}.5", keep=True)
        app_fixture.file.write_text(app_fixture.file.read_text().replace(_tag(app_fixture), f"1.{number}.5"))
        argv = ["docker", "compose", "-p", app_fixture.project, "up", "-d"]
        child = subprocess.Popen(argv, cwd=app_fixture.folder, start_new_session=True, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        version = f"1.{number}.9"
        app_fixture.publish(version)
        result = app_fixture.updater().update("web")
        assert result.outcome is Outcome.DONE, (moment, result.reason, result.todo)
        assert app_fixture.names() == [f"{app_fixture.project}-web-1"]
        assert app_fixture.runs() == app_fixture.answers() == version


def _tag(app_fixture: ComposeFixture) -> str:
    """The tag in the compose file."""
    line = next(line for line in app_fixture.file.read_text().splitlines() if "image:" in line)
    return line.rpartition(":")[2]
