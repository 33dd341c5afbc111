"""Processes that the bed starts by hand: a Docker engine with directories of its own, and a registry on loopback.

One engine at a time: two on one machine flush each other's firewall rules. So an engine that answers already is used,
whoever it belongs to, and only else one is started. All functions want the bed's lock to be held.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from fsm.system.processes import alive
from tests.hosts.home import BedError, home, is_root, read_identity, run, say, write_identity
from tests.hosts.packages import need, program

_REGISTRY: Final = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""

_PORTS: Final = range(5181, 5200)


def answers(env: dict[str, str]) -> bool:
    """Whether a Docker engine answers the docker command in this environment."""
    try:
        # The CLI succeeds here only when it has asked the server.
        run(["docker", "version", "--format", "{{.Server.Version}}"], env=env, timeout=20)
    except BedError:
        return False
    return True


def engine_socket() -> Path:
    """Where our engine listens."""
    return home() / "docker.sock"


def start_engine() -> None:
    """Start our own engine, and wait until it answers; nothing where it does already."""
    env = {"DOCKER_HOST": f"unix://{engine_socket()}"}
    if engine_socket().exists() and answers(env):
        return
    if not is_root():
        raise BedError("no Docker engine answers, and only root starts one")
    need("dockerd")
    _end(home() / "dockerd.identity")
    # Where overlayfs does not work, on top of another overlayfs for one, plain copies do.
    for driver in ([], ["--storage-driver", "vfs"]):
        say(f"starting dockerd in {home()}{' with the driver vfs' if driver else ''}")
        with suppress(FileNotFoundError):
            (home() / "dockerd.pid").unlink()
        if _start("dockerd", [program("dockerd"), *_options(), *driver], lambda: answers(env), seconds=40):
            return
    raise BedError(f"dockerd does not start: {_tail(home() / 'dockerd.log')}")


def _options() -> list[str]:
    root = home()
    options = [f"--data-root={root}/data", f"--exec-root={root}/exec", f"--pidfile={root}/dockerd.pid"]
    # Small networks, many of them: each compose project of a test takes one.
    pool = "--default-address-pool=base=10.213.0.0/16,size=26"
    return [*options, pool, f"--host=unix://{root}/docker.sock", "--log-level=warn", "--shutdown-timeout=5"]


def stop_engine() -> None:
    """Stop our own engine, with its containers; nothing where it does not run."""
    _end(home() / "dockerd.identity")


def start_registry() -> str:
    """Start a registry on loopback; nothing where ours runs already.

    Returns:
        Its address, host and port.
    """
    need("docker-registry")
    port_file = home() / "registry.port"
    if read_identity(home() / "docker-registry.identity") and port_file.exists():
        address = f"127.0.0.1:{port_file.read_text()}"
        if _registry_answers(address):
            return address
    _end(home() / "docker-registry.identity")
    port = next((port for port in _PORTS if _is_free(port)), 0)
    if not port:
        raise BedError(f"no port of {_PORTS} is free for a registry")
    config = home() / "registry.yml"
    config.write_text(_REGISTRY.format(root=home() / "registry", port=port))
    port_file.write_text(str(port))
    # What earlier sessions pushed is of no use to this one.
    shutil.rmtree(home() / "registry", ignore_errors=True)
    address = f"127.0.0.1:{port}"
    say(f"starting a registry at {address}")
    command = [program("docker-registry"), "serve", str(config)]
    if not _start("docker-registry", command, lambda: _registry_answers(address), seconds=20):
        raise BedError(f"the registry does not start: {_tail(home() / 'docker-registry.log')}")
    return address


def stop_registry() -> None:
    """Stop our registry; nothing where it does not run."""
    _end(home() / "docker-registry.identity")


def _registry_answers(address: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}/v2/", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            one.bind(("127.0.0.1", port))
            return True
    return False


def _start(name: str, command: Sequence[str], ready: Callable[[], bool], *, seconds: float) -> bool:
    """Start a daemon that outlives us, and wait until it is ready."""
    with (home() / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=home()
        )
    write_identity(home() / f"{name}.identity", child.pid)
    until = time.monotonic() + seconds
    while time.monotonic() < until and child.poll() is None:
        if ready():
            # It is not ours to wait for any more: it lives on when we end.
            child.returncode = 0
            return True
        time.sleep(0.1)
    _end(home() / f"{name}.identity")
    with suppress(subprocess.TimeoutExpired):
        child.wait(5)
    return False


def _end(identity: Path) -> None:
    """End a process that we once started, by TERM, then by KILL."""
    who = read_identity(identity)
    for number, seconds in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)):
        if who is None or not alive(who):
            break
        with suppress(ProcessLookupError):
            os.kill(who.pid, number)
        until = time.monotonic() + seconds
        while alive(who) and time.monotonic() < until:
            time.sleep(0.05)
    identity.unlink(missing_ok=True)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:]
