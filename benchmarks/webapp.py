"""The demo app of `examples/webapp` as the benchmarks install it: with a few real dependencies, under `fsm`.

The releases are made here, offline and byte for byte the same each time. Beside the demo app's own `greeting` they
bring four pure wheels with about as many modules and bytes as Flask, Werkzeug, Jinja2 and Click have; every release has
new versions of all four. The app itself does not import those four: so its start stays as short as it is, and
whatever an update adds to the downtime weighs as much as it can.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.rig import BareContext, child, environment, fsm
from examples.webapp import release
from fsm.host.config import load
from fsm.services import ServiceManager, open_service
from tests.ports import free_port

DEPENDENCIES: Final = {
    "framework": (24, 9000),
    "toolkit": (52, 8000),
    "templates": (25, 15000),
    "commands": (16, 20000),
}
"""Modules, and bytes of each, of Flask 3.1, Werkzeug 3.1, Jinja2 3.1 and Click 8.2, roundly."""

CONFIG: Final = """\
[fsm]
state_dir = {state}

[components.web]
type = "python_app"
install_path = {live}
preserve = ["data/", ".env"]
settle_seconds = 0.3

[components.web.source]
type = "directory"
allow_unsigned = true
path = {releases}

[components.web.service]
manager = "process"
command = [".venv/bin/python", "app.py"]
cwd = {live}
env = {{ PORT = "{port}" }}
"""


@dataclass(frozen=True)
class Site:
    """One host with the app on it.

    Attributes:
        place: the directory of everything.
        port: where the app listens.
        light: whether its dependencies are of one module each.
    """

    place: Path
    port: int
    light: bool = False

    @classmethod
    def made(cls, place: Path, *, light: bool) -> Site:
        """A host that is configured, on a port of its own; nothing is published or installed."""
        site = cls(place, free_port(), light)
        site.place.mkdir(parents=True)
        paths = {name: json.dumps(str(getattr(site, name))) for name in ("state", "live", "releases")}
        site.config.write_text(CONFIG.format(port=site.port, **paths), encoding="utf-8")
        return site

    @property
    def config(self) -> Path:
        """The host's `fsm.toml`."""
        return self.place / "fsm.toml"

    @property
    def live(self) -> Path:
        """The app's directory."""
        return self.place / "web"

    @property
    def releases(self) -> Path:
        """The source."""
        return self.place / "releases"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.place / "state"

    def publish(self, number: int) -> Path:
        """Publish release ``1.<number>.0``; returns its archive."""
        return publish(self.releases, number, self.port, light=self.light)

    def installed(self, stack: ExitStack) -> Site:
        """The same, with release 1.0.0 installed by `fsm` and running until the stack ends."""
        self.publish(0)
        self.fsm("update", "web")
        stack.callback(self.stop)
        return self

    def fsm(self, *arguments: str) -> str:
        """Run the command `fsm` to its end; returns what it printed. For a light site it need not be started.

        Raises:
            RuntimeError: it failed.
        """
        if self.light:
            from tests import warm  # noqa: PLC0415 - what is measured needs none, and it imports all of the updater

            given = ("--config", str(self.config), *arguments)
            done = warm.fsm(*given, cwd=self.place, env=environment(), timeout=120)
            if done.returncode != 0:
                raise RuntimeError(f"fsm {' '.join(given)} exited with {done.returncode}: {done.stderr[-2000:]}")
            return done.stdout
        return child([*fsm(), "--config", self.config, *arguments], cwd=self.place)

    def service(self) -> ServiceManager:
        """The manager of the app's service."""
        component = load(self.config).component("web")
        spec = getattr(component.spec, "service")  # noqa: B009 - what every python_app has, and no plain Spec
        return open_service(spec, name="web", state_dir=component.target.state_dir)

    def stop(self) -> None:
        """Stop the app."""
        self.service().stop(BareContext())


def publish(releases: Path, number: int, port: int, *, light: bool) -> Path:
    """Publish release ``1.<number>.0`` in a directory; returns its archive."""
    version = f"1.{number}.0"
    pins, files = ["greeting==1.0"], {"wheels/greeting-1.0-py3-none-any.whl": release.wheel()}
    for name, (modules, size) in DEPENDENCIES.items():
        own = f"1.{number}"
        pins.append(f"{name}=={own}")
        files[f"wheels/{name}-{own}-py3-none-any.whl"] = wheel(name, own, 2 if light else modules, size)
    files |= {
        "app.py": release.APP.read_bytes(),
        "VERSION": f"{version}\n".encode(),
        "requirements.txt": "".join(f"{pin}\n" for pin in pins).encode(),
    }
    made = releases / version
    made.mkdir(parents=True)
    archive = made / f"webapp-{version}.tar.gz"
    archive.write_bytes(release.archive(f"webapp-{version}", files))
    data = archive.read_bytes()
    manifest = release.MANIFEST.format(
        version=version,
        name=archive.name,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        port=port,
        timeout=10,
    )
    (made / "update-manifest.yaml").write_text(manifest, encoding="utf-8")
    return archive


def wheel(name: str, version: str, modules: int, size: int) -> bytes:
    """A pure wheel of so many modules, each of about `size` bytes.

    Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    info = f"{name}-{version}.dist-info"
    files = {f"{name}/module{number}.py": _module(number, size) for number in range(modules - 1)}
    files[f"{name}/__init__.py"] = f'"""A dependency."""\n\n__version__ = "{version}"\n'
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: fsm-bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, text in files.items():
            packed.writestr(zipfile.ZipInfo(path), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _module(number: int, size: int) -> str:
    """Source text of about that many bytes: functions with a docstring, a branch and a loop."""
    function = (
        "def work_{n}(values, limit={n}):\n"
        '    """Add up what lies below the limit."""\n'
        "    total = 0\n"
        "    for index, value in enumerate(values):\n"
        "        if value < limit + {m}:\n"
        "            total += value * index\n"
        "    return {{'total': total, 'name': 'module {m}', 'limit': limit}}\n\n\n"
    )
    one = len(function)
    return "".join(function.format(n=n, m=number) for n in range(max(size // one, 1)))
