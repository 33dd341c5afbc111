"""What can be checked before and after an update, as data.

The vocabulary is closed: a manifest or a configuration names one of these, `fsm.services.checks` performs it. `command`
is the only one that runs a program, and the only one that a manifest may not use.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fsm.model import HttpUrl, Model, Version


class _Check(Model):
    description: str = ""


class DiskSpace(_Check):
    """At least `minimum_mb` MiB are free where the component lives."""

    type: Literal["disk_space"]
    minimum_mb: Annotated[int, Field(gt=0)]


class BackupExists(_Check):
    """A backup of this component exists, and is not older than `max_age_hours` (None: of any age)."""

    type: Literal["backup_exists"]
    max_age_hours: Annotated[float, Field(gt=0, le=1_000_000)] | None = None


class ServiceRunning(_Check):
    """The service answers to its manager as running, now."""

    type: Literal["service_running"]
    service_name: str | None = None


class ServiceActive(_Check):
    """The service becomes active within `timeout_seconds`, and stays so with the same process."""

    type: Literal["service_active"]
    service_name: str | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0


class HealthEndpoint(_Check):
    """An HTTP GET of `url` answers `expected_status` (and a body with `expected_body` in it) within the timeout.

    Tried again until `timeout_seconds` are over; each single try has at most 5 seconds. Redirects are not followed.
    """

    type: Literal["health_endpoint"]
    url: HttpUrl
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    expected_status: Annotated[int, Field(ge=100, le=599)] = 200
    expected_body: str | None = None


class VersionCheck(_Check):
    """The component, asked for its version, answers `expected_version` (None: the version of the release)."""

    type: Literal["version_check"]
    expected_version: Version | None = None


class ContainerRunning(_Check):
    """The container runs."""

    type: Literal["container_running"]
    container_name: str


class Command(_Check):
    """A program of the host's own configuration exits with 0. Never from a manifest."""

    type: Literal["command"]
    argv: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0


ManifestCheck = Annotated[
    DiskSpace | BackupExists | ServiceRunning | ServiceActive | HealthEndpoint | VersionCheck | ContainerRunning,
    Field(discriminator="type"),
]
"""A check that a release may ask for."""

Check = Annotated[
    DiskSpace
    | BackupExists
    | ServiceRunning
    | ServiceActive
    | HealthEndpoint
    | VersionCheck
    | ContainerRunning
    | Command,
    Field(discriminator="type"),
]
"""A check that the host's configuration may ask for."""
