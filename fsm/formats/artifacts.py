"""A file of a release: what manifests, sources and plans say about it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from fsm.formats.platforms import Platform
from fsm.model import Digest, Model, spelled
from fsm.system.characters import HIDDEN

ARTIFACT_NAME: Final = rf"^[^./\\\x00-\x20{HIDDEN}-](?:[^/\\\x00-\x1f{HIDDEN}]{{0,253}}[^/\\\x00-\x20{HIDDEN}])?$"
_URL: Final = rf"^[^\x00-\x20{HIDDEN}]*$"

ArtifactName = Annotated[
    str, spelled(ARTIFACT_NAME, "a plain file name without slashes that begins with neither a dot nor a minus sign")
]
"""A plain file name: no separator, no control character, not hidden, no leading minus sign."""


class Artifact(Model):
    """A file of a release.

    Attributes:
        name: a plain file name; unique in its release.
        url: absolute, or relative to the place of the release; empty means `name` in that place.
        size: bytes; None when unknown.
        sha256: None when unknown.
        platform: what it is made for; None means every platform.
    """

    name: ArtifactName = Field(description="The file's name; unique in the release.")
    url: Annotated[str, spelled(_URL, "a text without spaces and control characters", 4096)] = Field(
        default="", description="Absolute (http, https), or relative to the release; without it, the name there."
    )
    size: Annotated[int, Field(ge=0)] | None = Field(default=None, description="Bytes.")
    sha256: Digest | None = Field(default=None, description="sha256: and 64 lower-case hexadecimal digits.")
    platform: Platform | None = Field(default=None, description="What it is made for; without it, everything.")
