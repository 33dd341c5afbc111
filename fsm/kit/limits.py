"""A manifest narrows, never widens: what it names, the configuration has to name as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from fsm.adapter import Target
from fsm.errors import ManifestError
from fsm.formats.artifacts import Artifact
from fsm.formats.picking import pick_artifact
from fsm.formats.platforms import current_platform, matches_platform

if TYPE_CHECKING:
    from fsm.formats.manifest import Manifest
    from fsm.formats.releases import Release


class Claim(NamedTuple):
    """Something that a manifest names and the configuration does not.

    Attributes:
        place: where in the manifest.
        value: what it names.
        key: the key of the configuration that would allow it.
    """

    place: str
    value: str
    key: str


def artifact_for_host(release: Release) -> Artifact:
    """The one artifact that is made for a host like this.

    Raises:
        ManifestError: none is, or several are.
    """
    return pick_artifact(release.artifacts, current_platform())


def declared(manifest: Manifest, component_type: str) -> Iterator[Claim]:
    """The type and the platform that a manifest is for, if they are not this component's."""
    if manifest.component_type not in (None, component_type):
        yield Claim("component_type", manifest.component_type, "type")
    if not matches_platform(manifest.platform, current_platform()):
        yield Claim("platform", f"{manifest.platform} (this host is {current_platform()})", "another host")


def check_hosts(manifest: Manifest, allowed: Iterable[str]) -> Iterator[Claim]:
    """The hosts that a manifest's checks ask, beyond the allowed ones.

    Those of its artifacts are the source's business, and its steps are for people only.
    """
    names = {host.lower() for host in allowed}
    for claim in manifest.hosts():
        if "_checks[" in claim.path and claim.value not in names:
            yield Claim(claim.path, claim.value, "allowed_hosts")


def refuse_claims(target: Target, release: Release, claims: Iterable[Claim]) -> None:
    """Refuse a release because of the first of them.

    Raises:
        ManifestError: with the place in the manifest and the key that would allow it.
    """
    for place, value, key in claims:
        raise ManifestError(
            f"cannot update {target.name} to {release.version}",
            f"{place} of its manifest names {value}, which the configuration does not",
            f"if that is intended, add it to the configuration of {target.name} ({key})",
        )
