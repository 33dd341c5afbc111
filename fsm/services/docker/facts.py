"""What the engine tells, as small values: containers, images, what a registry has, the engine itself."""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from fsm.services.docker.reference import Reference, canonical, parse

PROJECT_LABEL: Final = "com.docker.compose.project"
SERVICE_LABEL: Final = "com.docker.compose.service"
NUMBER_LABEL: Final = "com.docker.compose.container-number"
ONE_OFF_LABEL: Final = "com.docker.compose.oneoff"

COMES_BACK: Final = ("always", "unless-stopped")
"""Restart policies with which the engine starts a container again after its own restart."""

CONTAINERD: Final = "/var/lib/containerd"
"""Where containerd keeps the images of an engine that leaves them to it; the engine does not say."""

_PREFIX: Final = re.compile(r"^[0-9a-f]{12}_(?P<name>.+)$")
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386"}


def intended_name(name: str) -> str:
    """The name that a container would have, had compose not been killed; its own in any other case."""
    left = _PREFIX.match(name)
    return left["name"] if left else name


@dataclass(frozen=True)
class Container:
    """One container, as the engine has it.

    Attributes:
        name: without the leading slash.
        image: the image's id.
        reference: the image as it was named when the container was made.
        status: created, running, restarting, exited, paused, removing, dead.
        health: starting, healthy, unhealthy; empty if there is no healthcheck.
        started: changes with each start.
        shares: the id of the container whose network, ipc or pid it uses.
    """

    id: str
    name: str
    service: str
    number: str
    image: str
    reference: str
    status: str
    health: str
    exit_code: int
    restarts: int
    started: str
    pid: int
    restart_policy: str
    shares: tuple[str, ...]
    error: str

    @property
    def running(self) -> bool:
        """Whether it runs now, and is not just between two starts."""
        return self.status == "running"

    @property
    def meant_to_run(self) -> bool:
        """Whether it runs, or would if the engine had been able to start it: at a boot it may not have been."""
        return self.status in ("running", "restarting") or (self.refused and self.restart_policy in COMES_BACK)

    @property
    def refused(self) -> bool:
        """Whether the engine could not start it: at a boot after a power cut it may hold its port for nobody."""
        return bool(self.error) and self.status in ("created", "exited")

    @property
    def finished(self) -> bool:
        """Whether it did its work and ended; one that the engine would start again was stopped by somebody."""
        return self.status == "exited" and self.exit_code == 0 and self.restart_policy not in COMES_BACK

    @property
    def intended_name(self) -> str:
        """The name that it would have, had compose not been killed; its own in any other case."""
        return intended_name(self.name)

    @property
    def life(self) -> tuple[str, str, int]:
        """What stays the same as long as it is not started again."""
        return self.id, self.started, self.restarts

    @classmethod
    def of(cls, data: dict[str, Any]) -> Container:
        """From what `docker inspect` says."""
        state, config, host = data["State"], data["Config"], data["HostConfig"]
        labels = config.get("Labels") or {}
        modes = (host.get("NetworkMode"), host.get("IpcMode"), host.get("PidMode"))
        return cls(
            id=data["Id"],
            name=data["Name"].removeprefix("/"),
            service=labels.get(SERVICE_LABEL, ""),
            number=labels.get(NUMBER_LABEL, ""),
            image=data["Image"],
            reference=config["Image"],
            status=state["Status"],
            health=(state.get("Health") or {}).get("Status", "").replace("none", ""),
            exit_code=state["ExitCode"],
            restarts=data.get("RestartCount", 0),
            started=state.get("StartedAt", ""),
            pid=state.get("Pid", 0),
            restart_policy=(host.get("RestartPolicy") or {}).get("Name", "") or "no",
            shares=tuple(mode.removeprefix("container:") for mode in modes if (mode or "").startswith("container:")),
            error=state.get("Error", ""),
        )


def without_leftovers(containers: Sequence[Container]) -> list[Container]:
    """The containers without those that a killed compose made to take the place of one that is still there."""
    taken = {each.name for each in containers}
    return [each for each in containers if each.intended_name == each.name or each.intended_name not in taken]


@dataclass(frozen=True)
class Image:
    """One image that the engine has.

    Attributes:
        tags: ``repository:tag``.
        digests: ``repository@sha256:...``.
        has_healthcheck: whether its containers tell how they are.
    """

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    platform: str
    labels: dict[str, str] = field(default_factory=dict)
    has_healthcheck: bool = False

    def has(self, name: str) -> bool:
        """Whether this is its id, or one of its names, in whatever spelling."""
        return name == self.id or _spelled(name) in {_spelled(each) for each in (*self.tags, *self.digests)}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Image:
        """From what `docker image inspect` says."""
        config = data.get("Config") or {}
        check = (config.get("Healthcheck") or {}).get("Test") or []
        return cls(
            id=data["Id"],
            tags=tuple(data.get("RepoTags") or ()),
            digests=tuple(data.get("RepoDigests") or ()),
            platform=f"{data.get('Os', '')}/{data.get('Architecture', '')}",
            labels=config.get("Labels") or {},
            has_healthcheck=bool(check) and check[0] != "NONE",
        )


def _spelled(name: str) -> Reference | None:
    reference = parse(name)
    return reference and reference._replace(repository=canonical(reference.repository))


@dataclass(frozen=True)
class Remote:
    """An image in a registry.

    Attributes:
        digest: of its manifest for the engine's platform.
        size: bytes to download at most.
    """

    digest: str
    size: int

    @classmethod
    def of(cls, every: list[dict[str, Any]], platform: str) -> Remote | None:
        """The one for a platform, of what ``docker manifest inspect --verbose`` says; None if there is none."""
        for each in every:
            offered = each["Descriptor"].get("platform")
            if offered is None or platform_of(offered) == platform:
                manifest = each.get("SchemaV2Manifest") or each.get("OCIManifest") or {}
                return cls(each["Descriptor"]["digest"], sum(one.get("size", 0) for one in manifest.get("layers", ())))
        return None


def platform_of(data: dict[str, str] | None) -> str:
    """``linux/amd64`` of a manifest's platform."""
    return f"{data.get('os', '?')}/{data.get('architecture', '?')}" if data else "an unknown platform"


class EngineInfo:
    """What the engine says about itself: ``/info``."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    @cached_property
    def platform(self) -> str:
        """``linux/amd64`` and the like."""
        machine = self._data.get("Architecture", "")
        return f"{self._data.get('OSType', '')}/{_ARCHITECTURES.get(machine, machine)}"

    @property
    def data_root(self) -> Path | None:
        """Where images lie, where that is a directory of this host."""
        root = self._data.get("DockerRootDir")
        return Path(root) if root and os.path.isdir(root) else None

    @property
    def written(self) -> tuple[Path, ...]:
        """Where images and what is known of containers lie, where that may be on this host."""
        status = dict(each for each in self._data.get("DriverStatus") or () if len(each) == 2)
        apart = str(status.get("driver-type", "")).startswith("io.containerd.")
        places = (self._data.get("DockerRootDir"), CONTAINERD if apart else None)
        return tuple(Path(place) for place in places if place and _may_be_here(place))

    def is_insecure(self, reference: str) -> bool:
        """Whether the engine talks to a reference's registry without TLS: loopback, and what it is configured for."""
        registry = reference.partition("/")[0]
        config = self._data.get("RegistryConfig") or {}
        known = (config.get("IndexConfigs") or {}).get(registry)
        if known is not None:
            return known.get("Secure") is False
        host = registry.rpartition(":")[0] or registry
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host == "localhost"
        return any(address in ipaddress.ip_network(each) for each in config.get("InsecureRegistryCIDRs") or ())


def _may_be_here(place: str) -> bool:
    """Whether something is a directory of this host; who may not look does not know."""
    try:
        return stat.S_ISDIR(os.stat(place).st_mode)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
