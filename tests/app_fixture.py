"""A test fixture for Python apps: tiny releases, a configuration, a service that answers, and an end for all of it.

The app is as small as an app can be and still prove what the updater promises: it reads its version when it starts,
and tells it to everybody who connects to an abstract Unix socket. Such a socket can be bound once and dies with its
process, as a port does, so a copy that was forgotten makes the next one fail. What else a release does is decided by
empty files in it (`Trait`), so that a broken release differs from a good one by one file.

    fixture = AppFixture(tmp_path)
    app_fixture.install("1.0.0")
    app_fixture.start()
    app_fixture.publish("1.1.0")
    assert app_fixture.updater().update("app").outcome == "done"
    assert app_fixture.answer() == "1.1.0"
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, Self

from fsm.adapter import CommandResult, Registry
from fsm.engine.progress import Observer
from fsm.services import ServiceManager, open_service
from fsm.system.processes import Identity, identify
from fsm.updater import Updater
from tests.ports import is_free

Kind = Literal["tar.gz", "tar.xz", "tar.bz2", "tar.zst", "tar", "zip"]
Trait = Literal["BROKEN", "CRASHES", "STUBBORN", "WRITES", "DIES", "RESTLESS"]
"""What a release does: fails its check, exits at once, ignores TERM, writes files, exits after a moment, has files of
its data come and go all the time."""

LONG_AGO: Final = 1_234_567_890.123456789
"""Time of modification of what a user wrote: with a fraction, which a careless copy loses."""

SERVE: Final = b"""\
import os, sys, time
import _signal, _socket

with open("VERSION") as file:
    version = file.read().strip()
if os.path.exists("CRASHES"):
    sys.exit("this release crashes")
if os.path.exists("STUBBORN"):
    _signal.signal(_signal.SIGTERM, _signal.SIG_IGN)
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
server.bind("\\0" + sys.argv[1])
if os.path.exists("WRITES"):
    os.makedirs("data", exist_ok=True)
    with open("data/log", "ab") as file:
        file.write(b"written by " + version.encode() + b"\\r\\n")
        file.flush()
        os.fsync(file.fileno())
    with open("made-by-" + version, "w") as file:
        file.write("new")
        file.flush()
        os.fsync(file.fileno())
server.listen(16)
if os.path.exists("RESTLESS"):
    import itertools, _thread

    def churn():
        for number in itertools.count():
            with open("data/journal-%d" % (number % 7), "wb") as file:
                file.write(bytes(number % 5000))
            try:
                os.unlink("data/journal-%d" % ((number + 3) % 7))
            except FileNotFoundError:
                pass
            with open("data/log", "wb") as file:
                file.write(b"line\\n" * (number % 50))

    _thread.start_new_thread(churn, ())
if os.path.exists("DIES"):
    time.sleep(0.15)
    sys.exit("this release dies")
while True:
    client = server._accept()[0]
    os.write(client, version.encode())
    os.close(client)
"""

ASK: Final = b"""\
import _socket, os, sys, time

for _ in range(500):
    client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        client.connect("\\0" + sys.argv[1])
        answer = client.recv(100).decode()
        break
    except OSError:
        time.sleep(0.01)
else:
    sys.exit("nobody answers")
with open("VERSION") as file:
    wanted = file.read().strip()
if answer != wanted:
    sys.exit(f"{answer} answers, not {wanted}")
if os.path.exists("BROKEN"):
    sys.exit("this release is broken")
"""


class AppFixture:
    """One host with one Python app.

    Args:
        root: an empty directory, or that of an earlier fixture with the same arguments.
        fsm: keys of the configuration's table ``[fsm]``.
        service: keys of the service that differ, or a whole other service where it has a `manager`.
        spec: keys of the component's table that are added or differ.

    In what is configured, ``{root}``, ``{live}`` and ``{socket}`` stand for the fixture's own.
    """

    name: Final = "app"
    registry: Registry | None = None

    def __init__(
        self, root: Path, *, fsm: Mapping[str, Any] | None = None, service: Mapping[str, Any] | None = None, **spec: Any
    ) -> None:
        self.root = root
        self.live = root / "app"
        self.work = root / ".app.fsm"
        self.state = root / "state"
        self.releases = root / "releases"
        self.socket = f"fsm-app_fixture-{hashlib.sha256(os.fsencode(root)).hexdigest()[:20]}"
        self.releases.mkdir(parents=True, exist_ok=True)
        self._ask = root / "ask.py"
        if not self._ask.exists():
            self._ask.write_bytes(ASK)
        self._fsm, self._service, self._spec = dict(fsm or {}), dict(service or {}), spec

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    # What is published and installed

    def files(self, version: str, *traits: Trait) -> dict[str, bytes]:
        """What a release of the app consists of."""
        files = {
            "VERSION": f"{version}\n".encode(),
            "serve.py": SERVE,
            "lib/names.txt": f"names of {version}\n".encode(),
            "lib/same.txt": b"the same in every release\n",
        }
        return files | dict.fromkeys(traits, b"")

    def publish(
        self,
        version: str,
        *traits: Trait,
        kind: Kind = "tar.gz",
        top: bool = True,
        extra: Mapping[str, bytes] | None = None,
        manifest: str | None = None,
    ) -> Path:
        """Publish a release of the app.

        Args:
            version: its version.
            traits: what it does.
            kind: of its archive.
            top: whether the archive has one top-level directory.
            extra: further files, or other content for the usual ones.
            manifest: lines for its manifest; None: it has none, but SHA256SUMS.

        Returns:
            The archive.
        """
        prefix = f"app-{version}/" if top else ""
        files = {prefix + name: data for name, data in {**self.files(version, *traits), **(extra or {})}.items()}
        return self.publish_file(version, f"app-{version}.{kind}", pack(files, kind), manifest=manifest)

    def publish_file(self, version: str, name: str, data: bytes, *, manifest: str | None = None) -> Path:
        """Publish a release that consists of one file."""
        folder = self.releases / version
        staged = self.releases / f".{version}.new"
        staged.mkdir()
        (staged / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        if manifest is None:
            (staged / "SHA256SUMS").write_text(f"{digest}  {name}\n")
        else:
            entry = f'{{name: {name}, size: {len(data)}, sha256: "sha256:{digest}"}}'
            head = f'version: "{version}"\nartifacts:\n  - {entry}\n'
            (staged / "update-manifest.yaml").write_text(head + manifest)
        staged.rename(folder)
        return folder / name

    def install(self, version: str, *traits: Trait) -> None:
        """Put the app where it is, by hand, as people have it."""
        for name, data in self.files(version, *traits).items():
            path = self.live / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def furnish(self) -> None:
        """What users add: settings, data, a link, a directory of their own, and a file that nobody accounts for."""
        write(self.live / ".env", b"SECRET=1\r\nOTHER=2\r\n", mode=0o600)
        write(self.live / "data/log", b"first line\r\n", mode=0o640)
        write(self.live / "data/deep/er/blob", bytes(range(256)))
        (self.live / "data/empty").mkdir(mode=0o750)
        (self.live / "data/latest").symlink_to("deep/er/blob")
        (self.live / "data/dangling").symlink_to("/nowhere/at/all")
        write(self.live / "local.txt", b"nobody knows of this file\n")
        if os.geteuid() == 0:
            os.chown(self.live / ".env", 1234, 2345)
            os.chown(self.live / "data/latest", 1234, 2345, follow_symlinks=False)
        (self.live / "data").chmod(0o750)
        os.utime(self.live / "data/deep", (LONG_AGO, LONG_AGO))

    # The updater

    @property
    def config(self) -> dict[str, Any]:
        """The configuration, as `fsm.toml` would give it."""
        whole = {
            "fsm": {"state_dir": str(self.state), **self._fsm},
            "components": {self.name: {**self._table(), **self._spec}},
        }
        text = json.dumps(whole)
        for word, value in (("{root}", self.root), ("{live}", self.live), ("{socket}", self.socket)):
            text = text.replace(word, str(value))
        made: dict[str, Any] = json.loads(text)
        return made

    def _table(self) -> dict[str, Any]:
        """What the component's table has unless a test says otherwise."""
        return {
            "type": "python_app",
            "install_path": str(self.live),
            "source": {"type": "directory", "allow_unsigned": True, "path": str(self.releases)},
            "service": self._service if "manager" in self._service else self._process(),
            "preserve": [".env", "data/", "config/*.local"],
            "settle_seconds": 0.05,
            "reserve_mb": 1,
            "post_checks": [{"type": "command", "argv": self.ask_argv, "timeout_seconds": 20}],
        }

    @property
    def ask_argv(self) -> list[str]:
        """A command that asks the service for its version, and compares it with the file."""
        return [sys.executable, "-S", "-I", str(self._ask), self.socket]

    def _process(self) -> dict[str, Any]:
        command = [sys.executable, "-S", "-I", "serve.py", self.socket]
        return {"manager": "process", "command": command, "cwd": str(self.live), "stop_timeout": 5.0, **self._service}

    def updater(self, *, observers: Sequence[Observer] = (), registry: Registry | None = None) -> Updater:
        """A new updater, as a new process would make it."""
        return Updater.from_data(self.config, observers=observers, registry=registry or self.registry)

    # The service

    def manager(self) -> ServiceManager:
        """What starts and stops the app."""
        component = self.updater().config.component(self.name)
        spec: Any = component.spec
        return open_service(spec.service, name=self.name, state_dir=self.state)

    def start(self) -> None:
        """Start the app, and wait until it answers."""
        self.manager().start(_Patient())
        assert self.answer() is not None

    def stop(self) -> None:
        """Stop the app."""
        self.manager().stop(_Patient())

    def answer(self, timeout: float = 5.0) -> str | None:
        """The version that the running app tells; None when nobody answers for `timeout` seconds."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client, suppress(OSError):
                client.settimeout(timeout)
                client.connect("\0" + self.socket)
                return client.recv(100).decode() or None
            time.sleep(0.01)
        return None

    def silent(self) -> bool:
        """Whether nobody answers now."""
        return self.answer(0.02) is None

    def processes(self) -> list[Identity]:
        """The living processes that belong to the app, found by what they were called with."""
        wanted = os.fsencode(self.socket)
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                with suppress(OSError):
                    if wanted in Path(f"/proc/{name}/cmdline").read_bytes() and (who := identify(int(name))):
                        found.append(who)
        return found

    def kill(self) -> None:
        """End everything that still runs, whatever it is."""
        until = time.monotonic() + 5
        # What ends has lost its variables, by which it is found, before it no longer listens.
        while ((found := self.processes()) or not is_free(self.socket)) and time.monotonic() < until:
            for who in found:
                with suppress(ProcessLookupError):
                    os.kill(who.pid, signal.SIGKILL)
            time.sleep(0.005)

    def version(self) -> str | None:
        """What the app's version file says."""
        try:
            return (self.live / "VERSION").read_text().strip()
        except FileNotFoundError:
            return None


class _Patient:
    """The part of a step's context that a process manager uses: nobody asks to stop."""

    def check(self) -> None:
        """Go on."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        as_user: bool = False,
    ) -> CommandResult:
        """Run a command of a `command` service; what it leaves in the background may keep the output open."""
        with tempfile.TemporaryFile() as output:
            environ = {**os.environ, **(env or {})}
            done = subprocess.run(argv, cwd=cwd, env=environ, stdout=output, stderr=output, timeout=30, check=False)
            output.seek(0)
            return CommandResult(code=done.returncode, tail=output.read().decode(errors="replace"))


def write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file as if long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    nanoseconds = int(LONG_AGO) * 10**9 + 123_456_789
    os.utime(path, ns=(nanoseconds, nanoseconds))


def pack(files: Mapping[str, bytes], kind: Kind) -> bytes:
    """An archive with these files."""
    if kind == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in files.items():
                packed.writestr(zipfile.ZipInfo(name, (2024, 1, 2, 3, 4, 6)), data)
        return buffer.getvalue()
    buffer = io.BytesIO()
    mode: Any = {"tar.gz": "w:gz", "tar.xz": "w:xz", "tar.bz2": "w:bz2"}.get(kind, "w:")
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(data), 0o644, 1_700_000_000
            tar.addfile(member, io.BytesIO(data))
    if kind == "tar.zst":
        from backports import zstd

        return zstd.compress(buffer.getvalue())
    return buffer.getvalue()


def wheel(name: str, version: str, modules: Mapping[str, bytes], requires: Sequence[str] = ()) -> bytes:
    """A wheel, made by hand: a zip file with three notes.

    Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        **modules,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: app_fixture\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in files) + f"{info}/RECORD,,\n"
    return pack({**files, f"{info}/RECORD": record.encode()}, "zip")
