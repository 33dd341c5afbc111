"""For comparison: document 000's `update-agent.sh`, step by step, on a checkout with a compose project."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar, Final

from tests.hosts.images import context
from tests.hosts.kills.checkout import REMOTE, commit, head, make_remote
from tests.hosts.kills.scenario import Scenario
from tests.hosts.machine import Machine

_FOLDER: Final = "/opt/agent"
_COMPOSE: Final = f"{_FOLDER}/agent"
_URL: Final = "http://127.0.0.1:8080/version"

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

_SCRIPT: Final = f"""\
#!/bin/sh
# Steps 1 to 12 of the document, in its order, with its error handling.
cd {_FOLDER} || exit 1
cp .env /tmp/agent.env && cp agent/.env /tmp/agent-agent.env || exit 1
restore() {{ cp /tmp/agent.env .env; cp /tmp/agent-agent.env agent/.env; }}
[ -d .git ] || exit 1
git fetch --quiet origin main || {{ restore; exit 1; }}
[ "$(git rev-parse HEAD)" = "$(git rev-parse origin/main)" ] && exit 0
(cd agent && docker compose -p agent stop)
git reset --quiet --hard origin/main || {{ restore; exit 1; }}
restore
[ -d agent ] || mkdir agent
[ -f agent/docker-compose.yml ] || exit 1
cd agent
docker compose -p agent build --quiet || {{ cd ..; restore; exit 1; }}
docker compose -p agent up -d --wait
"""


class Document000(Scenario):
    """A checkout in which `.env` is tracked and changed, as the script expects it."""

    name: ClassVar = "document000"
    title: ClassVar = "git checkout with a compose project, by document 000's script"
    components: ClassVar = ()
    docker: ClassVar = True
    command: ClassVar = ("sh", "/opt/update-agent.sh")
    can_break: ClassVar = False

    def prepare(self, host: Machine) -> None:
        """A clone that was built and started."""
        make_remote(host)
        self.publish(host, "1.0.0", broken=False)
        host.run("git", "clone", "--quiet", REMOTE, _FOLDER)
        host.write_files({f"{_FOLDER}/.env": "TOKEN=secret\r\n", f"{_COMPOSE}/.env": "TOKEN=secret\r\n"}, mode=0o600)
        host.write("/opt/update-agent.sh", _SCRIPT)
        host.run("sh", "-c", f"cd {_COMPOSE} && docker compose -p agent build --quiet", timeout=120)
        host.run("sh", "-c", f"cd {_COMPOSE} && docker compose -p agent up -d --wait", timeout=120)

    def publish(self, host: Machine, version: str, *, broken: bool) -> None:
        """A commit on the branch that the script follows."""
        files: dict[str, bytes | str] = {"VERSION": f"{version}\n", ".env": "TOKEN=\n", "agent/.env": "TOKEN=\n"}
        with tempfile.TemporaryDirectory() as folder:
            context(Path(folder), version)
            paths = [path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]
            files |= {f"agent/{path.relative_to(folder)}": path.read_bytes() for path in paths}
        commit(host, version, files | {"agent/docker-compose.yml": _PROJECT})

    def installed(self, host: Machine) -> dict[str, str]:
        """What is checked out."""
        return {"agent": head(host, _FOLDER)}

    def answers(self, host: Machine) -> dict[str, str]:
        """What the service says."""
        said = host.fetch(_URL)
        return {"agent": said} if said else {}

    def preserved(self, host: Machine) -> str:
        """Both `.env`; the script does not promise their times."""
        return host.run("sh", "-c", f"cd {_FOLDER} && stat -c '%n %a %U' .env agent/.env; sha256sum .env agent/.env")
