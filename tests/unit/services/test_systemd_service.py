"""The manager `systemd` without systemd: a stand-in speaks for it; systemd itself is tried in `tests/hosts`."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fsm.errors import DeadlineExceeded, Interrupted, StepFailed
from fsm.services import ServiceManager, systemctl
from fsm.system import boot_hold
from tests.unit.services.conftest import World, stand_in, wait_for

pytestmark = [pytest.mark.needs_linux, pytest.mark.processes]


class Unit:
    """A unit of the stand-in."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        key, _, value = world.mark.partition("=")
        self.about: dict[str, Any] = {"command": ["sleep", "60"], "env": {key: value}, "properties": {}}
        self.says()

    def says(self, **properties: str) -> None:
        """Have systemd say that of the unit, whatever is true."""
        self.about["properties"] = properties
        self.write()

    def write(self, **about: Any) -> None:
        """Change what the unit is."""
        self.about |= about
        (self.folder / "spec.json").write_text(json.dumps(self.about))

    def service(self, **options: Any) -> ServiceManager:
        """Its manager."""
        return self.world.open("systemd", {"unit": "app", "status_timeout": 5} | options)

    def calls(self) -> list[str]:
        """What was asked for, but for questions."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if line and not line.startswith("show") and "reset-failed" not in line]


@pytest.fixture
def unit(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Unit]:
    """A unit that does not run."""
    programs = world.path / "programs"
    programs.mkdir()
    for name in ("systemctl", "journalctl"):
        stand_in(programs / name)
    folder = world.path / "unit"
    folder.mkdir()
    (folder / "calls").write_text("")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("UNIT_DIR", str(folder))
    yield Unit(world, folder)
    for who in world.running():
        with suppress(ProcessLookupError):
            os.kill(who.pid, signal.SIGKILL)


def test_a_unit_is_started_asked_and_stopped(unit: Unit):
    """Both may be called twice; the second time does nothing."""
    service = unit.service()
    assert service.status().model_dump(exclude={"detail", "ended"}) == {"active": False, "pid": None, "since": None}
    service.start(unit.world.ctx)
    service.start(unit.world.ctx)
    status = service.status()
    assert (status.active, status.pid) == (True, unit.world.running()[0].pid)
    assert status.since is not None
    service.stop(unit.world.ctx)
    service.stop(unit.world.ctx)
    assert service.status().ended
    assert unit.calls() == ["start app.service", "stop app.service"]


def test_a_changed_unit_is_read_again(unit: Unit):
    """Before a start, and only where systemd says that it has to be."""
    unit.says(NeedDaemonReload="yes")
    unit.service().start(unit.world.ctx)
    assert unit.calls() == ["daemon-reload", "start app.service"]


@pytest.mark.parametrize("name", ["FragmentPath", "DropInPaths"])
def test_a_unit_that_is_linked_from_elsewhere_is_read_again(unit: Unit, tmp_path: Path, name: str):
    """What an update puts there may be older than what systemd has read, and then systemd does not see it."""
    own, link = tmp_path / "own.service", tmp_path / "link.service"
    own.touch()
    link.symlink_to(own)
    unit.says(**{name: str(own)})
    unit.service().start(unit.world.ctx)
    unit.service().stop(unit.world.ctx)
    unit.says(**{name: f"{own} {link}" if name == "DropInPaths" else str(link)})
    unit.service().start(unit.world.ctx)
    assert unit.calls() == ["start app.service", "stop app.service", "daemon-reload", "start app.service"]


@pytest.mark.parametrize(
    ("load", "why", "todo"),
    [
        ("not-found", "there is no unit of that name", "install it, or correct `unit`"),
        ("masked", "it is masked", "systemctl --user unmask app.service"),
        ("bad-setting", "a setting that systemd rejects", "systemd-analyze --user verify app.service"),
        ("error", "its unit file cannot be read", "systemctl --user status app.service"),
    ],
)
def test_a_unit_that_cannot_be_started_is_refused(unit: Unit, load: str, why: str, todo: str):
    """When it is asked about, so before anything is touched, and again when it is to start; a stop is always tried."""
    unit.says(LoadState=load, ActiveState="active")
    service = unit.service(user=True)
    with pytest.raises(StepFailed, match=why) as caught:
        service.status()
    assert caught.value.todo == todo
    with pytest.raises(StepFailed, match=why):
        service.start(unit.world.ctx)
    unit.says(LoadState=load)
    service.stop(unit.world.ctx)


@pytest.mark.parametrize(
    ("properties", "active", "ended", "words"),
    [
        ({"ActiveState": "active", "SubState": "running"}, True, False, "app.service is active (running)"),
        ({"ActiveState": "active", "SubState": "exited", "RemainAfterExit": "yes"}, True, False, "(exited)"),
        ({"ActiveState": "reloading", "SubState": "reload"}, True, False, "reloading"),
        ({"ActiveState": "activating", "SubState": "start", "Type": "notify"}, False, False, "activating (start)"),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, False, False, "auto-restart"),
        ({"ActiveState": "deactivating", "SubState": "stop-sigterm"}, False, False, "deactivating"),
        (
            {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainStatus": "7"},
            False,
            True,
            "its last run exited with code 7",
        ),
        (
            {"ActiveState": "failed", "SubState": "failed", "Result": "signal", "ExecMainStatus": "9"},
            False,
            True,
            "its last run was killed by SIGKILL",
        ),
        (
            {"ActiveState": "failed", "SubState": "failed", "Result": "oom-kill"},
            False,
            True,
            "its last run was killed because memory ran out",
        ),
        ({"ActiveState": "inactive", "Job": "17"}, False, False, "inactive"),
        ({"ActiveState": "active", "NRestarts": "4", "MainPID": "12"}, False, False, "it does not stay up"),
        ({"ActiveState": "inactive", "Type": "oneshot"}, True, False, "its last run did not fail"),
        ({"ActiveState": "activating", "Type": "oneshot"}, False, False, "activating"),
        ({"ActiveState": "failed", "Type": "oneshot", "Result": "exit-code"}, False, True, "failed"),
    ],
)
def test_what_counts_as_active(unit: Unit, properties: dict[str, str], active: bool, ended: bool, words: str):
    """A unit that is on its way, failed, or was restarted by systemd a moment ago is not."""
    moment = str(int(time.monotonic() * 1e6) - 10)
    unit.says(**{"ActiveEnterTimestampMonotonic": moment, "SubState": "dead"} | properties)
    status = unit.service().status()
    assert (status.active, status.ended) == (active, ended)
    assert words in status.detail


def test_a_unit_that_recovered_counts(unit: Unit):
    """A restart that was long ago is forgiven."""
    unit.says(ActiveState="active", NRestarts="4", ActiveEnterTimestampMonotonic=str(int(time.monotonic() * 1e6)))
    service = unit.service(calm_seconds=1.5)
    assert not service.status().active
    wait_for(lambda: service.status().active, 5)


def test_a_start_that_fails_says_why(unit: Unit):
    """With the state, and with what the unit wrote."""
    unit.write(command=["sh", "-c", "echo no licence"], start_code=1)
    with pytest.raises(StepFailed, match=r"cannot start app\.service: .* is inactive .* its log ends with: no licence"):
        unit.service().start(unit.world.ctx)


def test_a_unit_that_ends_at_once_was_not_started(unit: Unit):
    """Although systemctl is content: of `Type=simple` it only sees that the program could be executed."""
    unit.write(command=["sh", "-c", "sleep 0.1; echo gone"])
    with pytest.raises(StepFailed, match=r"it ended at once: .* its log ends with: gone"):
        unit.service().start(unit.world.ctx)


def test_a_unit_that_does_not_stop(unit: Unit):
    """What still runs is an error, whatever systemctl's exit code was."""
    unit.write(stubborn=True)
    service = unit.service()
    service.start(unit.world.ctx)
    with pytest.raises(
        StepFailed, match=r"cannot stop app\.service: .* active \(running\); systemctl stop exited with"
    ):
        service.stop(unit.world.ctx)


def test_an_exit_code_without_consequences(unit: Unit):
    """A stop that complains but stopped is a stop."""
    unit.write(stop_code=5)
    service = unit.service()
    service.start(unit.world.ctx)
    service.stop(unit.world.ctx)
    assert unit.world.running() == []


def test_a_start_that_hangs(unit: Unit):
    """It has its time; the error names the unit."""
    unit.write(hangs="start")
    with pytest.raises(DeadlineExceeded, match=r"cannot start app\.service"):
        unit.service(start_timeout=0.3).start(unit.world.ctx)


def test_systemd_does_not_answer(unit: Unit):
    """Neither silence nor a complaint is taken for a state."""
    unit.write(broken="Failed to connect to bus: No medium found")
    with pytest.raises(StepFailed, match=r"cannot ask systemd about app\.service: Failed to connect to bus") as caught:
        unit.service(user=True).status()
    assert "loginctl enable-linger" in caught.value.todo
    with pytest.raises(StepFailed) as caught:
        unit.service().status()
    assert caught.value.todo
    unit.write(broken="", hangs="show")
    with pytest.raises(StepFailed, match=r"did not answer within 0\.3 s"):
        unit.service(status_timeout=0.3).status()


def test_a_host_without_systemd(world: World, monkeypatch: pytest.MonkeyPatch):
    """The remedy is another manager."""
    monkeypatch.setenv("PATH", str(world.path))
    service = world.open("systemd", {"unit": "app"})
    with pytest.raises(StepFailed, match="there is no systemctl on this host"):
        service.status()
    assert service.log_tail() == ""


def test_a_shutdown_is_no_failure(unit: Unit):
    """What does not run, or cannot be started, because the system goes down interrupts the run."""
    unit.write(system="stopping", start_code=1, command=["true"])
    with pytest.raises(Interrupted, match="the system is shutting down"):
        unit.service(user=True).status()
    with pytest.raises(Interrupted, match="the system is shutting down"):
        unit.service().start(unit.world.ctx)


def test_triggers_are_stopped_and_started_too(unit: Unit):
    """In an order in which none can start the service, and a socket can be opened."""
    service = unit.service(triggers=["app.socket"])
    service.start(unit.world.ctx)
    service.stop(unit.world.ctx)
    assert unit.calls() == ["start app.socket", "start app.service", "stop app.socket", "stop app.service"]
    unit.write(trigger_code=4)
    with pytest.raises(StepFailed, match=r"cannot stop app\.service: systemctl exited with code 4"):
        service.stop(unit.world.ctx)


def test_a_queued_start_is_taken_away(unit: Unit, monkeypatch: pytest.MonkeyPatch):
    """A unit that would start in a moment is stopped, unless it waits for this very process: then the boot keeps it."""
    unit.says(Job="17")
    unit.service().stop(unit.world.ctx)
    assert unit.calls() == ["stop app.service"]
    monkeypatch.setattr(boot_hold, "_held", "/nowhere")
    unit.service().stop(unit.world.ctx)
    assert unit.calls() == ["stop app.service"]
    unit.says()
    unit.service().start(unit.world.ctx)
    assert not boot_hold.holding()


def test_the_log_of_a_unit(unit: Unit):
    """The last lines, as far as there are any."""
    assert unit.service().log_tail() == ""
    (unit.folder / "log").write_text("one\ntwo\n")
    assert unit.service(user=True).log_tail(2) == "one\ntwo"


def test_where_a_users_manager_listens(monkeypatch: pytest.MonkeyPatch):
    """Without a session the usual place is tried, where there is one."""
    made = systemctl.Systemctl(user=True, timeout=1)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert made.variables == {}
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(os.path, "isdir", lambda path: True)
    assert made.variables == {"XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}"}


@pytest.mark.parametrize("name", ["../app", "app service", "", "app;rm"])
def test_a_name_is_a_name(world: World, name: str):
    """Nothing else becomes a part of a command line."""
    with pytest.raises(ValueError, match="unit"):
        world.open("systemd", {"unit": name})
