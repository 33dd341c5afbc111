"""What a release declares about itself: the manifest and its artifacts, as data.

The order of the fields is the order of the keys in the canonical form. `artifacts` stands last because its default
is made of the steps before it.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import PydanticCustomError, core_schema

from fsm.formats.artifacts import ARTIFACT_NAME, Artifact
from fsm.formats.checkspec import ManifestCheck
from fsm.formats.manifest.claims import Claim, claims
from fsm.formats.manifest.steps import RELEASE_URL, DownloadArtifact, ManifestStep
from fsm.formats.platforms import Platform
from fsm.formats.timestamps import Timestamp
from fsm.model import SHA256, ComponentName, Model, Version, matches, spelled

TYPE_NAME: Final = r"^[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?$"
"""A component type, as adapters register it."""

FETCHABLE: Final = f"^$|{RELEASE_URL}"
"""The URL of an artifact in a manifest; empty means the artifact's name beside the manifest."""

MOST: Final = 200
"""How many entries a list of a manifest may have."""


class _Declared:
    """An artifact in a manifest promises more than one in a source's listing: a digest, and a URL people can fetch."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(_promises, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        made = handler(schema)
        artifact = handler.resolve_ref_schema(made)
        keys = artifact["properties"]
        keys["url"]["pattern"] = FETCHABLE
        keys["size"]["anyOf"][0] = {"type": "integer", "exclusiveMinimum": 0}
        keys["sha256"] = {"type": "string", "pattern": SHA256, "description": keys["sha256"]["description"]}
        artifact["required"] = ["name", "sha256"]
        return made


def _promises(artifact: Artifact) -> Artifact:
    if artifact.sha256 is None:
        raise _wrong("is missing", "", "sha256")
    if artifact.size == 0:
        raise _wrong("is 0", "write the size in bytes, or leave the key out", "size")
    if not matches(FETCHABLE, artifact.url):
        raise _wrong("cannot be fetched", "", "url")
    return artifact


def _wrong(what: str, todo: str, *path: str | int) -> PydanticCustomError:
    """An error at a place below the one that is being validated; `fsm.formats.manifest.problems` reads it.

    Without `todo`, the message says what the key wants.
    """
    return PydanticCustomError("manifest", "{what}", {"what": what, "todo": todo, "path": path})


def _from_steps(fields: dict[str, Any]) -> tuple[Artifact, ...]:
    """The artifacts that the download steps describe completely, for a manifest without `artifacts`."""
    found = (described(step) for step in fields.get("update_steps", ()) if isinstance(step, DownloadArtifact))
    return tuple(dict.fromkeys(artifact for artifact in found if artifact))


def described(step: DownloadArtifact) -> Artifact | None:
    """The artifact that a download step describes, or None if its URL gives no name or its checksum is none."""
    name = PurePosixPath(unquote(urlsplit(step.url).path)).name
    checksum = step.checksum.lower()
    if not matches(ARTIFACT_NAME, name) or not matches(SHA256, checksum):
        return None
    return Artifact(name=name, url=step.url, sha256=checksum)


class Manifest(Model):
    """`update-manifest.yaml`: what a release says about itself. Data only, never code."""

    version: Version = Field(description="The version of this release.")
    component: ComponentName | None = Field(default=None, description="The component it is for.")
    component_type: Annotated[str, spelled(TYPE_NAME, "a component type like python_app")] | None = Field(
        default=None, description="The type of component it is for, e.g. python_app or container."
    )
    sequence: Annotated[int, Field(ge=0, lt=1 << 53)] | None = Field(
        default=None, description="Orders signed releases; a host never goes back. Usually the commit's time, in s."
    )
    released_at: Timestamp | None = Field(
        default=None, description="When it was made: the commit's time. A host's clock is at least that late."
    )
    expires_at: Timestamp | None = Field(
        default=None, description="From then on it is not installed anew; what runs goes on."
    )
    platform: Platform | None = Field(default=None, description="What the release runs on; without it, everything.")
    min_remote_version: Version | None = Field(default=None, description="The same as min_updater_version.")
    min_updater_version: Version | None = Field(
        default_factory=lambda fields: fields.get("min_remote_version"),
        description="The oldest fsm-updater that can install this release.",
    )
    notes: str = Field(default="", description="What is new, in Markdown.")
    pre_update_checks: Annotated[tuple[ManifestCheck, ...], Field(max_length=MOST)] = Field(
        default=(), description="What must hold before anything is touched."
    )
    update_steps: Annotated[tuple[ManifestStep, ...], Field(max_length=MOST)] = Field(
        default=(), description="What the release expects to happen, for people; the plan is made by the host."
    )
    post_update_checks: Annotated[tuple[ManifestCheck, ...], Field(max_length=MOST)] = Field(
        default=(), description="What must hold for the update to be kept."
    )
    rollback_steps: Annotated[tuple[ManifestStep, ...], Field(max_length=MOST)] = Field(
        default=(), description="What the release expects a rollback to do, for people."
    )
    artifacts: Annotated[tuple[Annotated[Artifact, _Declared()], ...], Field(max_length=MOST)] = Field(
        default_factory=_from_steps,
        description="The files of the release; without it, those that complete download_artifact steps describe.",
    )

    @model_validator(mode="after")
    def _one_minimum(self) -> Manifest:
        if self.min_remote_version is not None and self.min_remote_version != self.min_updater_version:
            raise _wrong("differs from min_updater_version", "keep one of the two", "min_remote_version")
        return self

    @model_validator(mode="after")
    def _one_of_each(self) -> Manifest:
        names: dict[str, Artifact] = {}
        for index, artifact in enumerate(self.artifacts):
            if names.setdefault(artifact.name, artifact) is not artifact:
                given = "artifacts" in self.model_fields_set
                path = ("artifacts", index, "name") if given else ("update_steps",)
                raise _wrong(f"describes a second {artifact.name}", "give each artifact its own name", *path)
        for index, step in enumerate(self.update_steps):
            other = described(step) if isinstance(step, DownloadArtifact) else None
            if other and names.get(other.name, other).sha256 != other.sha256:
                what = f"differs from the sha256 of artifact {other.name}"
                raise _wrong(what, "correct the wrong one", "update_steps", index, "checksum")
        return self

    def services(self) -> tuple[Claim, ...]:
        """The services and containers that the manifest names, each with its path in the document."""
        return claims(self, "service")

    def paths(self) -> tuple[Claim, ...]:
        """The host's paths that the manifest names, each with its path in the document."""
        return claims(self, "path")

    def images(self) -> tuple[Claim, ...]:
        """The image repositories (no tag, no digest) that the manifest names, each with its path in the document."""
        return claims(self, "image")

    def hosts(self) -> tuple[Claim, ...]:
        """The hosts of absolute URLs in the manifest, in lower case, each with its path in the document."""
        return claims(self, "host")

    def asks(self) -> tuple[str, ...]:
        """Where the manifest asks something of the host: names in it, checks, steps. Not what it only declares."""
        asked = ("pre_update_checks", "update_steps", "post_update_checks", "rollback_steps")
        return tuple(f"{name}[{index}]" for name in asked for index, _ in enumerate(getattr(self, name)))

    def remarks(self) -> tuple[str, ...]:
        """What people should know about a manifest that is valid, one sentence each."""
        return tuple(
            f"update_steps[{index}].checksum is not a complete sha256 digest and is not used"
            for index, step in enumerate(self.update_steps)
            if isinstance(step, DownloadArtifact) and step.checksum and not matches(SHA256, step.checksum.lower())
        )
