"""What is made of an engine's answers: whether a port is held for nobody, and what people are told."""

from __future__ import annotations

from typing import Any

import pytest

from fsm.services.docker.client import Docker
from fsm.services.docker.repair import Freed, forbidden, held_for_nobody


def refused(address: str, port: str = "8080") -> dict[str, Any]:
    """What `docker container inspect` has of a container that was not started."""
    return {"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": address, "HostPort": port}]}}}


def running(*addresses: str, kind: str = "tcp") -> dict[str, Any]:
    """The same of one that runs; `53/udp` is not published."""
    places = [{"HostIp": address, "HostPort": "8080"} for address in addresses]
    return {"NetworkSettings": {"Ports": {f"80/{kind}": places, "53/udp": None}}}


@pytest.mark.parametrize(
    ("wanted", "others", "held"),
    [
        ("127.0.0.1", [], ("127.0.0.1:8080/tcp",)),
        ("", [], ("0.0.0.0:8080/tcp",)),
        ("127.0.0.1", [running("127.0.0.1")], ()),
        ("127.0.0.1", [running("127.0.0.2")], ("127.0.0.1:8080/tcp",)),
        ("127.0.0.1", [running("127.0.0.1", kind="udp")], ("127.0.0.1:8080/tcp",)),
        ("127.0.0.1", [running("0.0.0.0", "::")], ()),
        ("", [running("127.0.0.1")], ()),
        ("0.0.0.0", [running("::")], ()),
        ("127.0.0.1", [{"NetworkSettings": {"Ports": None}}], ("127.0.0.1:8080/tcp",)),
    ],
)
def test_a_port_is_held_for_nobody_if_no_container_has_it(wanted, others, held):
    """An engine is not restarted because of a container that lives, on whichever address."""
    assert held_for_nobody([refused(wanted)], others) == held


def test_a_port_that_the_engine_picks_is_not_held():
    """Nobody knows it before."""
    assert held_for_nobody([refused("127.0.0.1", ""), {"HostConfig": {"PortBindings": None}}], []) == ()


@pytest.mark.parametrize(
    ("environ", "local"),
    [
        ({}, True),
        ({"DOCKER_HOST": "unix:///run/my.sock"}, True),
        ({"DOCKER_HOST": "tcp://far.example:2375"}, False),
        ({"DOCKER_HOST": "ssh://far.example"}, False),
        ({"DOCKER_CONTEXT": "far"}, False),
    ],
)
def test_the_engine_of_another_host_is_not_restarted(tmp_path, monkeypatch, environ, local):
    """A unit of that name is here as well, and it is another engine's; a context says where the engine is, too."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert forbidden(Docker(), [], [], "docker.service") == ("" if local else "it runs on another host")


def test_people_are_told_what_would_free_it():
    """By the engine's own unit, where it is known."""
    port = ("127.0.0.1:8080/tcp",)
    assert Freed(port, "nobody may", "podman.service").complaint.endswith("`systemctl restart podman.service` frees it")
    assert Freed(port, "nobody may").complaint.endswith("and nobody may; the engine's restart frees it")
    assert "restarted the Docker engine" in Freed(port).note
    assert (Freed(port).complaint, Freed().complaint, Freed(port, "nobody may").note) == ("", "", "")
