"""A Python app under systemd: the web app of `examples/webapp`, with its environment, its settings and its database."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import ClassVar, Final

from tests.hosts.kills.scenario import Ours
from tests.hosts.machine import Machine
from tests.hosts.rootfs import ROOT

sys.path.append(str(ROOT / "examples" / "webapp"))
import release  # type: ignore[import-not-found]

_PORT: Final = 8000

_UNIT: Final = f"""\
[Unit]
Description=The web app
[Service]
WorkingDirectory=/srv/web
ExecStart=/srv/web/.venv/bin/python app.py
Environment=PORT={_PORT}
EnvironmentFile=-/srv/web/settings.env
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""

_CONFIG: Final = """\
[components.web]
type = "python_app"
install_path = "/srv/web"
preserve = ["data/", "config/*.json", "settings.env"]
settle_seconds = 0.5

[components.web.source]
type = "directory"
allow_unsigned = true
path = "/srv/releases/web"

[components.web.service]
manager = "systemd"
unit = "web.service"
"""


class PythonApp(Ours):
    """The component `web`."""

    name: ClassVar = "python_app"
    title: ClassVar = "Python app under systemd"
    components: ClassVar = ("web",)
    command: ClassVar = ("fsm", "update", "web")
    config: ClassVar = _CONFIG

    def furnish(self, host: Machine) -> None:
        """Install it, and use it."""
        host.write("/etc/systemd/system/web.service", _UNIT)
        self.publish(host, "1.0.0", broken=False)
        host.run("systemctl", "daemon-reload")
        host.run("systemctl", "enable", "web.service")
        host.run("fsm", "update", "web")
        host.fetch(f"http://127.0.0.1:{_PORT}/")  # a visit: the database is there from now on
        host.write("/srv/web/settings.env", b"GREETING=Good evening\r\nSECRET=1", mode=0o600)
        host.write_files({"/srv/web/config/local.json": "{}\n", "/srv/web/data/deep/blob": bytes(range(256)) * 400})
        host.run("chown", "1234:2345", "/srv/web/settings.env", "/srv/web/data/deep/blob")

    def publish(self, host: Machine, version: str, *, broken: bool) -> None:
        """A directory with an archive, its wheel in it, and a manifest that asks for the health page."""
        with tempfile.TemporaryDirectory() as folder:
            made = release.build(Path(folder), version, port=_PORT, broken=broken, timeout=2 if broken else 10)
            host.put(made, f"/srv/releases/web/{version}")

    def installed(self, host: Machine) -> dict[str, str]:
        """What its version file says."""
        return {"web": host.read("/srv/web/VERSION").decode().strip()}

    def answers(self, host: Machine) -> dict[str, str]:
        """What its health page says, where it is the one that systemd runs."""
        said = host.fetch(f"http://127.0.0.1:{_PORT}/health")
        return {"web": said.partition('"version": "')[2].partition('"')[0]} if '"ok"' in said else {}

    def preserved(self, host: Machine) -> str:
        """Settings, a file in a directory of the app, data."""
        return self.listing(host, "/srv/web", ("settings.env", "config/local.json", "data"))
