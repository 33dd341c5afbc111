"""The checks that ask a service manager."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from fsm.errors import Interrupted, StepFailed
from fsm.services import ProcessSpec, ServiceManager, ServiceStatus, open_service
from tests.unit.checks.conftest import Perform, Runner


class Supervisor:
    """A manager that restarts its service by itself, as systemd does: it goes through states, and stays in the last.

    Args:
        states: (seconds, pid or None when inactive) in order.
    """

    name = "web.service"

    def __init__(self, *states: tuple[float, int | None]) -> None:
        self.states = states
        self.begun = time.monotonic()

    def status(self) -> ServiceStatus:
        """The state of the moment."""
        passed = time.monotonic() - self.begun
        pid = None
        for seconds, pid in self.states:  # noqa: B007 - the last one counts
            passed -= seconds
            if passed < 0:
                break
        return ServiceStatus(active=pid is not None, pid=pid, detail=f"process {pid}")

    def start(self, ctx: Any) -> None:
        """Not asked for."""

    def stop(self, ctx: Any) -> None:
        """Not asked for."""

    def log_tail(self, lines: int = 20) -> str:
        """Something to quote."""
        return "bind failed\n"


def test_running_is_a_matter_of_now(check: Perform):
    """`service_running` asks once."""
    assert check("service_running", {"service": Supervisor((9, 7))}).message == "web.service: process 7"
    assert not check("service_running", {"service": Supervisor((9, None), (9, 7))}).ok


def test_a_slow_service_is_waited_for(check: Perform):
    """A service that takes its time, and then stays, is active."""
    outcome = check("service_active", {"service": Supervisor((0.2, None), (9, 7))}, timeout_seconds=5)
    assert (outcome.ok, outcome.message) == (True, "web.service: process 7; stable for 0.2 s")


def test_a_service_that_needs_a_second_start_is_active(check: Perform):
    """Where the manager restarts it within the timeout, and then it stays, it is active."""
    service = Supervisor((0.05, 7), (0.1, None), (9, 8))
    assert check("service_active", {"service": service}, timeout_seconds=5).ok


@pytest.mark.parametrize("gaps", [True, False], ids=["with gaps", "without"])
def test_a_service_that_restarts_in_a_loop_is_not_active(check: Perform, gaps: bool):
    """Another process each time is not one that stays; the message has the log."""
    service = Supervisor(*[(0.1, None if gaps and pid % 2 else pid) for pid in range(200)])
    outcome = check("service_active", {"service": service}, timeout_seconds=0.4)
    assert not outcome.ok
    assert "after it had been active for less than 0.2 s; its log ends with: bind failed" in outcome.message


def test_a_service_that_never_comes_is_not_active(check: Perform):
    """The timeout ends the waiting, and so does the step's own time."""
    for parts, timeout in ({}, 0.2), ({"remaining": lambda: 0.2}, 600):
        before = time.monotonic()
        outcome = check("service_active", {"service": Supervisor((99, None)), **parts}, timeout_seconds=timeout)
        assert (outcome.ok, time.monotonic() - before < 60) == (False, True)


def test_a_request_to_stop_ends_the_waiting(check: Perform):
    """An interrupt comes through."""
    runner = Runner()
    runner.stop = Interrupted("stop")
    with pytest.raises(Interrupted):
        check("service_active", {"service": Supervisor((99, None)), "runner": runner})


def daemon(path: Path, script: str) -> ServiceManager:
    """A real service."""
    return open_service(ProcessSpec(manager="process", command=("sh", "-c", script)), name="web", state_dir=path)


@pytest.mark.processes
@pytest.mark.needs_linux
def test_a_daemon_that_stays_is_active(check: Perform, tmp_path: Path):
    """A real process that keeps running passes."""
    service = daemon(tmp_path, "exec sleep 60")
    service.start(Runner())
    try:
        assert check("service_active", {"service": service}).ok
    finally:
        service.stop(Runner())


@pytest.mark.processes
@pytest.mark.needs_linux
def test_a_daemon_that_dies_later_is_not_active(check: Perform, tmp_path: Path):
    """A real process that ends within the settling time fails at once: nobody will start it again."""
    service = daemon(tmp_path, "echo out of memory; exec sleep 0.3")
    service.start(Runner())
    before = time.monotonic()
    outcome = check("service_active", {"service": service, "settle": 600.0}, timeout_seconds=900)
    assert not outcome.ok
    assert time.monotonic() - before < 300
    assert (
        "has ended, after it had been active for less than 600 s; its log ends with: out of memory" in outcome.message
    )


def test_a_service_without_a_log_is_not_quoted(check: Perform, tmp_path: Path):
    """Nothing is said about a log that is not there."""
    outcome = check("service_active", {"service": daemon(tmp_path, "")}, timeout_seconds=0.1)
    assert outcome.message == "web: it was not started, or it was stopped"


@pytest.mark.parametrize("kind", ["service_running", "service_active"])
def test_another_service_is_not_asked(check: Perform, kind: str):
    """A name that is not the component's service, or a component without one, fails; `.service` may be left out."""
    other = check(kind, {"service": Supervisor((9, 7))}, service_name="database")
    assert other.message == "cannot ask about service database: this component's is web.service"
    assert not check(kind).ok
    assert check(kind, {"service": Supervisor((9, 7))}, service_name="web").ok


def test_a_manager_that_cannot_tell_fails_the_check(check: Perform):
    """An error of the manager is an outcome."""
    service = Supervisor((9, 7))
    service.status = lambda: (_ for _ in ()).throw(StepFailed("cannot tell"))  # type: ignore[method-assign]  # a fault
    assert check("service_running", {"service": service}).message == "cannot tell"


class Composer(Supervisor):
    """A manager that knows about containers."""

    def container_running(self, name: str) -> bool:
        """Only one of them runs."""
        return name == "web-1"


def test_containers_need_a_manager_that_knows_them(check: Perform):
    """Without one the check says so, and fails."""
    assert check("container_running", {"service": Composer()}, container_name="web-1").ok
    stopped = check("container_running", {"service": Composer()}, container_name="db-1")
    assert (stopped.ok, stopped.message) == (False, "container db-1 does not run")
    for service in (None, Supervisor()):
        outcome = check("container_running", {"service": service}, container_name="web-1")
        assert (outcome.ok, "not supported by this component's type" in outcome.message) == (False, True)
