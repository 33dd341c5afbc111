"""The updater is killed with SIGKILL at every fault point of the adapter, and a new process resumes.

One fixture serves many cases: each updates from where the one before ended, because a container takes seconds to
start.
After each the host must be as after an undisturbed run: one container for each service, of the version that the state
says, answering; the compose file with that image and every other byte; nothing left over.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from fsm.engine.journal import Journal
from tests import fault_points
from tests.compose import ComposeFixture
from tests.containers.child import ROOT, ask

pytestmark = [pytest.mark.crash, pytest.mark.needs_linux, pytest.mark.needs_docker]

Scenario = Literal["good", "broken", "elsewhere"]

POINTS: Final[dict[str, Scenario]] = {
    "container.keep.copied": "good",
    "container.keep.tagged": "good",
    "container.keep.recorded": "good",
    "container.pull.pulled": "good",
    "container.examine.written": "good",
    "container.edit.tagged": "broken",
    "container.edit.written": "good",
    "container.edit.old_kept": "good",
    "container.edit.renamed": "good",
    "container.up.ended": "good",
    "container.up.followed": "good",
    "retire.renamed": "good",
    "tidy.removed": "good",
    "container.tidy.untagged": "good",
    "container.edit.restored": "broken",
    "container.restore.upped": "broken",
    "container.pull.removed": "broken",
    "container.keep.untagged": "broken",
    "container.restore.tagged": "elsewhere",
    "container.restore.started": "elsewhere",
    "container.restore.removed": "elsewhere",
}
"""Every fault point of the adapter, and those of the kit that it comes to; elsewhere: `test_going_back.py`."""

COMPOSE: Final = """\
services:
  web:
    image: {image}:1.0.0   # ours
    ports: ["127.0.0.1::8080"]
    stop_grace_period: 1s
  sidecar:
    image: '{image}-db:1.0.0'
    network_mode: service:web
    command: [sh, -c, 'trap "exit 0" TERM; busybox sleep 1000 & wait']
    stop_grace_period: 1s
    healthcheck: {disable: true}
"""


def test_no_point_is_forgotten():
    """Every point of the code stands in the table."""
    declared = {name for name, _ in fault_points.declared(ROOT / "components" / "fsm_container")}
    assert declared == {name for name in POINTS if name.startswith("container.")}
    elsewhere = Path(__file__).with_name("test_going_back.py").read_text()
    assert [name for name, scenario in POINTS.items() if scenario == "elsewhere" and name not in elsewhere] == []


class CrashPool:
    """A fixture that goes from version to version."""

    def __init__(self, root: Path) -> None:
        self.app_fixture = ComposeFixture(root, compose=COMPOSE, settle_seconds=0, retention={"count": 1, "days": 0.0})
        self.app_fixture.push("1.0.0", keep=True)
        self.app_fixture.docker("tag", f"{self.app_fixture.image}:1.0.0", f"{self.app_fixture.image}-db:1.0.0")
        self.app_fixture.compose("up", "-d")
        assert self.app_fixture.answers() == "1.0.0"
        self.template = self.app_fixture.file.read_bytes()
        self.version = "1.0.0"
        self._numbers = itertools.count(1)
        for _ in range(2):
            # From now on each update has an old image that retention no longer covers.
            self.good()

    def good(self, kill: tuple[str, int] | None = None) -> dict[str, Any]:
        """Update to a version that works, killed once; returns the last process's answer."""
        self.version = f"1.{next(self._numbers)}.0"
        self.app_fixture.publish(self.version)
        return self.run(kill, "done")

    def broken(self, kill: tuple[str, int] | None = None) -> dict[str, Any]:
        """Update to a version that crashes, killed once."""
        self.app_fixture.publish(f"1.{next(self._numbers)}.0", "crashes")
        return self.run(kill, "rolled_back")

    def run(self, kill: tuple[str, int] | None, state: str) -> dict[str, Any]:
        """Update, resume where that was killed, and judge."""
        runs = len(self.runs())
        answer = ask(self.app_fixture.config, "update", kill)
        if kill is not None:
            assert answer is None, f"the update no longer comes to {kill}"
            # Where nothing had begun, a timer begins again; so does it here.
            answer = ask(self.app_fixture.config, "resume" if len(self.runs()) > runs else "update")
        assert answer is not None
        self.judge(state)
        return answer

    def runs(self) -> list[Any]:
        """The runs in the journal, newest first."""
        path = self.app_fixture.state / "journal.db"
        if not path.exists():
            return []
        with Journal(path, readonly=True) as journal:
            return list(journal.runs())

    def judge(self, state: str) -> None:
        """Everything that must be true when a run has ended."""
        app_fixture, run = self.app_fixture, self.runs()[0]
        assert run.state == state, (run.state, run.reason, run.todo)
        assert app_fixture.file.read_bytes() == self.template.replace(b":1.0.0   #", f":{self.version}   #".encode())
        assert [path.name for path in app_fixture.folder.iterdir()] == [app_fixture.file.name]
        assert app_fixture.names() == [f"{app_fixture.project}-sidecar-1", f"{app_fixture.project}-web-1"]
        assert app_fixture.runs() == app_fixture.answers() == self.version
        web, sidecar = app_fixture.container("web"), app_fixture.container("sidecar")
        assert web is not None
        assert sidecar is not None
        assert sidecar["HostConfig"]["NetworkMode"] == f"container:{web['Id']}"
        assert sidecar["State"]["Status"] == "running"
        assert [path.name for path in (app_fixture.state / "containers" / "web").glob("run-*")] == []
        assert len(app_fixture.kept()) <= 1


@pytest.fixture(scope="module")
def crash_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashPool]:
    """One fixture for the whole matrix."""
    made = CrashPool(tmp_path_factory.mktemp("crash_pool") / "app_fixture")
    try:
        yield made
    finally:
        made.app_fixture.close()


@pytest.mark.parametrize("point", [point for point, scenario in POINTS.items() if scenario == "good"])
def test_an_update_goes_on(crash_pool: CrashPool, point: str):
    """Killed there, resumed: the new version runs."""
    crash_pool.good((point, 1))


@pytest.mark.parametrize("point", [point for point, scenario in POINTS.items() if scenario == "broken"])
def test_a_rollback_goes_on(crash_pool: CrashPool, point: str):
    """Killed there, in an update that fails, resumed: the old version runs."""
    crash_pool.broken((point, 1))


@pytest.mark.parametrize("number", [0, 1])
def test_killed_while_compose_works(crash_pool: CrashPool, number: int):
    """The updater dies right after it has started a child: compose goes on for a while without it."""
    trail = crash_pool.good()["trail"]
    reached = trail[: trail.index("container.up.ended")].count("shell.recorded")
    crash_pool.good(("shell.recorded", max(1, reached - number)))
