"""For comparison: document 000's `update-agent.sh`, step by step, on a checkout with a compose project."""

from __future__ import annotations

from typing import ClassVar, Final

from tests.hosts.kills.agent import FOLDER, URL, commit_agent, start_agent
from tests.hosts.kills.checkout import head
from tests.hosts.kills.scenario import Scenario
from tests.hosts.machine import Machine

_SCRIPT: Final = f"""\
#!/bin/sh
# Steps 1 to 12 of the document, in its order, with its error handling.
cd {FOLDER} || exit 1
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
        start_agent(host)
        host.write("/opt/update-agent.sh", _SCRIPT)

    def publish(self, host: Machine, version: str, *, broken: bool) -> None:
        """A commit on the branch that the script follows."""
        commit_agent(host, version)

    def installed(self, host: Machine) -> dict[str, str]:
        """What is checked out."""
        return {"agent": head(host, FOLDER)}

    def answers(self, host: Machine) -> dict[str, str]:
        """What the service says."""
        said = host.fetch(URL)
        return {"agent": said} if said else {}

    def preserved(self, host: Machine) -> str:
        """The bytes of both `.env`; their modes and times the script changes whenever it runs."""
        return host.run("sh", "-c", f"cd {FOLDER} && sha256sum .env agent/.env")
