"""An engine that holds a published port for a container that is gone, as it may after a power cut."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.hosts.ghost import forget_endpoint
from tests.hosts.kills.container import FOLDER, IMAGE, URL, Container
from tests.hosts.machine import Machine

pytestmark = [pytest.mark.needs_machine, pytest.mark.timeout(300)]

HELD: Final = "127.0.0.1:8080/tcp for a container that is gone"

KILL_AT: Final = """\
import os, signal, sys
from fsm.system import faults
from fsm.updater import Updater
faults.install(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == sys.argv[1] else None)
Updater.from_config().update("shop")
"""

KILL_IN: Final = """\
import os, signal, sys
from fsm.updater import Updater
updater = Updater.from_config()
updater.observe(lambda event: event.step == sys.argv[1] and os.kill(os.getpid(), signal.SIGKILL))
updater.update("shop")
"""

START: Final = """\
import uuid
from pathlib import Path
from fsm.services import ComposeSpec, open_service
from fsm.system.shell import Shell

class Runner:
    shell = Shell(marker=uuid.uuid4().hex, record=lambda child: None, poll=lambda: None, grace=0.5)
    run = lambda self, argv, **options: self.shell.run(argv, **{"timeout": 60, **options})
    check = lambda self: None

spec = ComposeSpec(manager="compose", cwd=Path("FOLDER"), project="shop")
open_service(spec, name="shop", state_dir=Path("/tmp")).start(Runner())
""".replace("FOLDER", FOLDER)


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    """A machine with a shop that runs."""
    with Machine.start("held", docker=True) as made:
        Container().prepare(made)
        yield made


def hold(host: Machine, version: str, *, broken: bool = False) -> None:
    """Publish a version; then a power cut after which the engine holds the shop's port, so that nobody answers."""
    Container().publish(host, version, broken=broken)
    lose_power(host)
    started = host.try_run("docker", "start", "shop-web-1")
    assert "already allocated" in started.stderr, "the engine does not hold the port"


def lose_power(host: Machine) -> None:
    """A power cut after which the engine holds the shop's port at the next boot."""
    (about,) = json.loads(host.run("docker", "inspect", "shop-web-1"))
    host.kill()
    forget_endpoint(host, about["NetworkSettings"]["Networks"]["shop_default"]["EndpointID"])
    host.boot()


def newest(host: Machine) -> dict[str, Any]:
    """What became of the last run."""
    found: dict[str, Any] = json.loads(host.run("fsm", "history", "--limit", "1", "--json"))["results"][0]
    return found


def result(host: Machine, *argv: str) -> dict[str, Any]:
    """What a command of `fsm` reports of the shop."""
    found: dict[str, Any] = json.loads(host.try_run("fsm", *argv, "--json", timeout=180).stdout)["results"][0]
    return found


def test_the_engine_is_restarted(host: Machine):
    """An update frees the port by the engine's restart and says so; the new version answers, the neighbour runs."""
    hold(host, "1.1.0")
    done = result(host, "update", "shop")
    assert done["outcome"] == "done", done
    assert any(f"it held {HELD}" in note for note in done["notes"])
    assert host.fetch(URL) == "1.1.0"
    assert not Container().oddities(host)


@pytest.mark.parametrize("point", ["engine.restart.allowed", "engine.restart.done"])
def test_killed_around_the_restart(host: Machine, point: str):
    """A resume finds the port held, or free, and goes on."""
    version = {"allowed": "1.2.0", "done": "1.3.0"}[point.rpartition(".")[2]]
    hold(host, version)
    killed = host.try_run("/opt/fsm/bin/python", "-c", KILL_AT, point, timeout=120)
    assert killed.returncode == 137
    assert result(host, "resume")["outcome"] == "done"
    assert host.fetch(URL) == version
    assert not Container().oddities(host)


@pytest.mark.parametrize(("step", "version"), [("verify", "1.3.0.1"), ("tidy", "1.3.0.2")])
def test_the_power_fails_when_the_new_version_runs(host: Machine, step: str, version: str):
    """It is not the release's fault that the engine cannot start it then: a resume does, and goes on."""
    Container().publish(host, version, broken=False)
    assert host.try_run("/opt/fsm/bin/python", "-c", KILL_IN, step, timeout=120).returncode == 137
    assert host.fetch(URL) == version
    lose_power(host)
    until = time.monotonic() + 60
    while (last := newest(host))["outcome"] == "interrupted" and time.monotonic() < until:
        time.sleep(0.2)
    assert (last["outcome"], last["to_version"]) == ("done", version), last
    assert host.fetch(URL) == version
    assert not Container().oddities(host)


def test_a_rollback_frees_it_for_the_old_version(host: Machine):
    """The boot could not start the old version, so it was meant to run: after a broken release it does."""
    before = host.fetch(URL)
    hold(host, "1.3.0.3", broken=True)
    assert result(host, "update", "shop")["outcome"] == "rolled_back"
    assert host.fetch(URL) == before
    assert not Container().oddities(host)


def test_the_service_manager_frees_it_too(host: Machine):
    """A compose project that is the service of another component starts as well."""
    before = host.fetch(URL)
    hold(host, "1.3.1")
    host.run("/opt/fsm/bin/python", "-c", START, timeout=120)
    assert host.fetch(URL) == before
    assert not Container().oddities(host)


def test_not_at_the_price_of_another_container(host: Machine):
    """A container that nobody would start again forbids the restart; the message names it and says what to do."""
    before = host.fetch(URL)
    hold(host, "1.4.0")
    host.run("docker", "run", "--detach", "--name", "stranger", f"{IMAGE}:{before}")
    done = result(host, "update", "shop")
    assert done["outcome"] == "failed"
    assert f"holds {HELD}, and its restart would end stranger" in done["reason"]
    assert "systemctl restart docker" in done["reason"]
    assert "fsm rollback" in done["todo"]
    assert host.run("docker", "inspect", "--format", "{{.State.Running}}", "stranger") == "true"
    assert f"{IMAGE}:{before}" in host.read(f"{FOLDER}/docker-compose.yml").decode()
    host.run("systemctl", "restart", "docker")
    assert result(host, "rollback", "shop")["outcome"] == "rolled_back"
    assert host.fetch(URL) == before
