"""For comparison: the same compose service, updated by `docker compose pull && docker compose up -d`."""

from __future__ import annotations

from typing import ClassVar, Final

from tests.hosts.kills.container import FOLDER, IMAGE, URL, push, start_shop, strangers
from tests.hosts.kills.scenario import Scenario
from tests.hosts.machine import Machine

_TAG: Final = "stable"
_LABEL: Final = '{{index .Config.Labels "org.opencontainers.image.version"}}'


class BareCompose(Scenario):
    """A tag that moves, pulled and started by hand or from cron."""

    name: ClassVar = "bare_compose"
    title: ClassVar = "compose service, by `docker compose pull && docker compose up -d`"
    components: ClassVar = ()
    docker: ClassVar = True
    command: ClassVar = (
        "sh",
        "-c",
        f"cd {FOLDER} && docker compose -p shop pull && docker compose -p shop up -d --wait",
    )
    can_break: ClassVar = False

    def prepare(self, host: Machine) -> None:
        """Two services run, with the policy that brings most back after a boot."""
        start_shop(host, _TAG, restart="always")

    def publish(self, host: Machine, version: str, *, broken: bool) -> None:
        """An image under the tag that the compose file names. The machine's own tag still stands for the old one."""
        here = host.run("docker", "image", "inspect", "--format", "{{.Id}}", f"{IMAGE}:{_TAG}")
        push(host, IMAGE, version, tag=_TAG)
        host.run("docker", "tag", here, f"{IMAGE}:{_TAG}")

    def installed(self, host: Machine) -> dict[str, str]:
        """Which version the tag stands for here."""
        return {"web": host.run("docker", "image", "inspect", "--format", _LABEL, f"{IMAGE}:{_TAG}")}

    def answers(self, host: Machine) -> dict[str, str]:
        """What the service says."""
        said = host.fetch(URL)
        return {"web": said} if said else {}

    def preserved(self, host: Machine) -> str:
        """Settings, data, and the compose file."""
        return self.listing(host, FOLDER, (".env", "data", "docker-compose.yml"))

    def oddities(self, host: Machine) -> list[str]:
        """No container is left over, none is missing."""
        return strangers(host)
