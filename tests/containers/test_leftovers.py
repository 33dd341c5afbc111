"""What a killed `docker compose` leaves behind is recognised by labels and ids, and cleared away."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from fsm.report import Outcome
from tests.compose import ComposeBed
from tests.containers.child import ask

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_docker]

ALONE = "services:\n  web:\n    image: {image}:1.0.0\n    ports: ['127.0.0.1::8080']\n    stop_grace_period: 1s\n"
PREFIX = "0123456789ab_"


def started(make) -> ComposeBed:
    """A bed with 1.0.0 running and 1.1.0 published."""
    bed: ComposeBed = make(compose=ALONE)
    bed.start()
    bed.publish("1.1.0")
    return bed


@pytest.mark.parametrize("kill", [None, "engine.names.removed"])
def test_a_new_container_beside_the_old_one(make, kill):
    """Killed after the first of the five calls: the name is in use, and the number twice."""
    bed = started(make)
    found = bed.container()
    assert found is not None
    labels = [part for item in found["Config"]["Labels"].items() for part in ("--label", "=".join(item))]
    bed.docker("create", "--name", f"{PREFIX}{bed.project}-web-1", *labels, f"{bed.image}:1.0.0")
    if kill:
        assert ask(bed.config, "update", (kill, 1)) is None
        (result,) = bed.updater().resume()
    else:
        result = bed.updater().update("web")
        assert any("which an interrupted `docker compose` had left" in note for note in result.notes)
    assert result.outcome is Outcome.DONE, result
    assert bed.names() == [f"{bed.project}-web-1"]
    assert bed.answers() == "1.1.0"


@pytest.mark.parametrize("kill", [None, "engine.names.renamed"])
def test_only_the_new_container_under_its_passing_name(make, kill):
    """Killed after the old one was removed: it gets the name, and with it keeps what was in anonymous volumes."""
    bed = started(make)
    bed.docker("rename", f"{bed.project}-web-1", f"{PREFIX}{bed.project}-web-1")
    if kill:
        assert ask(bed.config, "update", (kill, 1)) is None
        (result,) = bed.updater().resume()
    else:
        result = bed.updater().update("web")
        assert any("renamed" in note for note in result.notes)
    assert result.outcome is Outcome.DONE, result
    assert bed.names() == [f"{bed.project}-web-1"]
    assert bed.answers() == "1.1.0"


def test_compose_killed_at_many_moments(make):
    """A person's own `up` is killed again and again; an update puts everything in order."""
    bed: ComposeBed = make(compose=ALONE)
    bed.start()
    for number, moment in enumerate((0.15, 0.25, 0.35, 0.5, 0.7), start=1):
        bed.push(f"1.{number}.5", keep=True)
        bed.file.write_text(bed.file.read_text().replace(_tag(bed), f"1.{number}.5"))
        argv = ["docker", "compose", "-p", bed.project, "up", "-d"]
        child = subprocess.Popen(argv, cwd=bed.folder, start_new_session=True, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        version = f"1.{number}.9"
        bed.publish(version)
        result = bed.updater().update("web")
        assert result.outcome is Outcome.DONE, (moment, result.reason, result.todo)
        assert bed.names() == [f"{bed.project}-web-1"]
        assert bed.runs() == bed.answers() == version


def _tag(bed: ComposeBed) -> str:
    """The tag in the compose file."""
    line = next(line for line in bed.file.read_text().splitlines() if "image:" in line)
    return line.rpartition(":")[2]
