"""The manager `process` when the updater is killed: at most one copy, and none that nobody knows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest

import fsm
from tests import fault_points
from tests.unit.services.conftest import World

pytestmark = pytest.mark.needs_linux

PACKAGE = Path(fsm.__file__).parent
POINTS = {
    "start": ("service.locked", "service.launched", "service.recorded", "service.started"),
    "stop": ("service.stopping", "processes.signalled", "service.stopped"),
}

SCRIPT = "trap 'sleep 0.1; exit' TERM; while :; do sleep 0.02; done"

UPDATER = """
    import json, os, signal, sys
    from pathlib import Path
    from types import SimpleNamespace
    from fsm.system import faults
    from fsm.services import ProcessSpec, open_service, process

    process._WATCH = 0.02
    state, spec, act, point = sys.argv[1:]
    service = open_service(ProcessSpec.model_validate_json(spec), name="web", state_dir=Path(state))
    faults.install(lambda name: name == point and os.kill(os.getpid(), signal.SIGKILL))
    getattr(service, act)(SimpleNamespace(check=lambda: None))
"""

KILLED = [(act, point) for act, points in POINTS.items() for point in points]


def kill_at(world: World, act: str, point: str) -> None:
    """Have an updater start or stop the service, and die at a fault point of it."""
    key, _, value = world.mark.partition("=")
    spec = {"manager": "process", "command": ["sh", "-c", SCRIPT], "env": {key: value}, "stop_timeout": 5}
    arguments = [str(world.path / "state"), json.dumps(spec), act, point]
    environ = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE")}  # it dies anyway
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(UPDATER), *arguments],
        check=False,
        timeout=30,
        env=environ,
    )
    assert done.returncode == -9, f"{point} was not reached"


def sessions(world: World) -> set[int]:
    """The sessions of all processes of the service: one for each copy."""
    found = set()
    for who in world.running():
        with suppress(ProcessLookupError):  # the `sleep` in the script's loop comes and goes
            found.add(os.getsid(who.pid))
    return found


def test_no_point_is_forgotten():
    """The points that are tested are those that the code names."""
    declared = {name for name, path in fault_points.declared(PACKAGE) if path.parent.name == "services"}
    others = (".command.", ".systemd.", ".compose.")
    # Those of a Docker engine are killed with the containers (`tests/crash/test_coverage.py`).
    mine = {name for name in declared if not any(other in name for other in others) and not name.startswith("engine.")}
    assert mine | {"processes.signalled"} == {point for _, point in KILLED}


@pytest.mark.processes
@pytest.mark.parametrize(("act", "point"), KILLED)
def test_a_start_after_the_crash_makes_one_copy(world: World, act: str, point: str):
    """Killed anywhere in start or stop, the next start leads to exactly one copy, which the next stop ends."""
    service = world.script(SCRIPT)
    if act == "stop":
        service.start(world.ctx)
    kill_at(world, act, point)
    service.start(world.ctx)
    pid = service.status().pid
    time.sleep(0.25)  # a signal of the killed stop would have ended it by now
    assert service.status().pid == pid
    assert sessions(world) == {pid}
    service.stop(world.ctx)
    assert world.running() == []


@pytest.mark.processes
@pytest.mark.parametrize(("act", "point"), KILLED)
def test_a_stop_after_the_crash_leaves_none(world: World, act: str, point: str):
    """Killed anywhere in start or stop, the next stop ends every copy, also one that is still on its way."""
    service = world.script(SCRIPT)
    if act == "stop":
        service.start(world.ctx)
    kill_at(world, act, point)
    service.stop(world.ctx)
    assert world.running() == []
    assert not service.status().active
    time.sleep(0.1)
    assert world.running() == []
