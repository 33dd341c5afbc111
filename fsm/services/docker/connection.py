"""One question to the engine over its socket: a connection, a GET, an answer, all within its time.

https://docs.docker.com/reference/api/engine/. Python's own `http.client` reads the answer: it costs a run 15 ms, where
the package `docker` costs 400 (docs/adr/0028-the-engine-is-asked-over-its-socket.md). Only GET is spoken: nothing here
changes anything.
"""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple, cast

from fsm.errors import CommandFailed, Transient, Unsupported
from fsm.model import Seconds
from fsm.services.docker.endpoint import ByProgram, Endpoint, Socket, Tcp, Tls
from fsm.system.shell import find_program, talk

_ASKING = "cannot ask the Docker engine"


class Answer(NamedTuple):
    """What the engine answered."""

    status: int
    body: bytes


class _Timed(io.RawIOBase):
    """Reads of a socket that all end at one moment, however slowly the other side drips."""

    def __init__(self, line: socket.socket, until: float) -> None:
        self._line = line
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._line.settimeout(left)
        return self._line.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        """For `http.client.HTTPResponse`, which wants a socket for this alone."""
        return io.BufferedReader(self)


def get(endpoint: Endpoint, target: str, *, environ: Mapping[str, str], timeout: Seconds) -> Answer:
    """Ask the engine.

    Args:
        endpoint: where it is.
        target: path and query, ``/containers/json?all=1``.
        environ: of the command `docker`, where that has to connect.
        timeout: seconds for all of it.

    Raises:
        Transient: it cannot be reached, or does not answer in time.
        Unsupported: there is no Docker on this host.
    """
    import http.client  # noqa: PLC0415 - 15 ms that only those pay who have containers

    until = time.monotonic() + timeout
    try:
        with _dialled(endpoint, environ, timeout) as line:
            line.sendall(f"GET {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n".encode("ascii"))
            answer = http.client.HTTPResponse(cast("socket.socket", _Timed(line, until)), method="GET")
            answer.begin()
            return Answer(answer.status, answer.read())
    except TimeoutError:
        why = f"it did not answer within {timeout:g} s"
        raise Transient(_ASKING, why, "see its log") from None
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(endpoint, error, environ) from error


@contextmanager
def _dialled(endpoint: Endpoint, environ: Mapping[str, str], timeout: Seconds) -> Iterator[socket.socket]:
    """A connection, which is closed at the end."""
    match endpoint:
        case Socket(path):
            with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as line:
                line.settimeout(timeout)
                line.connect(path)
                yield line
        case Tcp(host, port, tls):
            with closing(socket.create_connection((host, port), timeout=timeout)) as line:
                if tls is None:
                    yield line
                    return
                with closing(_secured(line, host, tls)) as secured:
                    yield secured
        case ByProgram():
            # https://docs.docker.com/engine/security/protect-access/#use-ssh-to-protect-the-docker-daemon-socket: what
            # `docker` itself runs on the other side; here it brings its own way to get there.
            with talk(["docker", "system", "dial-stdio"], env=environ) as line:
                line.settimeout(timeout)
                yield line


def _secured(line: socket.socket, host: str, tls: Tls) -> socket.socket:
    import ssl  # noqa: PLC0415 - only those pay who need it

    context = ssl.create_default_context(cafile=None if tls.ca is None else str(tls.ca))
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.pair is not None:
        context.load_cert_chain(*tls.pair)
    return context.wrap_socket(line, server_hostname=host)


def _unreachable(endpoint: Endpoint, error: Exception, environ: Mapping[str, str]) -> Transient | Unsupported:
    """Why there is no answer; a host that has no `docker` either is told to install it."""
    try:
        find_program(["docker"], cwd=None, search=environ.get("PATH", os.environ.get("PATH")))
    except CommandFailed as missing:
        return Unsupported(_ASKING, missing.cause, "install Docker")
    why = (error.strerror if isinstance(error, OSError) else None) or str(error) or "it broke off its answer"
    todo = "start it, or correct docker_host"
    if isinstance(error, PermissionError):
        todo = "run the updater as root, or put its user into the group docker"
    return Transient("cannot reach the Docker engine", f"{endpoint}: {why}", todo)
