"""Document 000: a checkout with a compose project in it, whose images are built from each commit. A real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fsm.engine.report import Outcome
from fsm.services.docker.client import Docker
from tests.app_fixture import write
from tests.git_fixture import GitFixture, git
from tests.hosts.conftest import docker, named  # noqa: F401 - fixtures
from tests.hosts.engine import Engine
from tests.hosts.images import PORT, context, fetch
from tests.hosts.witness import Witness, synced
from tests.ports import free_port
from tests.world import Crash, crash_at

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_docker, pytest.mark.timeout(300)]


class AgentFixture(GitFixture):
    """A checkout with the project in ``agent/``, and two ``.env`` files that the project needs."""

    def __init__(self, root: Path, engine: Engine, project: str, port: int) -> None:
        services = {
            "agent": {
                "manager": "compose",
                "cwd": "{live}/agent",
                "files": ["compose.yaml"],
                "project": project,
                "grace": 1,
                "start_timeout": 8.0,
            }
        }
        super().__init__(
            root,
            services=services,
            preserve=[".env", "agent/.env"],
            copies={"agent/.env": ".env"},
            build={"compose": ["agent/compose.yaml"], "project": project},
            post_checks=[],
            retention={"count": 1, "days": 0},
        )
        self.docker, self.project, self.port = engine, project, port

    def release(self, version: str, trait: Any = "good", *, broken: bool = False) -> str:
        """Commit a version of the agent."""
        agent = self.author / "agent"
        agent.mkdir(exist_ok=True)
        context(agent, version, trait=trait)
        if broken:
            (agent / "Dockerfile").write_text("FROM scratch\nCOPY what-nobody-has /\n")
        service = f"    build: .\n    init: true\n    ports: ['127.0.0.1:{self.port}:{PORT}']\n"
        (agent / "compose.yaml").write_text(
            f"services:\n  web:\n{service}    environment: {{GREETING: '${{GREETING:?}}'}}\n"
        )
        (self.author / "VERSION").write_text(f"{version}\n")
        git(self.author, "add", "--force", "--all", ".")
        return self.commit(version)

    def says(self) -> tuple[str, str]:
        """Version and greeting of what answers."""
        base = f"http://127.0.0.1:{self.port}"
        return fetch(f"{base}/version"), fetch(f"{base}/")

    def ours(self) -> list[str]:
        """Our tags of kept images."""
        listed = self.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "fsm-kept/" + self.name)
        return sorted(line for line in listed.splitlines() if line)


@pytest.fixture
def app_fixture(tmp_path, docker, named, monkeypatch) -> Iterator[AgentFixture]:  # noqa: F811 - the fixtures
    """1.0.0 runs, built by hand as people do."""
    for key, value in docker.env.items():
        monkeypatch.setenv(key, value)
    port = free_port()
    project = named("agent")
    # Components of other tests of this machine must not share our tags.
    monkeypatch.setattr(AgentFixture, "name", project)
    made = AgentFixture(tmp_path, docker, project, port)
    made.release("1.0.0")
    made.install("1.0.0")
    write(made.live / ".env", b"GREETING=ciao\r\n", mode=0o600)
    write(made.live / "agent/.env", b"GREETING=ciao\r\n", mode=0o600)
    docker.compose("up", "-d", "--build", "--wait", project=project, folder=made.live / "agent")
    yield made
    for tag in made.ours():
        docker.run("image", "rm", "--force", tag)
    docker.run("image", "rm", "--force", f"{project}-web")


def test_the_whole_life_of_a_checkout_with_a_compose_project(app_fixture):
    """Built before the stop, updated, rolled back by itself, rolled back by a person without a build."""
    assert app_fixture.says() == ("1.0.0", "ciao")
    first = app_fixture.docker("image", "inspect", "--format", "{{.Id}}", f"{app_fixture.project}-web").strip()
    app_fixture.release("1.1.0")
    result = app_fixture.updater().update(app_fixture.name)
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.says() == ("1.1.0", "ciao")
    assert (app_fixture.live / "agent/.env").read_bytes() == b"GREETING=ciao\r\n"
    assert result.downtime is not None
    assert [step.name for step in result.steps].index("build_images") < [step.name for step in result.steps].index(
        "stop_service"
    )
    assert len(app_fixture.ours()) == 1
    second = app_fixture.docker("image", "inspect", "--format", "{{.Id}}", f"{app_fixture.project}-web").strip()
    assert second != first
    app_fixture.release("1.2.0", "crashes")
    result = app_fixture.updater().update(app_fixture.name)
    assert result.outcome is Outcome.ROLLED_BACK, result.headline
    assert app_fixture.says() == ("1.1.0", "ciao")
    assert app_fixture.docker("image", "inspect", "--format", "{{.Id}}", f"{app_fixture.project}-web").strip() == second
    assert len(app_fixture.ours()) == 1
    result = app_fixture.updater().rollback(app_fixture.name)
    assert result.outcome is Outcome.DONE, result.headline
    assert any("kept with this commit" in note for note in result.notes)
    assert app_fixture.says() == ("1.0.0", "ciao")
    assert app_fixture.docker("image", "inspect", "--format", "{{.Id}}", f"{app_fixture.project}-web").strip() == first


def test_what_changes_the_engine_is_a_child_of_the_run(app_fixture, tmp_path, monkeypatch):
    """On the way forward, back, and while tidying: a resume finds by its mark what a crash left running.

    What the engine has done is synced before the step ends.
    """
    witness, places = Witness(tmp_path / "witness", monkeypatch), synced(monkeypatch)
    app_fixture.release("1.1.0")
    assert app_fixture.updater().update(app_fixture.name).outcome is Outcome.DONE
    app_fixture.release("1.2.0", "crashes")
    assert app_fixture.updater().update(app_fixture.name).outcome is Outcome.ROLLED_BACK
    assert witness.unmarked() == []
    assert {("image", "tag"), ("image", "rm"), ("compose", "build"), ("compose", "up")} <= witness.changes()
    assert {name for name, each in places.items() if each & {*Docker().durable()}} == {
        *("keep_images", "build_images", "use_images", "start_service")
    }


def test_a_build_that_fails_stops_nothing(app_fixture):
    """The name still stands for the old image, and nothing of ours stays."""
    before = app_fixture.docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={app_fixture.project}")
    app_fixture.release("1.1.0", broken=True)
    result = app_fixture.updater().update(app_fixture.name)
    assert result.outcome is Outcome.REFUSED
    assert not result.touched
    assert "docker compose build" in result.reason
    assert app_fixture.says() == ("1.0.0", "ciao")
    assert (
        app_fixture.docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={app_fixture.project}")
        == before
    )
    assert app_fixture.ours() == []


@pytest.mark.parametrize(
    ("point", "outcome"),
    [
        ("git.images.kept", "done"),
        ("git.images.built", "done"),
        ("git.images.named", "done"),
        ("git.images.built", "rolled_back"),
        ("stop_service.done", "rolled_back"),
    ],
)
def test_killed_around_the_images(app_fixture, point, outcome):
    """Whatever was named and built by then: the service of the state's version answers."""
    app_fixture.release("1.1.0", "good" if outcome == "done" else "crashes")
    with crash_at(0, only=point), pytest.raises(Crash):
        app_fixture.updater().update(app_fixture.name)
    (result,) = app_fixture.updater().resume()
    assert result.outcome == outcome, result.headline
    assert app_fixture.says() == ("1.1.0" if outcome == "done" else "1.0.0", "ciao")


@pytest.mark.parametrize("point", ["git.images.named", "git.images.dropped", "git.images.forgotten"])
def test_killed_on_the_way_back(app_fixture, point):
    """Also in the middle of the undo, and of the tidying."""
    app_fixture.release("1.1.0", "good" if point.endswith("forgotten") else "crashes")
    last = 3 if point == "git.images.named" else 0
    with crash_at(last, only=point), pytest.raises(Crash):
        app_fixture.updater().update(app_fixture.name)
    (result,) = app_fixture.updater().resume()
    version = "1.1.0" if point.endswith("forgotten") else "1.0.0"
    assert result.outcome == ("done" if version == "1.1.0" else "rolled_back"), result.headline
    assert app_fixture.says() == (version, "ciao")
    assert len(app_fixture.ours()) == (1 if version == "1.1.0" else 0)
