"""The plan of compose services: which steps, in which order, at which cost. Looks at the host, changes nothing."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fsm.adapter import Backup, Draft, Step, Target
from fsm.errors import ManifestError, PlanError
from fsm.formats.checkspec import Check, VersionCheck
from fsm.kit import own_names, read_record, time_for
from fsm.model import Version
from fsm.services.docker.facts import Container, without_leftovers
from fsm.services.docker.reference import Reference, parse
from fsm.system import files
from fsm_container import limits
from fsm_container.finish import Retire, Tidy
from fsm_container.image_edit import Wanted, plan_edits
from fsm_container.inspect import ContainerInstalled, Host
from fsm_container.keep import Keep
from fsm_container.layout import Layout, Record
from fsm_container.project import Project, applied
from fsm_container.pull import Pull, TakeKept
from fsm_container.spec import ContainerSpec
from fsm_container.splice import FileEdit
from fsm_container.stack import sharing
from fsm_container.switch import Clear, Edit, Examine, fingerprint
from fsm_container.up import Up
from fsm_container.verify import Verify

if TYPE_CHECKING:
    from fsm.formats.releases import Release

MEBI = 1 << 20

UNPACKED = 4
"""An image on disk, in sizes of its download."""

STOP = 300.0
"""Seconds beyond the start that compose may need, to stop the old container above all."""


@dataclass(frozen=True)
class ImageEdit:
    """What an update or a rollback has found out.

    Attributes:
        reference: the image as the compose file will have it.
        named: the tag that stands for it on this engine; empty if the file has a digest alone.
    """

    host: Host
    edits: tuple[FileEdit, ...]
    reference: str
    named: str
    dependants: tuple[str, ...]
    one_shot: bool | None
    notes: tuple[str, ...]


def update(target: Target, spec: ContainerSpec, found: ContainerInstalled, release: Release) -> Draft:
    """The steps from the installed version to a release."""
    what = f"cannot update {target.name} to {release.version}"
    host = found.host(spec)
    project = host.project
    engine = host.stack.docker.engine()
    repository = _repository(project, spec, what)
    tag = spec.tag_of(release.version)
    digest = limits.promised_digest(release)
    if release.signed is not None and not digest:
        why = "its signed manifest has no digest for the image, and a tag alone can be moved"
        raise ManifestError(what, why, "publish it with `images` in its description; nothing was changed")
    here = host.stack.docker.image(f"{repository}@{digest}") if digest else None
    remote = None
    if here is None:
        remote = host.stack.docker.remote(str(Reference(repository, "" if digest else tag, digest)), engine)
        digest = digest or remote.digest
    edit = _image_edit(spec, host, project, (tag, digest), what)
    layout = Layout.of(target)
    pull = Pull(
        stack=host.stack,
        layout=layout,
        spec=spec,
        by_digest=f"{repository}@{digest}",
        platform=engine.platform,
        timeout=spec.pull_timeout,
    )
    size = remote.size if remote else 0
    checks = _checks(spec, release)
    return Draft(
        steps=_steps(target, spec, edit, found, release.version, pull, checks),
        downloads=((str(Reference(repository, tag)), size if remote else 0),),
        disk_need=_disk(spec, engine.data_root, size, layout),
        preserved=_untouched(edit),
        notes=(*_differs(found), *edit.notes),
    )


def _untouched(edit: ImageEdit) -> tuple[str, ...]:
    """The files of the project that keep every byte; of those that are edited it is all but the image."""
    stack, edited = edit.host.stack, {each.path for each in edit.edits}
    return tuple(str(path) for path in (*stack.files, *stack.env_files) if path not in edited and path.exists())


def rollback(target: Target, spec: ContainerSpec, found: ContainerInstalled, backup: Backup) -> Draft:
    """The steps back to a kept version; its image is here, no network is needed."""
    what = f"cannot roll {target.name} back to {backup.version}"
    record = read_record(backup.path, Record)
    if record is None or not record.services:
        raise PlanError(what, f"the backup {backup.path} cannot be read", "update to that version instead")
    image, reference = _kept(record, spec, what)
    host = found.host(spec)
    if host.stack.docker.image(image) is None:
        raise PlanError(what, f"its image {reference} no longer exists", "update to that version instead")
    digests = [parsed.digest for name in record.services[0].digests if (parsed := parse(name)) is not None]
    digest = reference.digest or next(iter(digests), "")
    project = host.project
    edit = _image_edit(spec, host, project, (reference.tag, digest), what)
    take = TakeKept(stack=host.stack, image=image)
    version = backup.version or Version("0")
    return Draft(
        steps=_steps(target, spec, edit, found, version, take, _checks(spec, None)),
        notes=(*_differs(found), *edit.notes, "volumes and mounted files stay as they are now"),
    )


def _kept(record: Record, spec: ContainerSpec, what: str) -> tuple[str, Reference]:
    """The one image of a backup."""
    images = {saved.image: saved.reference for saved in record.services}
    image, name = next(iter(images.items()))
    reference = parse(name)
    version = Version.parse(record.version)
    if reference is not None and not spec.owns(reference.repository) and version is not None:
        # Its containers were made by another name, of ours perhaps, which is not for the compose file.
        reference = Reference(spec.image, spec.tag_of(version))
    if len(images) > 1 or reference is None or not (reference.tag or reference.digest):
        names = ", ".join(images.values())
        raise PlanError(what, f"its services had {names}, which is not one named image", "update to it instead")
    return image, reference


def _repository(project: Project, spec: ContainerSpec, what: str) -> str:
    """The repository in the spelling of the compose file, which `docker` commands get as well."""
    image = project.image(spec.services[0])
    reference = parse(image) if isinstance(image, str) else None
    return reference.repository if reference and spec.owns(reference.repository) else spec.image


def _image_edit(spec: ContainerSpec, host: Host, project: Project, to: tuple[str, str], what: str) -> ImageEdit:
    tag, digest = to
    wanted = Wanted(spec.services, spec.image, tag, digest, spec.others)
    edits = plan_edits(project, wanted, what=what)
    if spec.others == "refuse":
        _refuse_unseen(spec, host, what)
    for edit in edits:
        _writable(edit.path, what)
    reference = applied(project, edits).image(spec.services[0])
    assert isinstance(reference, str), "plan_edits has proved it"
    parsed = parse(reference)
    assert parsed is not None, "plan_edits has proved it"
    dependants = sharing(host.config, spec.services)
    with_containers = {each.service for each in host.stack.containers(*dependants)} if dependants else set()
    mine = tuple(name for name in dependants if name in with_containers)
    return ImageEdit(
        host=host,
        edits=edits,
        reference=reference,
        named=str(Reference(parsed.repository, tag)) if tag else "",
        dependants=mine,
        one_shot=_one_shot(spec, host.containers),
        notes=_notes(spec, host, mine, edits),
    )


def _refuse_unseen(spec: ContainerSpec, host: Host, what: str) -> None:
    """Refuse what `plan_edits` does where the other services come from files that it does not read."""
    images = {name: parse(str(about.get("image") or "")) for name, about in host.config["services"].items()}
    others = {name: image.repository for name, image in images.items() if image and name not in spec.services}
    behind = [name for name, repository in others.items() if spec.owns(repository)]
    if behind:
        why = f"{', '.join(behind)} would stay on the old version of {spec.image}, and comes from another file"
        raise PlanError(what, why, 'give all of them the image in the compose file, or set others = "leave"')


def _writable(path: Path, what: str) -> None:
    """Refuse what could not be replaced by a rename."""
    folder = path.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PlanError(what, f"{folder} is not writable by this user", "run the updater as the user who owns it")
    if path in files.mounts_within(folder):
        why = f"{path} is a mount point, so a replaced file would not be visible outside"
        raise PlanError(what, why, f"mount {folder} instead")


def _one_shot(spec: ContainerSpec, containers: tuple[Container, ...]) -> bool | None:
    """Whether the services do something and end: as configured, else as their containers did."""
    if spec.one_shot is not None or not containers:
        return spec.one_shot
    return all(each.finished for each in containers)


def _notes(
    spec: ContainerSpec, host: Host, dependants: tuple[str, ...], edits: tuple[FileEdit, ...]
) -> tuple[str, ...]:
    notes = []
    there = {each.service for each in host.containers}
    for name in spec.services:
        if name not in there:
            notes.append(f"the service {name} has no container; the update creates one")
    stopped = sorted({each.name for each in host.containers if each.status == "exited" and not each.finished})
    if stopped:
        notes.append(f"{', '.join(stopped)} is not running; the update starts it")
    if dependants:
        notes.append(f"{', '.join(dependants)} shares the network of an updated service and is recreated with it")
    if not edits:
        notes.append("the compose file already has the new image; only the containers are recreated")
    return tuple(notes)


def _differs(found: ContainerInstalled) -> tuple[str, ...]:
    return (found.differs,) if found.differs else ()


def _disk(spec: ContainerSpec, root: Path | None, size: int, layout: Layout) -> tuple[tuple[Path, int], ...]:
    need = ((root, size * UNPACKED + spec.reserve_mb * MEBI),) if root else ()
    return (*need, (layout.root.parent.parent, MEBI))


def _steps(
    target: Target,
    spec: ContainerSpec,
    edit: ImageEdit,
    found: ContainerInstalled,
    version: Version,
    image: Pull | TakeKept,
    checks: tuple[Check, ...],
) -> tuple[Step, ...]:
    stack, layout = edit.host.stack, Layout.of(target)
    old = None if found.version is None else str(found.version)
    by_digest = image.by_digest if isinstance(image, Pull) else image.image
    both = spec.start_timeout + STOP
    return (
        Keep(
            stack=stack,
            layout=layout,
            version=old,
            wanted=edit.named or edit.reference,
            wanted_by_digest=by_digest,
            dependants=edit.dependants,
        ),
        image,
        Examine(
            stack=stack,
            edits=edit.edits,
            reference=edit.reference,
            rest=fingerprint(edit.host.config, stack.services),
        ),
        Clear(stack=stack, layout=layout, timeout=both),
        Edit(stack=stack, layout=layout, edits=edit.edits, named=edit.named),
        Up(
            stack=stack,
            dependants=edit.dependants,
            one_shot=edit.one_shot,
            start_timeout=spec.start_timeout,
            scale=dict(Counter(each.service for each in without_leftovers(edit.host.containers))),
            layout=layout,
            timeout=both,
        ),
        Verify(
            stack=stack,
            layout=layout,
            spec=spec,
            one_shot=edit.one_shot,
            checks=checks,
            version=version,
            timeout=60.0 + both + spec.settle_seconds + time_for(checks),
        ),
        Retire(layout=layout, from_version=old),
        Tidy(layout=layout, retention=spec.retention, stack=stack, spec=spec),
    )


def _checks(spec: ContainerSpec, release: Release | None) -> tuple[Check, ...]:
    wanted = () if release is None or release.manifest is None else release.manifest.post_update_checks
    asked = own_names((*wanted, *spec.post_checks))
    if any(isinstance(check, VersionCheck) for check in asked):
        return asked
    return (*asked, VersionCheck(type="version_check"))
