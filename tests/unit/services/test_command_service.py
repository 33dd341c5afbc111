"""The managers `command` and `none`, with a service of the tests' own."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from fsm.errors import CommandFailed, DeadlineExceeded, StepFailed
from fsm.services import ServiceManager
from tests.family import children, in_background
from tests.unit.services.conftest import World, wait_for

pytestmark = [pytest.mark.needs_linux, pytest.mark.processes]

CONTROL = """#!/bin/sh
# A homemade service script: it starts in the background and inherits the output of its start command.
cd "$(dirname "$0")"
case $1 in
start)
    echo starting
    (echo serving; while :; do sleep 0.05; echo tick; done) & echo $! > pid ;;
stop) kill $(cat pid) && rm pid ;;
status) test -f pid && kill -0 $(cat pid) 2>/dev/null || exit 3 ;;
esac
"""


@pytest.fixture
def service(world: World) -> ServiceManager:
    """A service behind its script."""
    script = world.path / "control"
    script.write_text(CONTROL)
    script.chmod(0o755)
    return commands(world, start=["./control", "start"], stop=["./control", "stop"], status=["./control", "status"])


def commands(world: World, **options: object) -> ServiceManager:
    """A service of manager `command`; what is not given does nothing."""
    key, _, value = world.mark.partition("=")
    given = {"start": ["true"], "stop": ["true"], "status": ["false"], "cwd": world.path, "env": {key: value}}
    return world.open("command", given | options)


def test_a_service_is_started_asked_and_stopped(world: World, service: ServiceManager):
    """A service that its start command leaves in the background runs on, unmarked, and is stopped; both twice."""
    assert not service.status().active
    service.start(world.ctx)
    service.start(world.ctx)
    assert service.status().active
    wait_for(lambda: "tick\ntick" in service.log_tail())
    assert service.log_tail().splitlines()[0] == "starting"
    main = Path((world.path / "pid").read_text().strip())
    assert b"FSM_RUN=" not in (Path("/proc") / main / "environ").read_bytes()
    service.stop(world.ctx)
    service.stop(world.ctx)
    assert not service.status().active
    wait_for(lambda: world.running() == [])


@pytest.mark.parametrize(("code", "active"), [(0, True), (1, False), (3, False)])
def test_the_status_is_an_exit_code(world: World, code: int, active: bool):
    """0 is active, 1 and 3 are not."""
    assert commands(world, status=["sh", "-c", f"echo not active; exit {code}"]).status().active is active


def test_another_exit_code_is_an_error(world: World):
    """A status command that fails in another way tells nothing."""
    with pytest.raises(StepFailed, match="cannot tell whether web runs: its status command exited with code 4"):
        commands(world, status=["sh", "-c", "exit 4"]).status()


def test_a_status_command_that_hangs_is_ended(world: World):
    """It has its time, and is killed with what it started."""
    service = commands(world, status=["sh", "-c", "sleep 60; sleep 60"], status_timeout=0.2)
    before = time.monotonic()
    with pytest.raises(StepFailed, match=r"did not end within 0\.2 s"):
        service.status()
    assert time.monotonic() - before < 3
    assert world.running() == []


def test_a_missing_command_is_explained(world: World):
    """A command that is not there is named, with a remedy."""
    with pytest.raises(CommandFailed, match="it is not in any directory of PATH"):
        commands(world, status=["no-such-command"]).status()
    with pytest.raises(CommandFailed, match="does not exist"):
        commands(world, start=["./gone"]).start(world.ctx)


def test_a_failing_start_says_why(world: World):
    """The error has the exit code and the end of the log."""
    with pytest.raises(StepFailed, match="its start command exited with code 7; its log ends with: no licence"):
        commands(world, start=["sh", "-c", "echo no licence; exit 7"]).start(world.ctx)


def test_a_start_that_starts_nothing_is_an_error(world: World):
    """Success of the command is not success of the service."""
    with pytest.raises(StepFailed, match=r"it was not active within 0\.3 s"):
        commands(world, start_timeout=0.3).start(world.ctx)


def test_a_start_that_hangs_is_ended(world: World):
    """The error names the configured command, not the launcher."""
    service = commands(world, start=["sleep", "60"], start_timeout=0.3)
    with pytest.raises(DeadlineExceeded, match="cannot start web: its start command sleep: it was still running"):
        service.start(world.ctx)
    assert world.running() == []


def test_a_failing_stop_says_why(world: World):
    """The error has the exit code and what the command printed."""
    service = commands(world, status=["true"], stop=["sh", "-c", "echo still busy; exit 2"])
    with pytest.raises(StepFailed, match="its stop command exited with code 2; its log ends with: still busy"):
        service.stop(world.ctx)


def test_a_stop_that_stops_nothing_is_an_error(world: World):
    """Success of the command is not the service's end."""
    with pytest.raises(StepFailed, match=r"it was still active after 0\.3 s"):
        commands(world, status=["true"], stop_timeout=0.3).stop(world.ctx)


def test_a_log_that_cannot_be_is_an_error(world: World):
    """Without a place for the output the service is not started."""
    (world.path / "file").write_text("")
    with pytest.raises(StepFailed, match=r"its log .* is not usable"):
        commands(world, log_file=world.path / "file" / "log").start(world.ctx)


def test_no_service_is_always_active(world: World):
    """A component without a service never waits for one."""
    service = world.open("none", {})
    service.start(world.ctx)
    service.stop(world.ctx)
    assert service.status().active
    assert service.log_tail() == ""
    assert service.name == "web"


def test_status_works_without_descriptors_of_ours(world: World):
    """The status command gets no descriptor but the three, and no child of it stays ours."""
    before = children()
    assert commands(world, status=[sys.executable, "-c", "import os; os._exit(0)"]).status().active
    assert children() <= before


def test_the_status_command_ignores_no_signal(world: World):
    """Also where the updater was started in the background."""
    status = ["sh", "-c", "awk '/SigIgn/ {print substr($2, 15)}' /proc/self/status > ignored"]
    with in_background():
        assert commands(world, status=status).status().active
    assert (world.path / "ignored").read_text() == "00\n"
