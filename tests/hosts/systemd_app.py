"""An app that is a unit of systemd, on a machine of the test bed, with releases that are good, broken, or crash.

It is the app of `tests.app_fixture`, which reads its version when it starts and tells it to whoever connects; so the
answer is the version that runs, not the one that lies on the disk.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.app_fixture import ASK, SERVE, Trait, pack
from tests.hosts.machine import Machine

SOCKET: Final = "app"
ENV: Final = b"SECRET=1\r\nOTHER=2\r\n"

UNIT: Final = """\
[Unit]
Description=The app
[Service]
ExecStart=/usr/bin/python3 -S -I serve.py app
WorkingDirectory=/srv/app
Restart=always
RestartSec=100ms
[Install]
WantedBy={target}
"""

CONFIG: Final = """\
[components.app]
type = "python_app"
install_path = "/srv/app"
preserve = [".env", "data/"]
settle_seconds = 0.5
version = {{ file = "VERSION" }}
source = {source}
service = {service}
{more}
[[components.app.post_checks]]
type = "command"
argv = ["/usr/bin/python3", "-S", "-I", "/srv/ask.py", "app"]
"""

FREEZE: Final = """\
# Updates the app, and stands still at a fault point, for the n-th time that it is reached.
import os, sys, time
from fsm.system import faults
from fsm.updater import Updater

left = int(sys.argv[2])

def reached(name):
    global left
    if name == sys.argv[1]:
        left -= 1
        if left == 0:
            open("/run/frozen" if os.geteuid() == 0 else "/tmp/frozen", "w").close()
            time.sleep(600)

faults.install(reached)
getattr(Updater.from_config(), sys.argv[3])(sys.argv[4])
"""


class SystemdApp:
    """The app on a host.

    Args:
        host: the machine; whatever it had of an app before is taken away.
        source, service: of the configuration, as TOML.
        more: further keys of the component.
    """

    def __init__(
        self,
        host: Machine,
        *,
        source: str = '{ type = "directory", allow_unsigned = true, path = "/srv/releases" }',
        service: str = '{ manager = "systemd", unit = "app" }',
        more: str = "",
    ) -> None:
        self.host = host
        host.try_run("systemctl", "disable", "--now", "app.service", "fsm-resume.service", "fsm-check.timer")
        host.try_run("systemctl", "reset-failed")
        units = "/etc/systemd/system/app.service.d $(find /etc/systemd/system -name 'fsm-*')"
        host.run("sh", "-c", f"rm -rf /srv/* /srv/.[a-z]* /var/lib/fsm /run/frozen {units}")
        host.write_files(
            {
                "/etc/fsm/fsm.toml": CONFIG.format(source=source, service=service, more=more),
                "/etc/systemd/system/app.service": UNIT.format(target="multi-user.target"),
                "/srv/ask.py": ASK,
                "/srv/freeze.py": FREEZE,
            }
        )
        host.run("systemctl", "daemon-reload")

    def install(self, version: str, *, start: bool = True) -> None:
        """Put a version where it is, by hand, with files of its user."""
        self.host.write_files({f"/srv/app/{name}": data for name, data in release(version).items()})
        self.host.write("/srv/app/.env", ENV, mode=0o600)
        self.host.write("/srv/app/data/log", b"first line\r\n")
        if start:
            self.host.run("systemctl", "enable", "--now", "app.service")
            self.answers(version)

    def publish(self, version: str, *traits: Trait, extra: Mapping[str, bytes] | None = None) -> None:
        """Publish a release."""
        data = pack(release(version, *traits) | dict(extra or {}), "tar.gz")
        name = f"app-{version}.tar.gz"
        folder = f"/srv/releases/{version}"
        sums = f"{hashlib.sha256(data).hexdigest()}  {name}\n"
        self.host.write_files({f"{folder}/{name}": data, f"{folder}/SHA256SUMS": sums})

    def fsm(self, *arguments: str, code: int = 0, timeout: float = 90) -> str:
        """Run `fsm`, which must end with that exit code; returns all that it wrote."""
        done = self.host.try_run("fsm", *arguments, timeout=timeout)
        assert done.returncode == code, f"fsm {arguments} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def last(self) -> dict[str, Any]:
        """The newest run, as `fsm history` tells it."""
        found: list[dict[str, Any]] = json.loads(self.host.run("fsm", "history", "--json"))["results"]
        return found[0]

    def answer(self) -> str:
        """The version that runs; empty where nothing does."""
        code = 'import socket; s = socket.socket(socket.AF_UNIX); s.connect("\\0app"); print(s.recv(99).decode())'
        done = self.host.try_run("python3", "-S", "-c", code)
        return done.stdout.strip()

    def answers(self, version: str, seconds: float = 20) -> None:
        """Wait until that version answers."""
        wait_for(lambda: self.answer() == version, seconds, lambda: f"{self.answer()!r} answers, not {version}")

    def show(self, name: str, unit: str = "app.service") -> str:
        """A property of a unit."""
        return self.host.run("systemctl", "show", f"--property={name}", "--value", unit)

    def freeze(self, point: str, times: int = 1, *, name: str = "app") -> None:
        """Begin an update that stands still at a fault point, and wait until it does."""
        begun = self.host.begin("/opt/fsm/bin/python", "/srv/freeze.py", point, str(times), "update", name)
        try:
            wait_for(
                lambda: begun.poll() is not None or self.host.try_run("test", "-e", "/run/frozen").returncode == 0,
                60,
                lambda: f"{point} was not reached",
            )
            running = begun.poll() is None
        finally:
            self._begun = begun
        assert running, f"{point} was not reached: {self.ended()}"

    def ended(self) -> str:
        """What the frozen update wrote, once it was killed."""
        return str(self._begun.communicate(timeout=30)[0].decode(errors="replace")[-2000:])

    def power_cut(self) -> None:
        """Kill the machine, and boot it."""
        self.host.kill()
        self.ended()
        self.host.boot()

    def settled(self, seconds: float = 60) -> dict[str, Any]:
        """Wait until fsm-resume is over in this boot; returns the newest run."""
        wait_for(
            lambda: self.show("ActiveState", "fsm-resume.service") in ("inactive", "failed"),
            seconds,
            lambda: self.host.journal("-u", "fsm-resume.service", lines=30),
        )
        return self.last()

    def judge(self, version: str, outcome: str, last: dict[str, Any] | None = None) -> None:
        """Everything that must be true at the end: state, files, one process, its version, preserved files."""
        last = last or self.last()
        assert last["outcome"] == outcome, last
        assert self.host.run("cat", "/srv/app/VERSION") == version
        self.answers(version)
        assert self.host.read("/srv/app/.env") == ENV
        assert self.host.run("stat", "-c", "%a", "/srv/app/.env") == "600"
        assert self.host.read("/srv/app/data/log").startswith(b"first line\r\n")
        assert self.host.run("pgrep", "-fc", "serve.py app$") == "1"
        assert self.show("ActiveState") == "active"


def release(version: str, *traits: Trait) -> dict[str, bytes]:
    """What a release consists of."""
    return {"VERSION": f"{version}\n".encode(), "serve.py": SERVE, **dict.fromkeys(traits, b"")}


def wait_for(condition: Callable[[], object], seconds: float, otherwise: Callable[[], str]) -> None:
    """Wait until something is true, but not longer."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, otherwise()
        time.sleep(0.1)
