"""What is made of an engine's answers: whether a port is held for nobody, and what people are told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fsm.services.docker.client import Docker
from fsm.services.docker.connection import Answer
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


@pytest.mark.parametrize("hidden", [False, True])
def test_the_data_of_an_engine_are_where_it_says(tmp_path, monkeypatch, hidden):
    """Also where they cannot be looked at; those of an engine of another host are not here."""
    root = tmp_path / "docker"
    root.mkdir()
    if hidden:
        refused = PermissionError(13, "Permission denied", str(root))
        monkeypatch.setattr(os, "stat", raising(refused, root, os.stat))
    says(monkeypatch, DockerRootDir=str(root))
    assert engine(tmp_path).durable() == (root,)
    says(monkeypatch, DockerRootDir=str(tmp_path / "elsewhere"))
    assert engine(tmp_path / "b").durable() == ()


def test_images_that_containerd_keeps_are_not_among_them(tmp_path, monkeypatch):
    """They may lie on another file system: /var/lib/docker is often a disk of its own."""
    monkeypatch.setattr("fsm.services.docker.facts.CONTAINERD", str(tmp_path))
    says(monkeypatch, DockerRootDir="/", DriverStatus=[["driver-type", "io.containerd.snapshotter.v1"]])
    assert engine(tmp_path).durable() == (Path("/"), tmp_path)
    says(monkeypatch, DockerRootDir="/", DriverStatus=[["Backing Filesystem", "extfs"]])
    assert engine(tmp_path / "b").durable() == (Path("/"),)


def test_an_engine_that_does_not_say_where_its_data_are(tmp_path, monkeypatch):
    """A proxy before its socket may hide that; they are where they are by default."""
    monkeypatch.setattr("fsm.services.docker.connection.get", lambda *_, **__: Answer(403, b"forbidden"))
    assert engine(tmp_path).durable() == (Path("/var/lib/docker"),)


def engine(place: Path) -> Docker:
    """One that was not asked before."""
    return Docker(host=f"unix://{place}/socket")


def says(monkeypatch: pytest.MonkeyPatch, **about: Any) -> None:
    """What an engine says about itself."""
    body = json.dumps(about).encode()
    monkeypatch.setattr("fsm.services.docker.connection.get", lambda *_, **__: Answer(200, body))


def raising(error: OSError, at: Path, real: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
    """`os.stat`, but for one path."""

    def stat(path: Any, **options: Any) -> os.stat_result:
        if path == at or path == str(at):
            raise error
        return real(path, **options)

    return stat
