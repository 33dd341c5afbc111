"""What the bed takes from Debian, where it is missing: the engine, the registry, busybox, and compose v2.

Bookworm has compose v1 only. Version 2 is Debian trixie's package, taken from the mirror that this machine's apt uses,
pinned by digest, and unpacked as a plugin of the docker command: nothing of it is installed in the system.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from tests.hosts.home import BedError, home, is_root, run, say

COMPOSE_VERSION: Final = "2.26.1"
_COMPOSE: Final = "pool/main/d/docker-compose/docker-compose_2.26.1-4_amd64.deb"
_COMPOSE_SHA256: Final = "47681197cb2b1ab88206b42a1a92fc75f50d9530a6322d03494a473eed0408ea"
_PLUGIN: Final = "usr/libexec/docker/cli-plugins/docker-compose"

_PLUGINS: Final = (Path("/usr/libexec/docker/cli-plugins"), Path("/usr/lib/docker/cli-plugins"))

_MIRROR: Final = re.compile(r"^(?:URIs:|deb\b.*?)\s*(https?://\S+/debian)/?(?:\s|$)", re.M)

_PACKAGE: Final = {
    "dockerd": "docker.io",
    "docker-registry": "docker-registry",
    "debootstrap": "debootstrap debian-archive-keyring",
    "busybox": "busybox-static",
    "minisign": "minisign",
}
"""For each program the packages that it takes."""

_FILE: Final = {"debootstrap": Path("/usr/share/keyrings/debian-archive-keyring.gpg")}
"""What a program needs beside itself; another system's debootstrap may come without Debian's keys."""

_QUIETLY: Final = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
"""No questions; and as in runlevel 1, so that no package starts its service: the bed starts its own."""


def need(*programs: str) -> None:
    """Install by apt-get what is missing of these programs. The bed's lock must be held.

    Raises:
        BedError: it cannot be installed here.
    """
    missing = [name for name in programs if shutil.which(name, path=_path()) is None or not _whole(name)]
    if not missing:
        return
    packages = [package for name in missing for package in _PACKAGE[name].split()]
    if not is_root() or shutil.which("apt-get") is None:
        raise BedError(f"{', '.join(missing)} not found, and only root on a Debian installs {' '.join(packages)}")
    say(f"installing {' '.join(packages)} by apt-get")
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    try:
        run(install, timeout=600, env=_QUIETLY)
    except BedError:
        # The lists of a fresh machine are absent or too old.
        run(["apt-get", "update", "-q"], timeout=300, env=_QUIETLY)
        run(install, timeout=600, env=_QUIETLY)


def _whole(name: str) -> bool:
    return name not in _FILE or _FILE[name].exists()


def program(name: str) -> str:
    """The path of an installed program; system directories count although PATH may lack them."""
    found = shutil.which(name, path=_path())
    if found is None:
        raise BedError(f"{name} not found")
    return found


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/bin", "/bin"])


@cache
def busybox() -> Path:
    """The path of a busybox that needs no library."""
    found = Path(program("busybox"))
    with found.open("rb") as file:
        if b"/ld-linux" in file.read(4096):
            raise BedError(f"{found} is linked dynamically; install busybox-static")
    return found


def compose_program() -> Path:
    """Compose v2 as a file: that of this machine where it has one, else a fetched one. The bed's lock must be held."""
    for folder in _PLUGINS:
        if (folder / "docker-compose").exists():
            return folder / "docker-compose"
    return compose_plugin() / "cli-plugins" / "docker-compose"


def compose_plugin() -> Path:
    """Compose v2 as a plugin of the docker command, fetched where it is missing. The bed's lock must be held.

    Returns:
        A directory for DOCKER_CONFIG.
    """
    config = home() / "docker-config"
    plugin = config / "cli-plugins" / "docker-compose"
    if plugin.exists():
        return config
    if platform.machine() != "x86_64" or not Path("/usr/lib/apt/apt-helper").exists():
        raise BedError("there is no compose v2 here; install the docker-compose-plugin")
    say(f"fetching compose {COMPOSE_VERSION} of Debian trixie")
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        package = Path(folder) / "compose.deb"
        fetch: list[str | Path] = ["/usr/lib/apt/apt-helper", "download-file", f"{mirror()}/{_COMPOSE}", package]
        run([*fetch, f"SHA256:{_COMPOSE_SHA256}"], timeout=300)
        run(["dpkg-deb", "--extract", package, f"{folder}/tree"])
        plugin.parent.mkdir(parents=True, exist_ok=True)
        (Path(folder) / "tree" / _PLUGIN).rename(plugin)
    return config


def mirror(apt: Path = Path("/etc/apt")) -> str:
    """The address of the Debian mirror that this machine's apt uses."""
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if path.is_file() and (found := _MIRROR.search(path.read_text(encoding="utf-8", errors="replace"))):
            return found[1]
    raise BedError("apt on this machine knows no Debian mirror")
