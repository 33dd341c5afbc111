"""A manifest narrows, never widens: it may name what the configuration names. And what `fsm doctor` looks at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from fsm.adapter import Finding, Target
from fsm.errors import FsmError, ManifestError
from fsm.formats.manifest import Manifest, current_platform, matches_platform
from fsm.formats.manifest.steps import PullImage, UpdateCompose
from fsm.formats.releases import Release
from fsm.system import files
from fsm_container import inspect
from fsm_container.reference import Reference, parse
from fsm_container.spec import ContainerSpec

Level = Literal["ok", "warning", "error"]


def check(target: Target, spec: ContainerSpec, release: Release) -> None:
    """Refuse a release that asks for more than the configuration names.

    Raises:
        ManifestError: with the place in the manifest and the key that would allow it.
    """
    if parse(f"{spec.image}:{spec.tag_of(release.version)}") is None:
        raise ManifestError(
            f"cannot update {target.name} to {release.version}",
            f"{spec.tag_of(release.version)!r} is no tag that an image can have",
            "correct `tag` of the configuration, or the release's version",
        )
    for claim, value, key in _too_much(target, spec, release) if release.manifest else ():
        raise ManifestError(
            f"cannot update {target.name} to {release.version}",
            f"{claim} of its manifest names {value}, which the configuration does not",
            f"if that is right, name it in the configuration of {target.name} ({key})",
        )


def _too_much(target: Target, spec: ContainerSpec, release: Release) -> Iterator[tuple[str, str, str]]:
    manifest = release.manifest
    assert manifest is not None
    if manifest.component_type not in (None, "container"):
        yield "component_type", manifest.component_type, "type"
    if not matches_platform(manifest.platform, current_platform()):
        yield "platform", f"{manifest.platform} (this host is {current_platform()})", "another host"
    yield from _unnamed(target, spec, manifest)
    tag = spec.tag_of(release.version)
    for path, named in _tags(manifest):
        if named != tag:
            yield path, f"the tag {named} (version {release.version} has the tag {tag} here)", "tag"


def _unnamed(target: Target, spec: ContainerSpec, manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    """Services, repositories, paths and hosts that the configuration does not name."""
    services = {target.name, *spec.services, *_container_names(spec)}
    hosts = {host.lower() for host in spec.allowed_hosts}
    yield from ((each.path, each.value, "services") for each in manifest.services() if each.value not in services)
    yield from ((each.path, each.value, "image") for each in manifest.images() if not spec.owns(each.value))
    yield from ((each.path, each.value, "no key: compose services have no such path") for each in manifest.paths())
    for each in manifest.hosts():
        if "_checks[" in each.path and each.value not in hosts:
            yield each.path, each.value, "allowed_hosts"


def _container_names(spec: ContainerSpec) -> list[str]:
    """How compose calls the first containers of the services."""
    return [] if spec.project is None else [f"{spec.project}-{service}-1" for service in spec.services]


def _tags(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for index, step in enumerate(manifest.update_steps):
        if isinstance(step, UpdateCompose):
            yield f"update_steps[{index}].image_tag", step.image_tag
        elif isinstance(step, PullImage) and (reference := parse(step.image)) and reference.tag:
            yield f"update_steps[{index}].image", reference.tag


def declared(release: Release) -> str:
    """The digest that the release's manifest promises for its image; empty where it promises none.

    Raises:
        ManifestError: it promises two.
    """
    steps = release.manifest.update_steps if release.manifest else ()
    references = [parse(step.image) or Reference("") for step in steps if isinstance(step, PullImage)]
    digests = {reference.digest for reference in references if reference.digest}
    if len(digests) > 1:
        raise ManifestError(
            f"cannot use the release {release.version}", "its manifest names two digests", "the release is broken"
        )
    return digests.pop() if digests else ""


def doctor(target: Target, spec: ContainerSpec) -> Sequence[Finding]:
    """What would make an update of these services fail, or surprise."""
    return list(_doctor(target, spec))


def _doctor(target: Target, spec: ContainerSpec) -> Iterator[Finding]:
    def said(message: str, level: Level = "ok", todo: str = "") -> Finding:
        return Finding(level=level, subject=target.name, message=message, todo=todo)

    try:
        host = inspect.look(spec)
        found = inspect.of_host(spec, host)
    except FsmError as error:
        yield said(error.cause, "error", error.todo)
        return
    if found.version is not None:
        yield said(f"version {found.version} is installed, in compose project {host.stack.name}")
    else:
        yield said(f"version unknown: {found.why_unknown}", "warning")
    if found.differs:
        yield said(found.differs, "warning", f"an update or `docker compose up -d {' '.join(spec.services)}` ends that")
    root = host.stack.docker.engine().data_root
    if root is not None:
        free = files.disk_free(root) >> 20
        level: Level = "ok" if free > spec.reserve_mb else "error"
        yield said(f"{free} MiB free at {root}", level, "remove images that nobody needs: `docker image prune`")
