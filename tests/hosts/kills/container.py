"""A compose service on a machine with an engine and a registry of its own; its neighbour must not be disturbed."""

from __future__ import annotations

import json
from typing import ClassVar, Final

from tests.hosts.images import Trait, importing, packed
from tests.hosts.kills.scenario import Ours
from tests.hosts.machine import REGISTRY, Machine

FOLDER: Final = "/srv/shop"
IMAGE: Final = f"{REGISTRY}/shop/web"
URL: Final = "http://127.0.0.1:8080/version"

COMPOSE: Final = """\
# The shop. Edited by hand; keep the comments.
services:
  web:   # the front
    image: "{image}"   # moved by the updater
    env_file: .env
    ports: ["127.0.0.1:8080:8080"]
    volumes: ["./data:/data"]
    restart: {restart}
    stop_grace_period: 2s
  db:
    image: '{registry}/shop/db:1.0.0'
    restart: {restart}
    stop_grace_period: 2s
"""

_CONFIG: Final = f"""\
[components.shop]
type = "container"
compose_files = ["{FOLDER}/docker-compose.yml"]
project = "shop"
services = ["web"]
image = "{IMAGE}"
settle_seconds = 0.5
start_timeout = 30.0
reserve_mb = 1

[components.shop.source]
type = "directory"
allow_unsigned = true
path = "/srv/releases/shop"
"""


def push(host: Machine, repository: str, version: str, *, tag: str, trait: Trait = "good", keep: bool = False) -> None:
    """Push an image to the machine's registry; the machine has to pull it, unless it keeps it."""
    reference = f"{repository}:{tag}"
    host.run("docker", *importing(reference, version, trait), stdin=packed(version, trait))
    host.run("docker", "push", "--quiet", reference)
    if not keep:
        host.run("docker", "image", "rm", reference)


def start_shop(host: Machine, tag: str, *, restart: str = "unless-stopped") -> None:
    """The project as people have it: two services, settings, data.

    Args:
        host: the machine.
        tag: of the image that is updated.
        restart: when the engine starts its services: with `always` after each boot, whoever had stopped them.
    """
    compose = COMPOSE.format(image=f"{IMAGE}:{tag}", registry=REGISTRY, restart=restart)
    host.write_files({f"{FOLDER}/docker-compose.yml": compose, f"{FOLDER}/data/blob": bytes(range(256)) * 40})
    host.write(f"{FOLDER}/.env", b"GREETING=good day\r\nSECRET=1", mode=0o600)
    push(host, IMAGE, "1.0.0", tag=tag, keep=True)
    push(host, f"{REGISTRY}/shop/db", "1.0.0", tag="1.0.0", keep=True)
    host.run("sh", "-c", f"cd {FOLDER} && docker compose -p shop up -d --wait", timeout=120)


def strangers(host: Machine) -> list[str]:
    """What is wrong with the project's containers: compose leaves some behind when it is killed."""
    lines = host.run("docker", "ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines()
    wanted = ["shop-db-1 running", "shop-web-1 running"]
    return [] if sorted(lines) == wanted else [f"the containers are {', '.join(sorted(lines))}"]


class Container(Ours):
    """The component `shop`."""

    name: ClassVar = "container"
    title: ClassVar = "compose service"
    components: ClassVar = ("shop",)
    docker: ClassVar = True
    command: ClassVar = ("fsm", "update", "shop")
    config: ClassVar = _CONFIG

    def furnish(self, host: Machine) -> None:
        """Two services run, one of them is updated by us."""
        start_shop(host, "1.0.0")

    def publish(self, host: Machine, version: str, *, broken: bool) -> None:
        """An image, and a release that names it."""
        push(host, IMAGE, version, tag=version, trait="unhealthy" if broken else "good")
        host.write(f"/srv/releases/shop/{version}/update-manifest.yaml", f'version: "{version}"\n')

    def installed(self, host: Machine) -> dict[str, str]:
        """What the compose file says."""
        text = host.read(f"{FOLDER}/docker-compose.yml").decode()
        return {"shop": text.partition(f"{IMAGE}:")[2].partition('"')[0].partition("@")[0]}

    def answers(self, host: Machine) -> dict[str, str]:
        """What the service says, where it is healthy as well."""
        done = host.try_run("docker", "inspect", "shop-web-1")
        healthy = done.returncode == 0 and json.loads(done.stdout)[0]["State"].get("Health", {}).get("Status")
        said = host.fetch(URL) if healthy == "healthy" else ""
        return {"shop": said} if said else {}

    def preserved(self, host: Machine) -> str:
        """Settings, data, and every byte of the compose file but the version."""
        version = self.installed(host)["shop"]
        text = host.read(f"{FOLDER}/docker-compose.yml").decode().replace(f"{IMAGE}:{version}", IMAGE)
        return self.listing(host, FOLDER, (".env", "data")) + text

    def oddities(self, host: Machine) -> list[str]:
        """No container is left over, none is missing."""
        return strangers(host)
