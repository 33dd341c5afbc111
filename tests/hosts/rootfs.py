"""Images of a Debian host: the system by debootstrap, on it the requirements, on it this checkout's wheel.

Each is made once, kept by the engine, outside of every checkout, and named by a hash of what makes it: another recipe,
other requirements or other sources are another image. So the first session takes two minutes, the next one none, and
one after a change of the sources some seconds.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from tests.hosts.engine import Engine, engine
from tests.hosts.home import BedError, changing, home, is_root, run, say
from tests.hosts.packages import compose_program, mirror, need, program

ROOT: Final = Path(__file__).resolve().parents[2]
_PINS: Final = ROOT / "requirements" / "runtime.txt"
_REPOSITORY: Final = "fsm-hosts"
_SUITE: Final = "bookworm"
_DAY: Final = 24 * 3600.0
_KEPT_FOR: Final = {"machine": _DAY, "requirements": 14 * _DAY, "host": 14 * _DAY, "debian": 14 * _DAY}
"""Seconds that images are kept which other sources, requirements or recipes than ours have made; latest first."""

_PACKAGES: Final = (
    *("systemd", "systemd-sysv", "dbus", "python3", "python3-venv", "procps", "iproute2", "ca-certificates"),
    *("git", "docker.io", "docker-registry", "iptables"),
)

_INIT: Final = """\
#!/bin/sh
# Containers share their kernel's boot id; a machine has one of its own for each boot.
cat /proc/sys/kernel/random/uuid > /run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
exec /sbin/init
"""

_CLEAN: Final = "rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/* usr/share/doc usr/share/man usr/share/locale"

_REGISTRY: Final = """\
version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/docker-registry}}
http: {addr: "127.0.0.1:5000"}
"""

_SETTLE: Final = """\
set -e
chmod 755 /sbin/fsm-init
# The journal is kept over a kill, for whoever looks into a failure.
mkdir -p /var/log/journal
: > /etc/machine-id
systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \\
  fstrim.timer getty.target systemd-logind.service
# A machine that wants an engine enables it: booting one takes a second.
systemctl disable docker.service docker.socket containerd.service docker-registry.service
"""

_HOST: Final = """\
FROM {base}
COPY fsm-init /sbin/fsm-init
COPY docker-compose /usr/libexec/docker/cli-plugins/docker-compose
COPY registry.yml /etc/docker/registry/config.yml
COPY settle /opt/settle
RUN sh /opt/settle
ENV container=docker LANG=C.UTF-8
CMD ["/sbin/fsm-init"]
"""

_REQUIREMENTS: Final = """\
FROM {base}
COPY wheels /opt/wheels
COPY runtime.txt /opt/runtime.txt
RUN python3 -m venv /opt/fsm && /opt/fsm/bin/pip install --quiet --disable-pip-version-check --no-index --no-deps \\
    --require-hashes --find-links /opt/wheels -r /opt/runtime.txt
"""

_PROJECT: Final = """\
FROM {base}
COPY wheel /opt/wheel
RUN /opt/fsm/bin/pip install --quiet --disable-pip-version-check --no-index --no-deps /opt/wheel/*.whl \\
    && ln -s /opt/fsm/bin/fsm /usr/local/bin/fsm
"""


@cache
def machine_image() -> str:
    """The image of a host on which this checkout is installed.

    Raises:
        BedError: it cannot be made here; the message says why.
    """
    docker = engine()
    with changing():
        debian = _made(docker, "debian", [_CLEAN, *_PACKAGES, _SUITE], _debootstrap)
        base = _made(docker, "host", [debian, _INIT, _REGISTRY, _SETTLE, _HOST], lambda tag: _host(tag, debian))
        pins = _PINS.read_text()
        layer = _made(docker, "requirements", [base, _REQUIREMENTS, pins], lambda tag: _requirements(tag, base))
        made = _made(docker, "machine", [layer, _PROJECT, *_sources()], lambda tag: _project(tag, layer))
        _forget_old(docker, {debian, base, layer, made})
    return made


def _made(docker: Engine, kind: str, recipe: Iterable[str], make: Callable[[str], None]) -> str:
    """The image of this recipe, made where it is missing."""
    digest = hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]
    tag = f"{_REPOSITORY}/{kind}:{digest}"
    if docker.run("image", "inspect", tag).returncode != 0:
        began = time.monotonic()
        make(tag)
        say(f"made {tag} in {time.monotonic() - began:.0f} s")
    return tag


def _debootstrap(tag: str) -> None:
    """A Debian with systemd, Python, git and Docker."""
    if not is_root():
        raise BedError("only root makes a root file system")
    need("debootstrap")
    say(f"making a Debian {_SUITE} by debootstrap: a minute or two")
    try:
        source = [mirror()]
    except BedError:
        source = []  # debootstrap knows the usual one
    # Not in /tmp, which may be mounted without devices.
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        root = Path(folder) / "root"
        include = f"--include={','.join(_PACKAGES)}"
        run([program("debootstrap"), "--variant=minbase", include, _SUITE, root, *source], timeout=900)
        run(["sh", "-c", _CLEAN], cwd=root)
        _import(root, tag)


def _import(root: Path, tag: str) -> None:
    docker = engine()
    command = ["docker", "import", "-", tag]
    with subprocess.Popen(["tar", "--create", "--one-file-system", "."], cwd=root, stdout=subprocess.PIPE) as packed:
        done = subprocess.run(
            command, stdin=packed.stdout, capture_output=True, env=docker.environment, check=False, timeout=300
        )
    if packed.returncode != 0 or done.returncode != 0:
        raise BedError(f"cannot import {root} as {tag}: {done.stderr.decode(errors='replace').strip()}")


def _host(tag: str, base: str) -> None:
    """The Debian as a machine boots it."""
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        context = Path(folder)
        shutil.copy2(compose_program(), context / "docker-compose")
        for name, text in (("fsm-init", _INIT), ("registry.yml", _REGISTRY), ("settle", _SETTLE)):
            (context / name).write_text(text)
        _build(context, _HOST.format(base=base), tag)


def _requirements(tag: str, base: str) -> None:
    """What the project needs at run time, pinned by hash, in an environment of its own."""
    if sys.version_info[:2] != (3, 11):
        raise BedError(f"a machine has Python 3.11, so it wants wheels for that; this is {sys.version.split()[0]}")
    say("fetching the wheels of requirements/runtime.txt")
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        context = Path(folder)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        run(
            [*pip, "--require-hashes", "--only-binary=:all:", f"--requirement={_PINS}", f"--dest={context}/wheels"],
            timeout=600,
        )
        shutil.copy(_PINS, context)
        _build(context, _REQUIREMENTS.format(base=base), tag)


def _project(tag: str, base: str) -> None:
    """This checkout, as a wheel installs it."""
    say("installing this checkout's wheel")
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        context = Path(folder)
        hatch = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(context / "wheel")]
        run(hatch, timeout=120, cwd=ROOT)
        _build(context, _PROJECT.format(base=base), tag)


def _build(context: Path, dockerfile: str, tag: str) -> None:
    (context / "Dockerfile").write_text(dockerfile)
    engine()("build", "--quiet", "--network", "none", "--tag", tag, context, timeout=300)


def _sources() -> list[str]:
    """Everything that the wheel is made from."""
    files = [ROOT / "pyproject.toml", ROOT / "README.md"]
    for tree in ("fsm", "components"):
        files += sorted(path for path in (ROOT / tree).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]


def _forget_old(docker: Engine, ours: set[str]) -> None:
    """Remove what other sources made long ago. One that is in use stays, the engine sees to it."""
    for kind, seconds in _KEPT_FOR.items():
        shape = ["--format", "{{.Repository}}:{{.Tag}}", f"{_REPOSITORY}/{kind}"]
        for tag in set(docker("image", "ls", *shape).splitlines()) - ours:
            made = datetime.fromisoformat(docker.inspect(tag)["Created"][:19] + "+00:00")
            if time.time() - made.timestamp() > seconds:
                docker.run("image", "rm", tag)


@cache
def missing() -> str:
    """Why there can be no machine here; nothing where there can be one, which is then made ready."""
    try:
        machine_image()
    except BedError as error:
        return str(error)
    return ""
