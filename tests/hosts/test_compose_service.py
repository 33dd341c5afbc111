"""The manager `compose` with a real engine: started, asked, stopped, also when its file can no longer be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from fsm.adapter import Installed
from fsm.errors import ConfigError, StepFailed
from fsm.formats.checkspec import ServiceActive
from fsm.services import ComposeSpec, ServiceManager, ServiceSpec, open_service
from fsm.services.checks.context import CheckContext
from fsm.services.checks.service import check_active
from fsm.services.docker.service import ComposeService
from fsm.system.shell import Shell
from tests.hosts.conftest import docker, named  # noqa: F401 - fixtures
from tests.hosts.engine import Engine
from tests.hosts.images import build
from tests.hosts.witness import Witness

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_docker]


class Runner:
    """The part of a step's context that a manager uses."""

    def __init__(self) -> None:
        self._shell = Shell(marker=uuid.uuid4().hex, record=lambda child: None, poll=self.check, grace=0.5)

    def check(self) -> None:
        """Go on."""

    def run(
        self, argv: Any, *, cwd: Any = None, env: Any = None, timeout: float | None = None, as_user: bool = False
    ) -> Any:
        """Run a child."""
        return self._shell.run(argv, cwd=cwd, env=env, timeout=timeout or 60)


class Project:
    """A compose project in a directory."""

    def __init__(self, folder: Path, name: str, engine: Engine) -> None:
        self.folder, self.name, self.engine, self.ctx = folder, name, engine, Runner()

    def write(self, **traits: str) -> None:
        """Write the compose file: services, each with what its image does."""
        table = {
            service: {
                "image": self.image(trait.removesuffix("!")),
                "restart": "always" if trait.endswith("!") else "no",
                "stop_grace_period": "1s",
            }
            for service, trait in traits.items()
        }
        (self.folder / "compose.yaml").write_text(json.dumps({"services": table}))

    def image(self, trait: str) -> str:
        """An image that the engine has."""
        return build(self.name, trait, trait=trait)  # type: ignore[arg-type]

    def service(self, *chosen: str, **options: Any) -> ServiceManager:
        """The manager of the project's services, or of some."""
        given = {"cwd": self.folder, "project": self.name, "services": chosen, "grace": 1, "start_timeout": 20}
        data = json.dumps({"manager": "compose"} | given | options, default=str)
        spec: Any = TypeAdapter(ServiceSpec).validate_json(data)
        return open_service(spec, name="shop", state_dir=self.folder)

    def running(self) -> list[str]:
        """The services that run."""
        said = self.engine("ps", "--filter", f"label=com.docker.compose.project={self.name}", "--format", "{{.Labels}}")
        labels = [dict(pair.partition("=")[::2] for pair in line.split(",")) for line in said.splitlines()]
        return sorted(each["com.docker.compose.service"] for each in labels)


@pytest.fixture
def project(
    tmp_path: Path,
    docker: Engine,  # noqa: F811 - a fixture
    named: Callable[[str], str],  # noqa: F811 - a fixture
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """A project without services."""
    for name, value in docker.environment.items():
        monkeypatch.setenv(name, value)
    return Project(tmp_path, named("shop"), docker)


def test_services_are_started_asked_and_stopped(project: Project):
    """As a whole; both may be called twice."""
    project.write(web="good", db="good")
    service = project.service()
    assert service.status().model_dump(exclude={"detail"}) == {
        "active": False,
        "pid": None,
        "since": None,
        "ended": True,
    }
    service.start(project.ctx)
    assert service.status().active  # healthy, not only running
    service.start(project.ctx)
    assert project.running() == ["db", "web"]
    assert getattr(service, "container_running")("web")  # noqa: B009 - no part of the protocol
    service.stop(project.ctx)
    service.stop(project.ctx)
    assert project.running() == []
    assert not service.status().active
    assert not getattr(service, "container_running")("web")  # noqa: B009 - no part of the protocol


def test_what_changes_the_engine_is_a_child_of_the_run(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A start is one command, a stop is one, and nothing else is called; without compose the engine's own stop does."""
    project.write(web="good")
    witness = Witness(tmp_path / "witness", monkeypatch)
    project.service("web").start(project.ctx)
    project.service("web").stop(project.ctx)
    project.service("web").start(project.ctx)
    assert [verb for _, verb in witness.calls()] == [("compose", "up"), ("compose", "stop"), ("compose", "up")]
    assert witness.unmarked() == []
    witness.forget()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nothing"))
    monkeypatch.setattr("fsm.services.docker.compose.PLACES", ())
    project.service("web").stop(project.ctx)
    assert witness.unmarked() == []
    assert "stop" in {verb[0] for verb in witness.changes()}
    assert project.running() == []


def test_only_the_named_ones(project: Project):
    """The rest of the project is let be."""
    project.write(web="good", db="good")
    project.service().start(project.ctx)
    web = project.service("web")
    web.stop(project.ctx)
    assert project.running() == ["db"]
    assert not web.status().active
    assert project.service("db").status().pid
    web.start(project.ctx)
    assert project.running() == ["db", "web"]


def test_what_ends_well_is_done(project: Project):
    """A service that is to run once counts when it exited with 0; another one that did so was stopped."""
    project.write(web="good", job="once")
    service = project.service(once=["job"])
    service.start(project.ctx)
    assert service.status().active
    assert project.running() == ["web"]
    assert "job-1 exited with code 0" in project.service().status().detail


@pytest.mark.parametrize(("trait", "words"), [("unhealthy", "is unhealthy"), ("never", "is starting")])
def test_what_does_not_work_says_so(project: Project, trait: str, words: str):
    """By the container's state, with the end of its log."""
    project.write(web=trait)
    service = project.service(start_timeout=5)
    with pytest.raises(StepFailed, match=f"cannot start shop: .*{words}"):
        service.start(project.ctx)
    service.stop(project.ctx)
    assert project.running() == []


def complaint(project: Project, service: ServiceManager) -> str:
    """What an update is told of services that crash: by their start, or by the check that follows it.

    A container without a health check counts as started in the moment in which it runs; a busy engine lets it run
    long enough to be seen.
    """
    try:
        service.start(project.ctx)
    except StepFailed as error:
        return error.cause
    runner: Any = project.ctx
    told = check_active(
        ServiceActive(type="service_active", timeout_seconds=20),
        CheckContext(
            path=project.folder,
            service=service,
            installed=Installed,
            backups=list,
            expected=None,
            runner=runner,
            sleep=time.sleep,
            remaining=lambda: 20.0,
            now=datetime.now,
        ),
    )
    assert not told.ok
    return told.message


def test_what_crashes_says_so(project: Project):
    """It is not waited for what is over."""
    project.write(web="crashes")
    service = project.service(start_timeout=20)
    began = time.monotonic()
    assert "web-1 exited with code 3" in complaint(project, service)
    assert time.monotonic() - began < 20
    service.stop(project.ctx)
    assert project.running() == []


def test_a_container_in_a_restart_loop_is_not_active(project: Project):
    """Also in the moments in which it runs."""
    project.write(web="crashes!")
    service = project.service(start_timeout=3)
    assert complaint(project, service)
    assert [service.status().active for _ in range(10)] == [False] * 10
    service.stop(project.ctx)
    assert project.running() == []


def test_a_file_that_a_new_version_broke(project: Project):
    """It cannot be started from, but what runs can be stopped; so can a service that the file no longer has."""
    project.write(web="good", old="good")
    project.service().start(project.ctx)
    project.write(web="good")
    project.service().stop(project.ctx)
    assert project.running() == []
    project.service().start(project.ctx)
    (project.folder / "compose.yaml").write_text("services: [")
    project.service().stop(project.ctx)
    assert project.running() == []
    with pytest.raises(StepFailed, match="docker compose up exited with"):
        project.service("web").start(project.ctx)


def test_a_stubborn_container_is_killed(project: Project):
    """After its grace."""
    project.write(web="stubborn")
    service = project.service()
    service.start(project.ctx)
    service.stop(project.ctx)
    assert project.running() == []


def test_the_log_is_that_of_the_troubled(project: Project):
    """Of several containers those that do not work are heard."""
    project.write(web="good", bad="crashes")
    service = project.service(start_timeout=3)
    assert "bad-1 exited with code 3" in complaint(project, service)
    said = service.log_tail()
    assert said
    assert len(service.log_tail(1).splitlines()) <= 2


def test_an_image_that_is_not_there(project: Project):
    """Nothing is built here, and compose's own words are in the message."""
    (project.folder / "Dockerfile").write_text("FROM scratch\n")
    table = {"services": {"web": {"image": f"{project.name}:gone", "build": ".", "pull_policy": "never"}}}
    (project.folder / "compose.yaml").write_text(json.dumps(table))
    with pytest.raises(StepFailed, match=r"docker compose up exited with code 1: .*gone"):
        project.service().start(project.ctx)


KILLED = {
    "start": ("service.compose.start", "service.compose.started"),
    "stop": ("service.compose.stop", "service.compose.stopped"),
}

UPDATER = """
    import os, signal, sys
    from pathlib import Path
    from types import SimpleNamespace
    from fsm.system import faults
    from fsm.services import ComposeSpec, open_service
    from fsm.system.shell import Shell

    spec, act, point = sys.argv[1:]
    service = open_service(ComposeSpec.model_validate_json(spec), name="shop", state_dir=Path("/nowhere"))
    shell = Shell(marker="of-the-first", record=lambda child: None, poll=lambda: None)
    faults.install(lambda name: name == point and os.kill(os.getpid(), signal.SIGKILL))
    getattr(service, act)(SimpleNamespace(check=lambda: None, run=shell.run))
"""


@pytest.mark.parametrize(("act", "point"), [(act, point) for act, points in KILLED.items() for point in points])
def test_an_updater_that_is_killed(project: Project, act: str, point: str):
    """The next one leads to where it wanted."""
    project.write(web="good")
    service = project.service()
    if act == "stop":
        service.start(project.ctx)
    spec = json.dumps({"manager": "compose", "cwd": str(project.folder), "project": project.name, "grace": 1})
    command = [sys.executable, "-c", textwrap.dedent(UPDATER), spec, act, point]
    environ = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE")}  # it dies anyway
    assert subprocess.run(command, check=False, timeout=60, env=environ).returncode == -9, f"{point} was not reached"
    getattr(service, act)(project.ctx)
    assert project.running() == (["web"] if act == "start" else [])


def test_a_host_without_compose(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """None at all, or v1 only: each is said, with what to install."""
    path = os.environ["PATH"]
    project.write(web="good")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nothing"))
    monkeypatch.setattr("fsm.services.docker.compose.PLACES", ())
    docker_only = tmp_path / "bin"
    docker_only.mkdir()
    program = docker_only / "docker"
    program.write_text('#!/bin/sh\ntest "$1" != compose || { echo "docker: unknown command" >&2; exit 1; }\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker_only) + ":/bin")
    with pytest.raises(StepFailed, match=r"`docker compose` is not installed \(docker: unknown command\)"):
        project.service().status()
    (docker_only / "docker-compose").write_text("#!/bin/sh\necho 1.29.2\n")
    (docker_only / "docker-compose").chmod(0o755)
    with pytest.raises(StepFailed, match=r"docker-compose, version 1\.29\.2, is here") as caught:
        project.service().status()
    assert "install the compose plugin" in caught.value.todo
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StepFailed, match="`docker compose` is not installed"):
        project.service().status()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    (docker_only / "docker").unlink()
    program = docker_only / "docker-compose"
    program.write_text("#!/bin/sh\necho 2.26.1\n")
    monkeypatch.setenv("PATH", str(docker_only))
    with pytest.raises(StepFailed, match="there is no docker on this host"):
        project.service().status()
    monkeypatch.setenv("PATH", path)  # what is removed after the test needs `docker`


def test_an_engine_that_does_not_answer(project: Project, monkeypatch: pytest.MonkeyPatch):
    """Silence is no state."""
    project.write(web="good")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{project.folder}/nothing.sock")
    with pytest.raises(StepFailed, match="cannot ask about shop"):
        project.service("web").status()
    assert project.service("web").log_tail() == ""


def test_the_projects_name(tmp_path: Path):
    """Without one it is what compose makes of the directory's name."""
    spec = ComposeSpec(manager="compose", cwd=tmp_path / "_My Shop")
    assert ComposeService(spec, "shop")._project == "myshop"
    with pytest.raises(ConfigError, match="makes no name for a compose project"):
        open_service(ComposeSpec(manager="compose", cwd=tmp_path / "äö"), name="shop", state_dir=tmp_path)


def test_what_somebody_starts_between_a_stop_and_a_start_goes_on(project: Project):
    """A start that follows a stop leaves it alone."""
    project.write(web="good")
    project.service().start(project.ctx)
    project.service().stop(project.ctx)
    project.engine("start", project.engine("ps", "--all", "--quiet", "--filter", _label(project)).split()[0])
    before = project.engine("ps", "--quiet", "--filter", _label(project))
    project.service().start(project.ctx)
    assert project.running() == ["web"]
    assert project.engine("ps", "--quiet", "--filter", _label(project)) == before


def _label(project: Project) -> str:
    return f"label=com.docker.compose.project={project.name}"
