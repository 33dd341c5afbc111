"""The actions that a manifest may list, as data.

The vocabulary is closed. An action says what the release expects to happen; it is never an instruction: the plan is
made by the adapter from the host's configuration, and a path, a service or an image that stands here can only be
compared with what the configuration names. So whatever the host knows by itself (its service, its directories) may be
left out, and only what the release alone knows (an image, a tag, a URL) must be given.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from fsm.formats.artifacts import ArtifactName
from fsm.model import HTTP_URL, URL_WORDS, Model, spelled
from fsm.system.characters import HIDDEN

HOST_PATH: Final = rf"^[^\x00-\x1f{HIDDEN}-][^\x00-\x1f{HIDDEN}]*$"
RELATIVE_URL: Final = r"^[A-Za-z0-9_~+@,=()][A-Za-z0-9._~+@,=()-]*(?:/[A-Za-z0-9_~+@,=()][A-Za-z0-9._~+@,=()-]*)*$"
RELEASE_URL: Final = f"{HTTP_URL}|{RELATIVE_URL}"
IMAGE: Final = (
    r"^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?$"
)
IMAGE_TAG: Final = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"
SERVICE: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.@:\\-]{0,254}$"

LATEST_BACKUP: Final = "latest_backup"
"""The word that stands for the newest backup where a path could stand."""


def _stays(path: str) -> str:
    if ".." in path.replace("\\", "/").split("/"):
        raise PydanticCustomError("leaves", "has a '..' in it")
    return path


HostPath = Annotated[
    str, spelled(HOST_PATH, "a path without '..' and control characters", 4096), AfterValidator(_stays)
]
"""A path on the host without ``..`` in it; whether it is one of the component's own is for the adapter to say."""

ReleaseUrl = Annotated[str, spelled(RELEASE_URL, f"{URL_WORDS}, or a plain path relative to the release", 4096)]
"""An absolute http or https URL, or a path below the place where the release lies."""

ServiceName = Annotated[str, spelled(SERVICE, "the name of a service")]
ImageReference = Annotated[str, spelled(IMAGE, "an image like registry.example/team/app:1.2.0", 512)]
ImageTag = Annotated[str, spelled(IMAGE_TAG, "an image tag like 1.2.0")]
Timeout = Annotated[float, Field(gt=0, le=3600)]

_SERVICE: Final = "The service; without it, the component's own."
_TIMEOUT: Final = "Seconds that this may take; without it, the adapter's deadline."


class _Action(Model):
    description: str = Field(default="", description="One line for people.")


class BackupCompose(_Action):
    """Keep the compose file as it is now."""

    action: Literal["backup_compose"]


class UpdateCompose(_Action):
    """Write the new image tag of one service into the compose file."""

    action: Literal["update_compose"]
    service: ServiceName | None = Field(default=None, description=_SERVICE)
    image_tag: ImageTag = Field(description="The new tag.")


class PullImage(_Action):
    """Fetch a container image."""

    action: Literal["pull_image"]
    image: ImageReference = Field(description="The image, with its registry, repository and tag.")


class RestartService(_Action):
    """Start the service again with what is in place now."""

    action: Literal["restart_service"]
    service: ServiceName | None = Field(default=None, description=_SERVICE)
    timeout_seconds: Timeout | None = Field(default=None, description=_TIMEOUT)


class RestoreCompose(_Action):
    """Put the kept compose file back."""

    action: Literal["restore_compose"]


class DownloadArtifact(_Action):
    """Fetch a file of the release.

    Where the manifest has no `artifacts` and `checksum` is a complete SHA-256, this stands for an artifact named by the
    last segment of the URL.
    """

    action: Literal["download_artifact"]
    url: ReleaseUrl = Field(description="Where the file is.")
    checksum: str = Field(default="", description="sha256: and 64 hexadecimal digits; anything else is not used.")


class BackupInstallation(_Action):
    """Keep the installed version."""

    action: Literal["backup_installation"]
    source: HostPath | None = Field(default=None, description="What is kept; without it, the component's directory.")
    destination: HostPath | None = Field(default=None, description="Where; without it, the configured place.")


class StopService(_Action):
    """Stop the service."""

    action: Literal["stop_service"]
    service_name: ServiceName | None = Field(default=None, description=_SERVICE)
    timeout_seconds: Timeout | None = Field(default=None, description=_TIMEOUT)


class ExtractArtifact(_Action):
    """Unpack an artifact."""

    action: Literal["extract_artifact"]
    archive: ArtifactName | None = Field(default=None, description="The artifact's name; without it, the only one.")
    destination: HostPath | None = Field(default=None, description="Where to; without it, the component's directory.")


class InstallRequirements(_Action):
    """Install the Python packages that the new version needs."""

    action: Literal["install_requirements"]
    requirements_file: HostPath | None = Field(default=None, description="The list; without it, the configured one.")


class RunMigrations(_Action):
    """Run the component's own migration, the one that the host's configuration names."""

    action: Literal["run_migrations"]
    script: HostPath | None = Field(default=None, description="The script; without it, the configured one.")
    optional: bool = Field(default=False, description="Whether the update goes on when the migration fails.")


class StartService(_Action):
    """Start the service."""

    action: Literal["start_service"]
    service_name: ServiceName | None = Field(default=None, description=_SERVICE)
    timeout_seconds: Timeout | None = Field(default=None, description=_TIMEOUT)


class RestoreBackup(_Action):
    """Put the kept version back."""

    action: Literal["restore_backup"]
    source: HostPath | None = Field(default=None, description="Which backup; latest_backup, or none, is the newest.")
    destination: HostPath | None = Field(default=None, description="Where to; without it, the component's directory.")


ManifestStep = Annotated[
    BackupCompose
    | UpdateCompose
    | PullImage
    | RestartService
    | RestoreCompose
    | DownloadArtifact
    | BackupInstallation
    | StopService
    | ExtractArtifact
    | InstallRequirements
    | RunMigrations
    | StartService
    | RestoreBackup,
    Field(discriminator="action"),
]
"""An action that a release may list."""
