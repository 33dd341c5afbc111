"""A git checkout with a build, run by systemd: what the document calls an agent."""

from __future__ import annotations

from typing import ClassVar, Final

from tests.hosts.kills.checkout import REMOTE, commit, head, make_remote
from tests.hosts.kills.scenario import Ours
from tests.hosts.machine import Machine

FOLDER: Final = "/srv/app"
_PORT: Final = 8001
URL: Final = f"http://127.0.0.1:{_PORT}/version"

_SERVE: Final = f"""\
import http.server, os

os.chdir(os.path.dirname(os.path.abspath(__file__)))
with open("dist/version") as file:
    version = file.read().strip()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if os.path.exists("BROKEN") else 200)
        self.end_headers()
        self.wfile.write(version.encode())


http.server.HTTPServer(("127.0.0.1", {_PORT}), Handler).serve_forever()
"""

_BUILD: Final = "#!/bin/sh\nset -e\nsleep 0.3\nmkdir -p dist\ncp VERSION dist/version\n"

_UNIT: Final = f"""\
[Unit]
Description=The checkout
[Service]
ExecStart=/usr/bin/python3 {FOLDER}/serve.py
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""

_CONFIG: Final = f"""\
[components.app]
type = "git"
path = "{FOLDER}"
preserve = [".env", "data/"]
settle_seconds = 0.5
reserve_mb = 1

[components.app.source]
type = "git"
allow_unsigned = true
url = "{REMOTE}"
tags = "v*"

[components.app.services.app]
manager = "systemd"
unit = "app.service"

[components.app.build]
command = ["./build.sh"]
products = ["dist"]

[[components.app.post_checks]]
type = "health_endpoint"
url = "{URL}"
timeout_seconds = 3.0
expected_status = 200
"""


class GitCheckout(Ours):
    """The component `app`."""

    name: ClassVar = "git"
    title: ClassVar = "git checkout under systemd, with a build"
    components: ClassVar = ("app",)
    command: ClassVar = ("fsm", "update", "app")
    config: ClassVar = _CONFIG

    def furnish(self, host: Machine) -> None:
        """A clone that somebody has built and changed: its `.env` is tracked, and is not as the repository has it."""
        make_remote(host)
        self.publish(host, "1.0.0", broken=False)
        host.run("git", "clone", "--quiet", REMOTE, FOLDER)
        host.run("sh", "-c", f"cd {FOLDER} && ./build.sh")
        host.write(f"{FOLDER}/.env", b"TOKEN=secret\r\nPLACE=here", mode=0o600)
        host.write_files({f"{FOLDER}/data/deep/blob": bytes(range(256)) * 400, f"{FOLDER}/data/empty": ""})
        host.write("/etc/systemd/system/app.service", _UNIT)
        host.run("systemctl", "daemon-reload")
        host.run("systemctl", "enable", "--now", "app.service")

    def publish(self, host: Machine, version: str, *, broken: bool) -> None:
        """A commit and its tag."""
        files = {"VERSION": f"{version}\n", "serve.py": _SERVE, "build.sh": _BUILD, ".env": "TOKEN=\nPLACE=\n"}
        files |= {f"lib/part{number}.txt": f"{number} of {version}\n" * 50 for number in range(40)}
        commit(host, version, files | ({"BROKEN": ""} if broken else {}))

    def installed(self, host: Machine) -> dict[str, str]:
        """What is checked out, where the build is of the same."""
        built = host.read(f"{FOLDER}/dist/version").decode().strip()
        out = head(host, FOLDER)
        return {"app": out if out == built else f"{out} with a build of {built}"}

    def answers(self, host: Machine) -> dict[str, str]:
        """What the service says."""
        said = host.fetch(URL)
        return {"app": said} if said else {}

    def preserved(self, host: Machine) -> str:
        """Settings and data."""
        return self.listing(host, FOLDER, (".env", "data"))

    def oddities(self, host: Machine) -> list[str]:
        """Nothing is changed but `.env`, no lock of git is left, and its repository is whole."""
        changed = host.run("git", "-C", FOLDER, "status", "--porcelain", "--untracked-files=no").splitlines()
        locks = host.run("find", f"{FOLDER}/.git", "-name", "*.lock").splitlines()
        whole = host.try_run("git", "-C", FOLDER, "fsck", "--no-dangling", "--no-progress")
        odd = [f"changed files: {', '.join(changed)}"] if changed not in (["M .env"], [" M .env"]) else []
        odd += [f"locks are left: {', '.join(locks)}"] if locks else []
        return odd + ([f"git fsck: {whole.stderr.strip()}"] if whole.returncode != 0 else [])
