"""A host to kill: Debian with systemd as process 1, in a container, with this checkout installed in it.

    with Machine.start() as host:
        host.write("/etc/fsm/fsm.toml", configuration)
        host.run("fsm", "update", "app")
        host.kill()                     # the power is gone
        host.boot()                     # and is back

What is real: systemd, its units, its journal; process ids that begin anew, /run and /tmp that are empty after a boot,
a boot id of its own for each boot; with `docker=True` an engine of its own, with its own containers, networks and
registry (127.0.0.1:5000), all of which die with the machine. It has no network but loopback.

What is not: `kill` ends every process of the machine at once, but the kernel stays, and with it the page cache. So a
kill shows what a process leaves behind that is ended at any instruction. Data that were written and not synced are lost
only with a disk of its own (`disk="ext4"`), on which then all lies that updates and the engine write; see
`tests.powercut.disk`.
"""

from __future__ import annotations

import io
import os
import random
import shlex
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from tests.hosts.engine import Engine, engine
from tests.hosts.home import BedError
from tests.hosts.rootfs import machine_image
from tests.powercut.disk import Disk, missing

REGISTRY: Final = "127.0.0.1:5000"
"""The registry of a machine that was started with `docker=True`, as that machine sees it."""

_OPTIONS: Final = (
    # What systemd wants: its own cgroups, mounts of its own. It is no privileged container: it has no devices.
    *("--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--cgroupns=host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
    *("--tmpfs", "/run", "--tmpfs", "/tmp:exec", "--network", "none", "--stop-signal", "SIGRTMIN+3"),
)

_DOCKER: Final = (
    # What an engine wants beyond that: bridges, forwarding, and a file system to put overlays on.
    *("--cap-add", "NET_ADMIN", "--security-opt", "systempaths=unconfined", "--sysctl", "net.ipv4.ip_forward=1"),
)

_ON_DISK: Final = ("/srv", "/var/lib/fsm", "/var/lib/docker")
"""What lies on a disk of its own."""

_MEBIBYTES: Final = 4096

_UNITS: Final = ("containerd.service", "docker.socket", "docker.service", "docker-registry.service")

_FINISHED: Final = frozenset({"running", "degraded", "maintenance"})
"""States of systemd in which the boot is over."""


class Machine:
    """One host.

    Args:
        docker: the engine it runs in.
        name: of its container.
        disk: what a power cut is to take from; None: nothing.
    """

    def __init__(self, docker: Engine, name: str, disk: Disk | None = None) -> None:
        self.engine = docker
        self.name = name
        self.disk = disk

    @classmethod
    def start(cls, word: str = "host", *, docker: bool = False, disk: str = "") -> Self:
        """Make a new machine and boot it.

        Args:
            word: part of its name.
            docker: whether it has a Docker engine of its own, and a registry.
            disk: the kind of file system (`tests.powercut.disk.KINDS`) that loses at a kill what was not synced.

        Raises:
            BedError: there can be none here, or it does not boot.
        """
        outer = engine()
        name = outer.name(word)
        made = cls(outer, name, _disk(name, disk) if disk else None)
        try:
            outer("create", "--name", name, "--hostname", word, *_OPTIONS, *made._volumes(docker), machine_image())
            made.boot()
            if docker:
                made.run("systemctl", "enable", "--now", *_UNITS, timeout=60)
        except BedError:
            made.remove()
            raise
        return made

    def _volumes(self, docker: bool) -> list[str]:
        if self.disk is None:
            return [*_DOCKER, "--volume", f"{self.name}:/var/lib/docker"] if docker else []
        options = list(_DOCKER) if docker else []
        for path in _ON_DISK:
            place = self.disk.mount / path.lstrip("/").replace("/", "-")
            place.mkdir(mode=0o755)
            options += ["--volume", f"{place}:{path}"]
        return options

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    # Power

    def kill(self, written: random.Random | None = None) -> None:
        """Take the power away: every process of the machine ends at once, and none sees another one end.

        Args:
            written: decides which files a disk of its own had written by then, although nobody had asked for it.

        `docker kill` alone ends systemd first. Within the milliseconds until the rest is gone an updater would see
        that its services cannot be asked any more, and begin to act upon it. So all are frozen, killed, and thawed.
        """
        ident = str(self.engine.inspect(self.name)["Id"])
        if self.engine.run("pause", self.name).returncode == 0:
            for pid in _processes_of(ident):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # Fails where nobody is left to be thawed.
            self.engine.run("unpause", self.name)
        self.engine.run("kill", self.name)
        self._until_off(20)
        if self.disk is not None:
            self.disk.cut(written)

    def boot(self, *, wait: bool = True) -> None:
        """Give it power.

        Args:
            wait: until systemd says that the boot is over.
        """
        self.engine("start", self.name)
        if wait:
            self.wait_ready()

    def reboot(self, *, wait: bool = True) -> None:
        """Reboot as an administrator does: every service is told to stop."""
        # The command's own connection may be gone before it could report.
        self.engine.run("exec", self.name, "systemctl", "reboot", timeout=30)
        self._until_off(60)
        self.boot(wait=wait)

    def is_on(self) -> bool:
        """Whether it has power."""
        return bool(self.engine.inspect(self.name)["State"]["Running"])

    def wait_ready(self, timeout: float = 60) -> str:
        """Wait until the boot is over.

        Returns:
            What systemd says of it: `running`, or `degraded` (`failed_units` has the reason).

        Raises:
            BedError: it is not over in time.
        """
        until = time.monotonic() + timeout
        state = ""
        while time.monotonic() < until:
            # With --wait it answers at the end of the boot, but fails where systemd does not listen yet.
            left = max(1.0, until - time.monotonic())
            with suppress(subprocess.TimeoutExpired):
                state = self.try_run("systemctl", "is-system-running", "--wait", timeout=left).stdout.strip()
            if state in _FINISHED:
                return state
            time.sleep(0.05)
        raise BedError(f"{self.name} does not boot in {timeout} s: {state or 'silence'}\n{self.journal(lines=40)}")

    def remove(self) -> None:
        """Remove the machine, whatever state it is in, and its disk."""
        self.engine.remove(self.name)
        if self.disk is not None:
            self.disk.__exit__(None, None, None)
            self.disk.mount.rmdir()

    def _until_off(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self.is_on():
            if time.monotonic() > until:
                raise BedError(f"{self.name} does not go down in {seconds} s")
            time.sleep(0.05)

    # Commands and files

    def try_run(
        self, *argv: str, timeout: float = 60, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine as root, whatever becomes of it."""
        pairs = [part for name, value in (env or {}).items() for part in ("--env", f"{name}={value}")]
        options = [*pairs, *(["--interactive"] if stdin is not None else [])]
        return self.engine.run("exec", *options, self.name, *argv, timeout=timeout, stdin=stdin)

    def run(
        self, *argv: str, timeout: float = 60, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Run a command in the machine as root, which must succeed.

        Returns:
            What it wrote to standard output, stripped.
        """
        done = self.try_run(*argv, timeout=timeout, stdin=stdin, env=env)
        if done.returncode != 0:
            tail = (done.stdout + done.stderr).strip()[-3000:]
            raise BedError(f"{shlex.join(argv)[:300]} ended with {done.returncode} in {self.name}: {tail}")
        return done.stdout.strip()

    def begin(self, *argv: str) -> subprocess.Popen[bytes]:
        """Begin a command in the machine; it ends at the latest with the machine. The caller waits for it."""
        command = ["docker", "exec", self.name, *argv]
        return subprocess.Popen(
            command,
            env=self.engine.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def write(self, path: str, data: bytes | str, *, mode: int = 0o644) -> None:
        """Write a file, with the directories above it."""
        self.write_files({path: data}, mode=mode)

    def write_files(self, files: Mapping[str, bytes | str], *, mode: int = 0o644) -> None:
        """Write several files at once, with the directories above them."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                member = tarfile.TarInfo(path.lstrip("/"))
                member.size, member.mode, member.mtime = len(data), mode, time.time()
                tar.addfile(member, io.BytesIO(data))
        self.run("tar", "-x", "-C", "/", "--no-overwrite-dir", stdin=buffer.getvalue())

    def put(self, folder: Path, path: str) -> None:
        """Copy a directory of this machine's host to a path in it."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.add(folder, path.lstrip("/"))
        self.run("tar", "-x", "-C", "/", "--no-overwrite-dir", "--same-owner", stdin=buffer.getvalue())

    def read(self, path: str) -> bytes:
        """The content of a file."""
        command = ["docker", "exec", self.name, "cat", path]
        done = subprocess.run(command, env=self.engine.environment, capture_output=True, timeout=60, check=False)
        if done.returncode != 0:
            raise BedError(f"cannot read {path} in {self.name}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def fetch(self, url: str, timeout: float = 5) -> str:
        """What a service in the machine answers, stripped; empty where nobody answers."""
        done = self.try_run("python3", "-S", "-c", _FETCH, url, str(timeout), timeout=timeout + 20)
        return done.stdout.strip() if done.returncode == 0 else ""

    # What it says

    def failed_units(self) -> list[str]:
        """The units that failed since the boot."""
        shown = self.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager")
        return [line.split()[0] for line in shown.splitlines()]

    def journal(self, *arguments: str, lines: int = 200) -> str:
        """The last lines of its journal, those of earlier boots too."""
        done = self.try_run("journalctl", "--no-pager", "--quiet", f"--lines={lines}", *arguments)
        return done.stdout + done.stderr

    def boot_id(self) -> str:
        """The id of this boot."""
        return self.run("cat", "/proc/sys/kernel/random/boot_id")


def _disk(name: str, kind: str) -> Disk:
    """A new one, mounted."""
    if why := missing(kind):
        raise BedError(f"no disk for {name}: {why}")
    place = Path(tempfile.mkdtemp(prefix="fsm-disk-", dir="/dev/shm"))
    return Disk(place, Path(tempfile.mkdtemp(prefix="fsm-powercut-", dir="/var/tmp")), kind, _MEBIBYTES).__enter__()


def _processes_of(ident: str) -> list[int]:
    """The processes of a container, as this machine numbers them; those of containers in it end with it."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and ident in (entry / "cgroup").read_text():
                found.append(int(entry.name))
    return found


_FETCH: Final = """\
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
with opener.open(sys.argv[1], timeout=float(sys.argv[2])) as answer:
    sys.stdout.buffer.write(answer.read())
"""
