"""What a manifest may not widen: it may name what the configuration names, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fsm.adapter import Target
from fsm.errors import ManifestError
from fsm.kit import Claim, check_hosts, declared, refuse_claims
from fsm.services.docker.reference import Reference, parse
from fsm_container.spec import ContainerSpec

if TYPE_CHECKING:
    from fsm.formats.manifest import Manifest
    from fsm.formats.releases import Release


def check(target: Target, spec: ContainerSpec, release: Release) -> None:
    """Refuse a release that asks for more than the configuration names.

    Raises:
        ManifestError: with the place in the manifest and the key that would allow it.
    """
    if parse(f"{spec.image}:{spec.tag_of(release.version)}") is None:
        raise ManifestError(
            f"cannot update {target.name} to {release.version}",
            f"{spec.tag_of(release.version)!r} is not a valid image tag",
            "correct `tag` of the configuration, or the release's version",
        )
    if release.manifest is not None:
        refuse_claims(target, release, _too_much(target, spec, release.manifest, release))


def _too_much(target: Target, spec: ContainerSpec, manifest: Manifest, release: Release) -> Iterator[Claim]:
    yield from declared(manifest, "container")
    yield from _unnamed(target, spec, manifest)
    tag = spec.tag_of(release.version)
    for path, named in _tags(manifest):
        if named != tag:
            yield Claim(path, f"the tag {named} (version {release.version} has the tag {tag} here)", "tag")


def _unnamed(target: Target, spec: ContainerSpec, manifest: Manifest) -> Iterator[Claim]:
    """Services, repositories, paths and hosts that the configuration does not name."""
    services = {target.name, *spec.services, *_container_names(spec)}
    yield from (Claim(each.path, each.value, "services") for each in manifest.services() if each.value not in services)
    yield from (Claim(each.path, each.value, "image") for each in manifest.images() if not spec.owns(each.value))
    no_key = "no key: compose services have no such path"
    yield from (Claim(each.path, each.value, no_key) for each in manifest.paths())
    yield from check_hosts(manifest, spec.allowed_hosts)


def _container_names(spec: ContainerSpec) -> list[str]:
    """How compose calls the first containers of the services."""
    return [] if spec.project is None else [f"{spec.project}-{service}-1" for service in spec.services]


def _tags(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for index, step in enumerate(manifest.update_steps):
        if step.action == "update_compose":
            yield f"update_steps[{index}].image_tag", step.image_tag
        elif step.action == "pull_image" and (reference := parse(step.image)) and reference.tag:
            yield f"update_steps[{index}].image", reference.tag


def promised_digest(release: Release) -> str:
    """The digest that the release's manifest promises for its image; empty if it promises none.

    Raises:
        ManifestError: it promises two.
    """
    steps = release.manifest.update_steps if release.manifest else ()
    references = [parse(step.image) or Reference("") for step in steps if step.action == "pull_image"]
    digests = {reference.digest for reference in references if reference.digest}
    if len(digests) > 1:
        raise ManifestError(
            f"cannot use the release {release.version}", "its manifest names two digests", "the release is broken"
        )
    return digests.pop() if digests else ""
