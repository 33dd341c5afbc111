"""Document 000's checkout: a compose project in it, whose image is built from each commit, and two `.env` files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar, Final

from tests.hosts.images import Trait, context
from tests.hosts.kills.checkout import REMOTE, commit, head, make_remote
from tests.hosts.kills.scenario import Ours
from tests.hosts.machine import Machine

FOLDER: Final = "/srv/agent"
URL: Final = "http://127.0.0.1:8080/version"

_PROJECT: Final = """\
services:
  agent:
    image: agent
    build: .
    env_file: .env
    ports: ["127.0.0.1:8080:8080"]
    restart: always
    stop_grace_period: 2s
"""

_CONFIG: Final = f"""\
[components.agent]
type = "git"
path = "{FOLDER}"
preserve = [".env", "agent/.env"]
copies = {{ "agent/.env" = ".env" }}
settle_seconds = 0.5
reserve_mb = 1

[components.agent.source]
type = "git"
allow_unsigned = true
url = "{REMOTE}"
tags = "v*"

[components.agent.services.agent]
manager = "compose"
cwd = "{FOLDER}/agent"
files = ["docker-compose.yml"]
project = "agent"
start_timeout = 10.0

[components.agent.build]
compose = ["agent/docker-compose.yml"]
project = "agent"
"""


def commit_agent(host: Machine, version: str, trait: Trait = "good") -> None:
    """A commit: both `.env` are tracked, as the document's script expects it."""
    files: dict[str, bytes | str] = {"VERSION": f"{version}\n", ".env": "TOKEN=\n", "agent/.env": "TOKEN=\n"}
    with tempfile.TemporaryDirectory() as folder:
        context(Path(folder), version, trait=trait)
        paths = [path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]
        files |= {f"agent/{path.relative_to(folder)}": path.read_bytes() for path in paths}
    commit(host, version, files | {"agent/docker-compose.yml": _PROJECT})


def start_agent(host: Machine) -> None:
    """A clone that was built and started by hand, with settings of its own."""
    make_remote(host)
    commit_agent(host, "1.0.0")
    host.run("git", "clone", "--quiet", REMOTE, FOLDER)
    host.write_files({f"{FOLDER}/.env": "TOKEN=secret\r\n", f"{FOLDER}/agent/.env": "TOKEN=secret\r\n"}, mode=0o600)
    host.run("sh", "-c", f"cd {FOLDER}/agent && docker compose -p agent up -d --build --wait", timeout=120)


class Agent(Ours):
    """The component `agent`."""

    name: ClassVar = "agent"
    title: ClassVar = "git checkout with a compose project"
    components: ClassVar = ("agent",)
    docker: ClassVar = True
    command: ClassVar = ("fsm", "update", "agent")
    config: ClassVar = _CONFIG

    def furnish(self, host: Machine) -> None:
        """Cloned, built, started."""
        start_agent(host)

    def publish(self, host: Machine, version: str, *, broken: bool) -> None:
        """A commit and its tag."""
        commit_agent(host, version, "unhealthy" if broken else "good")

    def installed(self, host: Machine) -> dict[str, str]:
        """What is checked out."""
        return {"agent": head(host, FOLDER)}

    def answers(self, host: Machine) -> dict[str, str]:
        """What the service says."""
        said = host.fetch(URL)
        return {"agent": said} if said else {}

    def preserved(self, host: Machine) -> str:
        """Both `.env`."""
        return self.listing(host, FOLDER, (".env", "agent/.env"))

    def oddities(self, host: Machine) -> list[str]:
        """One container, and nothing is changed but what is preserved."""
        lines = host.run("docker", "ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines()
        changed = host.run("git", "-C", FOLDER, "status", "--porcelain", "--untracked-files=no").split()
        odd = [] if lines == ["agent-agent-1 running"] else [f"the containers are {', '.join(sorted(lines))}"]
        return odd + ([f"changed files: {changed}"] if changed != ["M", ".env", "M", "agent/.env"] else [])
