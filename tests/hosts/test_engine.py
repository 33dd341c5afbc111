"""The test bed's engine: it answers, and its images do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts.engine import Engine, registry
from tests.hosts.home import BedError
from tests.hosts.images import Trait, build, context, fetch, publish
from tests.hosts.packages import mirror

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_docker]

ROOT = Path(__file__).resolve().parents[2]

COMPOSE = """\
services:
  web:
    image: {image}
    environment: {{GREETING: good day}}
    ports: ["127.0.0.1::8080"]
"""

LEAVE = """
from tests.hosts.engine import engine
docker = engine()
name = docker.name("left")
docker("network", "create", name)
print(name)
"""


def _state(docker: Engine, name: str) -> tuple[str, str, int]:
    """Status, health and exit code of a container."""
    state = docker.inspect(name)["State"]
    return state["Status"], state.get("Health", {}).get("Status", "none"), state["ExitCode"]


def _until(docker: Engine, name: str, wanted: Callable[[tuple[str, str, int]], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not wanted(_state(docker, name)):
        assert time.monotonic() < until, f"{_state(docker, name)} after {seconds} s"
        time.sleep(0.1)


def test_an_engine_answers(docker: Engine):
    """It has a version, and compose 2."""
    assert docker("version", "--format", "{{.Server.Version}}")
    assert docker("compose", "version", "--short").lstrip("v").startswith("2.")


def test_a_command_that_fails_says_why(docker: Engine):
    """Else a test of something else fails without a reason."""
    with pytest.raises(BedError, match="No such image"):
        docker("image", "inspect", "fsmt-nothing")


@pytest.mark.parametrize(
    ("trait", "wanted"),
    [
        ("good", ("running", "healthy", 0)),
        ("stubborn", ("running", "healthy", 0)),
        ("unhealthy", ("running", "unhealthy", 0)),
        ("unchecked", ("running", "none", 0)),
        ("crashes", ("exited", "none", 3)),
        ("once", ("exited", "none", 0)),
    ],
)
def test_an_image_does_what_it_says(
    docker: Engine, named: Callable[[str], str], trait: Trait, wanted: tuple[str, str, int]
):
    """Each kind of image ends up in its own state."""
    name = named(trait)
    docker("run", "-d", "--name", name, build(name, "1.0.0", trait=trait))
    _until(docker, name, lambda state: state == wanted)


def test_an_image_that_dies_is_healthy_before(docker: Engine, named: Callable[[str], str]):
    """What crashes after ten seconds has passed every check that did not wait for it."""
    dies, never = named("dies"), named("never")
    for trait, name in (("dies", dies), ("never", never)):
        docker("run", "-d", "--name", name, build(name, "1.0.0", trait=trait))  # type: ignore[arg-type]
    _until(docker, dies, lambda state: state == ("running", "healthy", 0))
    _until(docker, dies, lambda state: (state[0], state[2]) == ("exited", 4))
    assert _state(docker, never) == ("running", "starting", 0)


def test_compose_pulls_an_image_from_the_registry_and_waits(
    docker: Engine, named: Callable[[str], str], tmp_path: Path
):
    """The way of an update: pushed, absent, pulled, healthy, answering on a port of loopback."""
    name = named("shop")
    image = publish(name, "1.2.0")
    assert image == f"{registry()}/{name}:1.2.0"
    assert docker.run("image", "inspect", image).returncode != 0
    (tmp_path / "compose.yml").write_text(COMPOSE.format(image=image))
    docker.compose("up", "-d", "--wait", project=name, folder=tmp_path)
    container = docker.compose("ps", "-q", "web", project=name, folder=tmp_path)
    assert docker.inspect(container)["Config"]["Image"] == image
    address = docker.compose("port", "web", "8080", project=name, folder=tmp_path)
    assert address.startswith("127.0.0.1:")
    assert fetch(f"http://{address}/version") == "1.2.0"
    assert fetch(f"http://{address}/") == "good day"
    docker.remove(name)
    assert docker.compose("ps", "-a", "-q", project=name, folder=tmp_path) == ""
    assert docker.run("image", "inspect", image).returncode != 0


def test_compose_builds_an_image_from_a_context(docker: Engine, named: Callable[[str], str], tmp_path: Path):
    """A checkout with a Dockerfile needs nothing from outside."""
    name = named("built")
    context(tmp_path / "web", "2.0.0")
    (tmp_path / "compose.yml").write_text(COMPOSE.format(image=name) + "    build: web\n")
    docker.compose("build", "--quiet", project=name, folder=tmp_path)
    labels = docker.inspect(name)["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == "2.0.0"


def test_what_a_killed_session_left_is_removed(docker: Engine, named: Callable[[str], str]):
    """Only what is named after a process that is gone; everything else stays."""
    command = [sys.executable, "-c", LEAVE]
    left = subprocess.run(command, capture_output=True, text=True, timeout=110, check=True, cwd=ROOT)
    ours = named("ours")
    docker("network", "create", ours)
    assert f"network {left.stdout.strip()}" in docker.sweep()
    names = docker("network", "ls", "--format", "{{.Name}}").splitlines()
    assert ours in names
    assert left.stdout.strip() not in names


def test_the_last_one_to_leave_knows(tmp_path: Path):
    """Who leaves while somebody stays must not stop what the bed has started."""
    script = "from tests.hosts.home import Membership; m = Membership(); print(flush=True); input(); print(m.leave())"
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "FSM_HOSTS_DIR": str(tmp_path / "bed")}
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
        for _ in range(2)
    ]
    for one in both:
        assert one.stdout is not None
        one.stdout.readline()
    assert [one.communicate("\n", timeout=30)[0].strip() for one in both] == ["False", "True"]


def test_a_bed_that_others_can_write_is_refused(tmp_path: Path):
    """What lies in it is run as root."""
    (tmp_path / "bed").mkdir(mode=0o777)
    (tmp_path / "bed").chmod(0o777)
    command = [sys.executable, "-c", "from tests.hosts.home import home; home()"]
    environment = {**os.environ, "FSM_HOSTS_DIR": str(tmp_path / "bed")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=ROOT, env=environment)
    assert "can be written by somebody else" in done.stderr


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("sources.list", "deb [signed-by=/a.gpg] http://127.0.0.1:9/debian/ bookworm main"),
        ("sources.list.d/debian.sources", "Types: deb\nURIs: http://127.0.0.1:9/debian\nSuites: bookworm"),
    ],
)
def test_the_mirror_is_the_one_of_apt(tmp_path: Path, name: str, line: str):
    """Packages of another release come from where this machine's own come from."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/another.list").write_text("deb http://127.0.0.1:9/another stable main\n")
    with pytest.raises(BedError, match="no Debian mirror"):
        mirror(tmp_path)
    (tmp_path / name).write_text(line + "\n")
    assert mirror(tmp_path) == "http://127.0.0.1:9/debian"
