"""What is installed: asked of the running containers, never remembered; and what the compose file says instead."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pydantic import PrivateAttr

from fsm.adapter import Installed
from fsm.errors import FsmError
from fsm.model import Version
from fsm.services.docker import compose
from fsm.services.docker.client import Docker
from fsm.services.docker.facts import Container, Image
from fsm.services.docker.reference import Reference, parse
from fsm_container.project import Project
from fsm_container.spec import ContainerSpec
from fsm_container.stack import Stack


class ContainerInstalled(Installed):
    """What runs, and what the compose file says.

    Attributes:
        file_version: of the compose file.
        differs: how the containers and the file differ, one sentence; empty if they agree.
        images: the ids of the images that the containers were made of, by service.
    """

    file_version: Version | None = None
    differs: str = ""
    images: dict[str, str] = {}
    _host: Host | None = PrivateAttr(default=None)

    def host(self, spec: ContainerSpec) -> Host:
        """The project as it was looked at; looked at now where that failed. Raises as `open_stack` does."""
        return self._host or look(spec)


@dataclass(frozen=True)
class Host:
    """A project on its host: how it is reached, and what is in it now.

    Attributes:
        stack: with the project's name.
        config: what compose makes of the files.
        containers: those of the updated services.
        project: the files.
        named: the image that the files' name for the first service stands for; None: it is not here.
    """

    stack: Stack
    config: dict[str, Any]
    containers: tuple[Container, ...]
    project: Project
    named: Image | None = None


def open_stack(spec: ContainerSpec) -> tuple[Stack, dict[str, Any]]:
    """The project, with its name, and what compose makes of its files.

    Raises:
        Unsupported: there is no compose of version 2, or no Docker.
        Transient: the engine does not answer.
        StepFailed: compose refuses the files.
    """
    stack = Stack.of(spec, compose.find())
    with ThreadPoolExecutor(1) as pool:
        # Who reads the files needs no engine, and whoever made this needs both.
        there = pool.submit(stack.docker.engine)
        config = stack.config()
        there.result()
    return stack.model_copy(update={"project": str(config["name"])}), config


def look(spec: ContainerSpec) -> Host:
    """The project and its containers; raises as `open_stack` does."""
    early = Stack.of(spec, compose.find())
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(open_stack, spec)
        # Compose reads the files meanwhile. A name that is configured is the project's name, and needs no compose.
        files = _files(spec, early)
        found = early.containers() if spec.project else None
        stack, config = asked.result()
    return Host(stack, config, tuple(stack.containers() if found is None else found), *files)


def _files(spec: ContainerSpec, stack: Stack) -> tuple[Project, Image | None]:
    """The files, and the image that is named in them."""
    project = stack.read()
    in_file, _ = _in_file(spec, project)
    return project, stack.docker.image(in_file) if in_file else None


def read(spec: ContainerSpec) -> ContainerInstalled:
    """The version that runs; unknown stays unknown and says why."""
    missing = [path for path in spec.compose_files if not path.exists()]
    if missing:
        return ContainerInstalled(present=False, why_unknown=f"there is no {missing[0]}")
    try:
        host = look(spec)
        found = of_host(spec, host)
    except FsmError as error:
        return ContainerInstalled(why_unknown=error.cause)
    # A plan that is made of this needs the same answers, and each costs a process.
    found._host = host
    return found


def of_host(spec: ContainerSpec, host: Host, *, compare: bool = True) -> ContainerInstalled:
    """The version of the containers that were found.

    Args:
        compare: say as well how they differ from what the compose file says.

    Raises:
        Transient, StepFailed: the engine cannot be asked.
    """
    in_file, file_version = _in_file(spec, host.project)
    if not host.containers:
        why = f"no container of {', '.join(spec.services)} exists; the compose file says {in_file or 'nothing'}"
        return ContainerInstalled(why_unknown=why, file_version=file_version)
    told = {each.service: _version(spec, each, host.stack.docker) for each in newest(host.containers)}
    versions = {version for version, _ in told.values()}
    images = {each.service: each.image for each in newest(host.containers)}
    if len(versions) > 1:
        each = ", ".join(f"{service} runs {version or 'an unknown version'}" for service, (version, _) in told.items())
        return ContainerInstalled(why_unknown=each, file_version=file_version, images=images)
    version, why = next(iter(told.values()))
    return ContainerInstalled(
        version=version,
        why_unknown=why,
        file_version=file_version,
        differs=_differs(host, in_file, version, file_version) if compare else "",
        images=images,
    )


def newest(containers: Sequence[Container]) -> list[Container]:
    """One container of each service: one that runs, else any."""
    found: dict[str, Container] = {}
    for each in sorted(containers, key=lambda one: one.running):
        found[each.service] = each
    return list(found.values())


def _version(spec: ContainerSpec, container: Container, docker: Docker) -> tuple[Version | None, str]:
    """By the name that the container was made with, else by what its image says, else by the image's other names."""
    reference = parse(container.reference)
    named = _by_tag(spec, reference)
    if named is not None:
        return named, ""
    image = docker.image(container.image)
    found = _by_image(spec, image) if image else None
    return found, "" if found else f"neither the name {container.reference} nor its image tells a version"


def _by_tag(spec: ContainerSpec, reference: Reference | None) -> Version | None:
    return spec.version_of(reference.tag) if reference and reference.tag and spec.owns(reference.repository) else None


def _by_image(spec: ContainerSpec, image: Image) -> Version | None:
    label = Version.parse(image.labels.get(spec.version_label)) if spec.version_label else None
    if label is not None:
        return label
    tagged = [version for tag in image.tags if (version := _by_tag(spec, parse(tag))) is not None]
    return max(tagged, default=None)


def _in_file(spec: ContainerSpec, project: Project) -> tuple[str, Version | None]:
    """The first service's image as the compose file has it."""
    image = project.image(spec.services[0])
    if not isinstance(image, str):
        return "", None
    return image, _by_tag(spec, parse(image))


def _differs(host: Host, in_file: str, running: Version | None, file_version: Version | None) -> str:
    """In a sentence, that the containers were not made of what the file says now."""
    container = newest(host.containers)[0]
    if not in_file or container.reference == in_file:
        if host.named is None or host.named.id == container.image:
            return ""
        return f"{in_file} names another image by now than the one that {container.name} runs"
    if running is not None and running == file_version:
        return ""
    return f"{container.name} runs {container.reference}, and the compose file says {in_file}"
