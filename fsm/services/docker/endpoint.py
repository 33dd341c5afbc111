"""Where the Docker engine is, decided as the command `docker` decides it.

From first to last: `docker_host` of a component or ``DOCKER_HOST``, ``DOCKER_CONTEXT``, ``currentContext`` of
``config.json`` (https://docs.docker.com/engine/manage-resources/contexts/), and the socket of this host.

What is a socket, or TCP with or without TLS, is dialled by ourselves. For everything else (``ssh://``, a named pipe, a
proxy, a context that is not there) the program is asked to connect: it can, or says in its own words why not.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from fsm.model import Model

DEFAULT: Final = "unix:///var/run/docker.sock"

_DIALLED: Final = ("tcp", "http", "https")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


class Tls(Model):
    """How a connection is secured.

    Attributes:
        ca: who may have signed the engine's certificate; None: whom this host trusts.
        pair: our own certificate and its key; None if we show none.
        verify: whether the engine's certificate must be right.
    """

    ca: Path | None
    pair: tuple[Path, Path] | None
    verify: bool


class Socket(NamedTuple):
    """A socket of this host."""

    path: str

    def __str__(self) -> str:
        return f"unix://{self.path}"


class Tcp(NamedTuple):
    """A port, here or elsewhere."""

    host: str
    port: int
    tls: Tls | None

    def __str__(self) -> str:
        return f"tcp://{self.host}:{self.port}"


class ByProgram(NamedTuple):
    """Somewhere that only `docker` knows how to reach."""

    name: str

    def __str__(self) -> str:
        return self.name


Endpoint = Socket | Tcp | ByProgram


def settings(environ: Mapping[str, str]) -> Path:
    """The directory of the command's settings."""
    return Path(environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"))


def configured(environ: Mapping[str, str]) -> dict[str, Any]:
    """What ``config.json`` says; nothing where there is none, or it cannot be read: so the command has it."""
    try:
        found = json.loads((settings(environ) / "config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def find(environ: Mapping[str, str]) -> Endpoint:
    """Where the engine is, by the variables of the command's environment."""
    host = environ.get("DOCKER_HOST")
    if not host:
        context = environ.get("DOCKER_CONTEXT") or configured(environ).get("currentContext")
        if context and context != "default":
            return _of_context(environ, str(context))
    return _of_host(host or (DEFAULT if os.name == "posix" else "npipe://"), environ, _of_environ(environ))


def _of_context(environ: Mapping[str, str], name: str) -> Endpoint:
    """The endpoint of a context (``docker context inspect``); its files lie below the hash of its name."""
    place = settings(environ) / "contexts"
    key = hashlib.sha256(name.encode()).hexdigest()
    try:
        about = json.loads((place / "meta" / key / "meta.json").read_bytes())["Endpoints"]["docker"]
        host = str(about["Host"])
    except (OSError, ValueError, KeyError, TypeError):
        return ByProgram(f"the context {name}")
    folder = place / "tls" / key / "docker"
    skip = bool(about.get("SkipTLSVerify"))
    tls = _files(folder, verify=not skip) if skip or folder.is_dir() else None
    return _of_host(host, environ, tls)


def _of_environ(environ: Mapping[str, str]) -> Tls | None:
    """How `DOCKER_HOST` is secured; what the two variables are set to does not count."""
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not environ.get("DOCKER_TLS"):
        return None
    place = Path(environ.get("DOCKER_CERT_PATH") or settings(environ))
    # Where there is no `ca.pem` the command fails, and does not take whom this host trusts.
    return _files(place, verify=verify).model_copy(update={"ca": place / "ca.pem"})


def _files(folder: Path, *, verify: bool) -> Tls:
    ca, cert, key = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    return Tls(ca=ca if ca.exists() else None, pair=(cert, key) if cert.exists() else None, verify=verify)


def _of_host(host: str, environ: Mapping[str, str], tls: Tls | None) -> Endpoint:
    scheme, mark, rest = host.partition("://")
    if not mark:
        scheme, rest = "tcp", host
    if scheme == "unix" and rest.startswith("/"):
        return Socket(rest)
    try:
        parts = urlsplit(f"//{rest}")
        name, port = parts.hostname or "localhost", parts.port or (2376 if tls else 2375)
    except ValueError:
        return ByProgram(host)
    proxied = name not in _LOOPBACK and any(environ.get(variable) for variable in _PROXIES)
    if scheme not in _DIALLED or parts.path.strip("/") or proxied:
        return ByProgram(host)
    return Tcp(name, port, tls)
