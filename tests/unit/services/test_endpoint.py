"""Where the engine is, as the command `docker` decides it; and what a question does when the other side misbehaves."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from fsm.errors import StepFailed, Transient
from fsm.services.docker.client import Docker, _joined
from fsm.services.docker.endpoint import DEFAULT, ByProgram, Socket, Tcp, Tls, find

pytestmark = pytest.mark.needs_linux


@pytest.fixture(autouse=True)
def program(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has the command, which is not asked."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "docker").write_text("#!/bin/sh\nexit 1\n")
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def context(config: Path, name: str, host: str, *, tls: bool = False, skip: bool = False) -> None:
    """A context as `docker context create` leaves it."""
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = config / "contexts" / "meta" / key
    meta.mkdir(parents=True)
    about = {"Name": name, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": skip}}}
    (meta / "meta.json").write_text(json.dumps(about))
    if tls:
        folder = config / "contexts" / "tls" / key / "docker"
        folder.mkdir(parents=True)
        for file in ("ca.pem", "cert.pem", "key.pem"):
            (folder / file).touch()


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, Socket(DEFAULT.removeprefix("unix://"))),
        ({"DOCKER_HOST": "unix:///run/my.sock"}, Socket("/run/my.sock")),
        ({"DOCKER_HOST": "tcp://engine:1234"}, Tcp("engine", 1234, None)),
        ({"DOCKER_HOST": "tcp://engine"}, Tcp("engine", 2375, None)),
        ({"DOCKER_HOST": "engine:1234"}, Tcp("engine", 1234, None)),
        ({"DOCKER_HOST": "tcp://[::1]:1234"}, Tcp("::1", 1234, None)),
        ({"DOCKER_HOST": "tcp://:1234"}, Tcp("localhost", 1234, None)),
        ({"DOCKER_HOST": "tcp://engine:port"}, ByProgram("tcp://engine:port")),
        ({"DOCKER_HOST": "tcp://engine:1234/behind"}, ByProgram("tcp://engine:1234/behind")),
        ({"DOCKER_HOST": "ssh://me@engine"}, ByProgram("ssh://me@engine")),
        ({"DOCKER_HOST": "npipe:////./pipe/docker_engine"}, ByProgram("npipe:////./pipe/docker_engine")),
        ({"DOCKER_HOST": "tcp://engine:1", "HTTPS_PROXY": "http://proxy:3128"}, ByProgram("tcp://engine:1")),
        ({"DOCKER_HOST": "tcp://127.0.0.1:1", "HTTPS_PROXY": "http://proxy:3128"}, Tcp("127.0.0.1", 1, None)),
        ({"DOCKER_CONTEXT": "lab"}, Tcp("lab", 2375, None)),
        ({"DOCKER_CONTEXT": "default"}, Socket(DEFAULT.removeprefix("unix://"))),
        ({"DOCKER_CONTEXT": "lab", "DOCKER_HOST": "tcp://engine:1"}, Tcp("engine", 1, None)),
        ({"DOCKER_CONTEXT": "nowhere"}, ByProgram("the context nowhere")),
    ],
)
def test_where_the_engine_is(tmp_path: Path, environ: dict[str, str], found: object):
    """The host before the context; what only the program can reach is left to it."""
    context(tmp_path, "lab", "tcp://lab")
    assert find({"DOCKER_CONFIG": str(tmp_path), **environ}) == found


def test_the_context_that_is_in_use(tmp_path: Path):
    """As `docker context use` has left it; a broken file of settings counts as none."""
    context(tmp_path, "lab", "unix:///run/lab.sock")
    environ = {"DOCKER_CONFIG": str(tmp_path)}
    (tmp_path / "config.json").write_text('{"currentContext": "lab"}')
    assert find(environ) == Socket("/run/lab.sock")
    for broken in ("{", "[]"):
        (tmp_path / "config.json").write_text(broken)
        assert str(find(environ)) == DEFAULT


def test_how_a_connection_is_secured(tmp_path: Path):
    """By the variables, or by the files of the context."""
    ca, cert, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    host = {"DOCKER_HOST": "tcp://engine"}
    place = {"DOCKER_CERT_PATH": str(tmp_path), **host}
    assert find({**place, "DOCKER_TLS": "1"}) == Tcp("engine", 2376, Tls(ca=ca, pair=None, verify=False))
    # Whom this host trusts is not asked: the command would not.
    assert find({**place, "DOCKER_TLS_VERIFY": "0"}) == Tcp("engine", 2376, Tls(ca=ca, pair=None, verify=True))
    cert.touch()
    assert find({**place, "DOCKER_TLS_VERIFY": "1"}) == Tcp("engine", 2376, Tls(ca=ca, pair=(cert, key), verify=True))
    assert find({**host, "DOCKER_CONFIG": str(tmp_path), "DOCKER_TLS": "1"}) == Tcp(
        "engine", 2376, Tls(ca=ca, pair=(cert, key), verify=False)
    )
    context(tmp_path, "lab", "tcp://lab:1", tls=True)
    context(tmp_path, "careless", "tcp://lab:1", skip=True)
    environ = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_TLS_VERIFY": "1"}
    secured = find({**environ, "DOCKER_CONTEXT": "lab"})
    assert isinstance(secured, Tcp)
    assert secured.tls is not None
    assert secured.tls.verify
    assert secured.tls.ca is not None
    assert find({**environ, "DOCKER_CONTEXT": "careless"}) == Tcp("lab", 1, Tls(ca=None, pair=None, verify=False))


@contextmanager
def serving(place: Path, behave: Callable[[socket.socket], None]) -> Iterator[Docker]:
    """An engine that does as it is told with each connection, once it has heard the question."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{place}/engine.sock")
        server.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    line, _ = server.accept()
                    with line, suppress(OSError):
                        line.recv(4096)
                        behave(line)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Docker(host=f"unix://{place}/engine.sock")
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_an_engine_that_drips(tmp_path: Path):
    """A byte now and then is no answer: the time is for all of it."""

    def drip(line: socket.socket) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"[" * 1000:
            line.send(bytes([byte]))
            time.sleep(0.02)

    with serving(tmp_path, drip) as docker:
        began = time.monotonic()
        with pytest.raises(Transient, match=r"did not answer within 0\.3 s"):
            docker.get("/info", timeout=0.3)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"", Transient, "cannot reach the Docker engine: unix:"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[", Transient, "cannot reach the Docker engine: unix:"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Transient, "cannot reach the Docker engine: unix:"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n[", StepFailed, "its answer is not valid JSON"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops", StepFailed, "it answered 500: oops"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", StepFailed, "it answered 403: no"),
    ],
)
def test_an_engine_that_answers_nonsense(tmp_path: Path, answer: bytes, error: type[Exception], words: str):
    """What breaks off may pass; what is said does not."""
    with serving(tmp_path, lambda line: line.sendall(answer)) as docker:
        with pytest.raises(error, match=words):
            docker.get("/info")
        assert not docker.answers()
        assert docker.logs("any", 5) == ("[" if error is StepFailed and words.endswith("JSON") else "")


def test_what_is_not_there_is_none(tmp_path: Path):
    """An image, a container, a name that is none; who cannot tell whether an image is used says so."""
    with serving(tmp_path, lambda line: line.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")) as docker:
        assert (docker.image("web:1"), docker.inspected(["a"]), docker.containers("shop")) == (None, [], [])
    (tmp_path / "engine.sock").unlink()
    with serving(tmp_path, lambda line: line.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")) as docker:
        assert docker.used("sha256:0")


def test_the_version_of_the_interface_is_that_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``DOCKER_API_VERSION`` counts here, too."""
    heard: list[bytes] = []

    def behave(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/engine.sock")
        server.listen()

        def serve() -> None:
            line, _ = server.accept()
            with line:
                heard.append(line.recv(4096))
                behave(line)

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv("DOCKER_API_VERSION", "1.41")
        assert Docker(host=f"unix://{tmp_path}/engine.sock").get("/images/a b/json", filters="x&y") == {}
        thread.join()
    assert heard[0].startswith(b"GET /v1.41/images/a%20b/json?filters=x%26y HTTP/1.1\r\n")


def test_a_socket_that_others_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Who may not use it is told which group may."""
    if os.geteuid() == 0:
        refused = OSError(13, "Permission denied")
        monkeypatch.setattr(socket.socket, "connect", lambda *_: (_ for _ in ()).throw(refused))
    with serving(tmp_path, lambda line: None) as docker:
        (tmp_path / "engine.sock").chmod(0)
        with pytest.raises(Transient, match="Permission denied") as caught:
            docker.engine()
    assert "group docker" in caught.value.todo


def test_a_log_of_two_streams_is_one():
    """Frames of https://docs.docker.com/reference/api/engine/, in their order; a terminal's log has none."""
    frames = b"".join(
        bytes([which, 0, 0, 0]) + len(text).to_bytes(4) + text for which, text in ((1, b"a\n"), (2, b"b\n"))
    )
    assert _joined(frames) == b"a\nb\n"
    assert _joined(b"a\nb\n") == b"a\nb\n"
    assert _joined(b"") == b""
