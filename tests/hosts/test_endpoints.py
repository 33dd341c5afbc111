"""The engine is found where the command `docker` finds it: both are given each setting, and come to one engine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fsm.errors import Transient
from fsm.services.docker.client import Docker
from fsm.services.docker.endpoint import ByProgram, Socket, Tcp
from tests.hosts.conftest import docker, named  # noqa: F401 - fixtures
from tests.hosts.engine import Engine
from tests.hosts.images import build
from tests.hosts.tls import Authority, proxy

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_docker]

VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@pytest.fixture
def place(
    docker: Engine,  # noqa: F811 - a fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """The path of the engine's socket, and nothing of the environment that says where the engine is."""
    host = docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}", "default")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
    return host.removeprefix("unix://")


def ours() -> str | None:
    """The engine's id, as our client finds it; None where it finds none."""
    try:
        return str(Docker().get("/info", timeout=20)["ID"])
    except Transient:
        return None


def theirs() -> str | None:
    """The same as the command does."""
    done = subprocess.run(["docker", "info", "--format", "{{.ID}}"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None if done.returncode == 0 else None


def run(*arguments: str) -> None:
    """A docker command that must succeed."""
    subprocess.run(["docker", *arguments], check=True, capture_output=True)


def test_by_its_socket(place: str, monkeypatch: pytest.MonkeyPatch):
    """And one that is not there is there for neither."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
    assert ours() == theirs() is not None
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}.gone")
    assert ours() is theirs() is None


def test_by_a_context(place: str, monkeypatch: pytest.MonkeyPatch):
    """Named by the variable, or in use; a host that is given counts more."""
    run("context", "create", "lab", "--docker", f"host=unix://{place}")
    monkeypatch.setenv("DOCKER_CONTEXT", "lab")
    assert ours() == theirs() is not None
    monkeypatch.delenv("DOCKER_CONTEXT")
    run("context", "use", "lab")
    assert Docker().endpoint == Socket(place)
    assert ours() == theirs() is not None
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}.gone")
    assert ours() is theirs() is None
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    assert ours() is theirs() is None
    with pytest.raises(Transient, match="nowhere"):
        Docker().engine()


def test_by_a_port(place: str, monkeypatch: pytest.MonkeyPatch):
    """Without TLS; and TLS to who does not speak it fails for both."""
    with proxy(place, None) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        assert ours() == theirs() is not None
        monkeypatch.setenv("DOCKER_TLS", "1")
        assert ours() is theirs() is None


def test_by_tls(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each side shows a certificate; one that is signed by somebody else is refused, by both sides."""
    Authority("ours").write(tmp_path / "ours")
    Authority("another").write(tmp_path / "another")
    with proxy(place, tmp_path / "ours") as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        assert ours() is theirs() is None  # no TLS
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "ours"))
        assert ours() is theirs() is None  # not asked for
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        assert isinstance(Docker().endpoint, Tcp)
        assert ours() == theirs() is not None
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "another"))
        assert ours() is theirs() is None
        with pytest.raises(Transient, match=r"(?i)certificate"):
            Docker().engine()
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "nothing"))
        assert ours() is theirs() is None


def test_by_tls_that_is_not_verified(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``DOCKER_TLS``: the engine's certificate may be anybody's, ours must still be good."""
    Authority("ours").write(tmp_path / "ours")
    Authority("another").write(tmp_path / "another")
    # The engine's certificate is signed by one who is not ours, and it wants to see one that is signed by ours.
    shutil.copy(tmp_path / "ours" / "ca.pem", tmp_path / "mixed.pem")
    shutil.copy(tmp_path / "another" / "ca.pem", tmp_path / "ours" / "ca.pem")
    Authority("third").write(tmp_path / "engine")
    (tmp_path / "mixed.pem").rename(tmp_path / "engine" / "ca.pem")
    with proxy(place, tmp_path / "engine") as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "ours"))
        monkeypatch.setenv("DOCKER_TLS", "1")
        assert ours() == theirs() is not None
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        assert ours() is theirs() is None
        monkeypatch.delenv("DOCKER_TLS_VERIFY")
        (tmp_path / "ours" / "ca.pem").unlink()
        assert ours() is theirs() is None


def test_by_a_context_with_tls(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its certificates lie with it; those of the environment do not count."""
    Authority("ours").write(tmp_path / "ours")
    files = ",".join(f"{name}={tmp_path}/ours/{name}.pem" for name in ("ca", "cert", "key"))
    with proxy(place, tmp_path / "ours") as port:
        run("context", "create", "lab", "--docker", f"host=tcp://127.0.0.1:{port},{files}")
        monkeypatch.setenv("DOCKER_CONTEXT", "lab")
        assert isinstance(Docker().endpoint, Tcp)
        assert ours() == theirs() is not None


def test_by_ssh(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Which only the command can: it is spoken through, and what goes wrong on that way is said in its words."""
    folder = tmp_path / "bin"
    folder.mkdir()
    ssh = folder / "ssh"
    # What `ssh` would do over there, done here: what comes after the host's name.
    words = 'while test "$1" != far.example; do shift; done; shift; test "$1" = -- && shift'
    ssh.write_text(f"#!/bin/sh\n{words}\nexport DOCKER_HOST=unix://{place}\nexec $*\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "ssh://far.example")
    assert isinstance(Docker().endpoint, ByProgram)
    assert ours() == theirs() is not None
    ssh.write_text("#!/bin/sh\necho 'ssh: far.example is far away' >&2\nexit 255\n")
    with pytest.raises(Transient, match=r"cannot reach the Docker engine: .*far"):
        Docker().engine()
    ssh.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(Transient, match="did not answer within 1 s"):
        Docker().get("/info", timeout=1.0)


def test_one_that_is_silent(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A port at which nobody speaks, with and without TLS: the time is for all of it."""
    Authority("ours").write(tmp_path / "ours")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{deaf.getsockname()[1]}")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "ours"))
        for verify in ("", "1"):
            monkeypatch.setenv("DOCKER_TLS_VERIFY", verify)
            with pytest.raises(Transient, match=r"did not answer within 0\.5 s"):
                Docker().get("/info", timeout=0.5)


def test_its_answers_are_those_of_the_command(
    docker: Engine,  # noqa: F811 - a fixture
    named: Callable[[str], str],  # noqa: F811 - a fixture
    monkeypatch: pytest.MonkeyPatch,
):
    """Containers, images, names and logs, beside what `docker` says."""
    for key, value in docker.env.items():
        monkeypatch.setenv(key, value)
    name = named("asked")
    image = build(name, "1.0.0")
    labels = ["--label", f"com.docker.compose.project={name}", "--label", "com.docker.compose.service=web"]
    docker("run", "-d", "--name", name, *labels, image)
    docker("run", "-d", "--name", f"{name}-linked", "--link", f"{name}:web", image)
    docker("run", "-d", "--name", f"{name}-once", *labels, "--label", "com.docker.compose.oneoff=True", image)
    client = Docker()
    (row,) = client.names_of(name)
    assert row == (docker.inspect(name)["Id"], name, "web")
    assert client.names_of(name, states=["exited"]) == []
    (one,) = client.containers(name)
    assert (one.id, one.image, one.running) == (row[0], docker.inspect(image)["Id"], True)
    assert {one.id, docker.inspect(f"{name}-linked")["Id"]} <= set(client.running())
    assert client.used(one.image)
    found = client.image(image)
    assert found is not None
    assert (found.id, image in found.tags) == (one.image, True)
    assert client.image(f"{name}:gone") is client.image("not a name!") is None
    assert client.names(name) == [image]
    both = docker("run", "--detach", image, "sh", "-c", "echo out; sleep 0.2; echo err >&2")
    docker("wait", both)
    assert client.logs(both, 5) == "out\nerr"
    terminal = docker("run", "--detach", "--tty", image, "sh", "-c", "echo out; echo err >&2")
    docker("wait", terminal)
    assert client.logs(terminal, 1) == "err"
    docker("rm", "--force", both, terminal, f"{name}-linked", f"{name}-once")
    assert json.loads(docker("info", "--format", "{{json .DockerRootDir}}")) == str(client.engine().data_root)
