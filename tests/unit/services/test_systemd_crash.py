"""An updater that is killed while it starts or stops a unit: the next one leads to where the first one wanted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import fsm
from tests import fault_points
from tests.unit.services.conftest import World
from tests.unit.services.test_systemd_service import Unit, unit  # noqa: F401 - a fixture

pytestmark = pytest.mark.needs_linux

POINTS = {
    "start": ("service.systemd.reloaded", "service.systemd.start", "service.systemd.started"),
    "stop": ("service.systemd.stop", "service.systemd.stopped"),
}

UPDATER = """
    import os, signal, sys
    from pathlib import Path
    from types import SimpleNamespace
    from fsm.system import faults
    from fsm.services import SystemdSpec, open_service
    from fsm.system.shell import Shell

    spec, act, point = sys.argv[1:]
    service = open_service(SystemdSpec.model_validate_json(spec), name="web", state_dir=Path("/nowhere"))
    shell = Shell(marker="of-the-first", record=lambda child: None, poll=lambda: None)
    faults.install(lambda name: name == point and os.kill(os.getpid(), signal.SIGKILL))
    getattr(service, act)(SimpleNamespace(check=lambda: None, run=shell.run))
"""


def test_no_point_is_forgotten():
    """The points that are tested are those that the code names."""
    declared = {
        name for name, _ in fault_points.declared(Path(fsm.__file__).parent) if name.startswith("service.systemd.")
    }
    assert declared == {point for points in POINTS.values() for point in points}


@pytest.mark.processes
@pytest.mark.parametrize(("act", "point"), [(act, point) for act, points in POINTS.items() for point in points])
def test_the_next_one_goes_on(world: World, unit: Unit, act: str, point: str):  # noqa: F811 - a fixture
    """Killed anywhere, started or stopped again: one process, or none."""
    service = unit.service()
    if act == "stop":
        service.start(world.ctx)
    else:
        unit.says(NeedDaemonReload="yes")
    spec = json.dumps({"manager": "systemd", "unit": "app"})
    environ = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE")}  # it dies anyway
    command = [sys.executable, "-c", textwrap.dedent(UPDATER), spec, act, point]
    done = subprocess.run(command, check=False, timeout=30, env=environ)
    assert done.returncode == -9, f"{point} was not reached"
    getattr(service, act)(world.ctx)
    assert service.status().active == (act == "start")
    assert len(world.running()) == (1 if act == "start" else 0)
