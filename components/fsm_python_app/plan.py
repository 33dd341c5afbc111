"""The plan of a Python app: which steps, in which order, at which cost. Looks at the host, changes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from fsm.adapter import Backup, Draft, Installed, Step, Target
from fsm.errors import PlanError
from fsm.formats.checkspec import Check, ServiceActive, VersionCheck
from fsm.formats.manifest import Artifact
from fsm.formats.releases import Release
from fsm.kit import Download, ServiceUnit, StartService, StopService, bytes_matched, own_names, sweep_foreign, time_for
from fsm.model import Version
from fsm.system import files, inventory
from fsm_python_app import aside, finish
from fsm_python_app.environment import BuildEnvironment
from fsm_python_app.finish import Retire, Tidy
from fsm_python_app.keep import Keep
from fsm_python_app.layout import Layout, patterns
from fsm_python_app.spec import PythonAppSpec
from fsm_python_app.swap import CarryOver, CopyIn, CopyOut, Exchange, MoveIn, MoveOut, Prepare
from fsm_python_app.take_kept import TakeKept
from fsm_python_app.unpack import Unpack, count, shown
from fsm_python_app.verify import Migrate, Verify

MEBI = 1 << 20

NOTABLE = 64 * MEBI
"""Bytes of preserved files from which on the plan says that copying them takes time."""

Way = Literal["fresh", "exchange", "renames", "copy"]


@dataclass(frozen=True)
class Facts:
    """What the plan has to know about the host."""

    way: Way
    note: str
    service: ServiceUnit
    preserved: int
    live: int


def look(target: Target, spec: PythonAppSpec) -> Facts:
    """Find out how the trees can be exchanged here, and what runs."""
    live = spec.install_path
    if live.is_symlink():
        where = os.path.realpath(live)
        raise PlanError(
            f"cannot update {target.name}",
            f"{live} is a symbolic link to {where}",
            f"set install_path to {where}",
        )
    if not os.access(live.parent, os.W_OK | os.X_OK):
        raise PlanError(
            f"cannot update {target.name}",
            f"{live.parent} is not writable by this user, and the new version is unpacked there",
            "run the updater as the user who owns it",
        )
    sweep_foreign(live.parent)
    service = ServiceUnit.look(target.name, spec.service, target)
    if not live.is_dir():
        return Facts("fresh", "", service, 0, 0)
    way, note = _way(target, spec)
    preserved = bytes_matched(live, patterns(spec.preserve))
    size = files.tree_size(live)[0] if way == "copy" else 0
    if way == "copy":
        note += f"; {size // MEBI} MiB are copied, part of it while the service is down"
    return Facts(way, note, service, preserved, size)


def _way(target: Target, spec: PythonAppSpec) -> tuple[Way, str]:
    inner = _mounts(target, spec)
    why = files.why_not_renamable(spec.install_path)
    if why is None and inner:
        # A rename would succeed, and take the mount along: the app would go on with a copy of what is mounted there.
        why = f"{inner[0]} is a mount point"
    if why is not None:
        if not os.access(spec.install_path, os.W_OK | os.X_OK):
            # An immutable directory, or a read-only mount: not even root writes there, and nothing could go back.
            raise PlanError(
                f"cannot update {target.name}",
                f"{spec.install_path} can neither be renamed nor written: {why}",
                "see `lsattr -d` and `findmnt`, and make it writable",
            )
        return "copy", f"the tree is replaced by copying because {why}"
    if files.can_exchange(spec.install_path.parent):
        return "exchange", ""
    return "renames", "the file system cannot exchange directories; two renames leave a short moment without a tree"


def _mounts(target: Target, spec: PythonAppSpec) -> list[Path]:
    """The mount points inside the live tree: all of them hold files to preserve, which can be written there.

    Raises:
        PlanError: another one is there; a release would replace what is mounted, or fail half way.
    """
    live = spec.install_path.parent.resolve() / spec.install_path.name
    preserve = patterns(spec.preserve)
    found = [point for point in files.mounts_within(live) if point != live]
    for point in found:
        what, todo = f"{point} is a mount point inside of the app", "mount it elsewhere, or unmount it for the update"
        if not preserve.match(PurePosixPath(point.relative_to(live)), is_dir=point.is_dir()):
            why, todo = "that `preserve` does not name", "name it in preserve, or mount it elsewhere"
        elif not point.is_dir():
            why = "that is a file and cannot be replaced"
        elif not os.access(point, os.W_OK):
            why = "that cannot be written"
        else:
            continue
        raise PlanError(f"cannot update {target.name}", f"{what} {why}", todo)
    return found


def update(
    target: Target, spec: PythonAppSpec, installed: Installed, release: Release, artifact: Artifact, facts: Facts
) -> Draft:
    """The steps from the installed version to a release."""
    layout = Layout.of(spec.install_path)
    old = None if installed.version is None else str(installed.version)
    is_wheel = artifact.name.endswith(".whl")
    migrate = _migration(spec)
    steps: list[Step] = [
        _keep(spec, layout, old, facts),
        Download(
            artifact=artifact,
            source=target.source,
            directory=layout.download,
            timeout=3600.0,
        ),
        Unpack(
            layout=layout,
            filename=artifact.name,
            version=release.version,
            version_file=spec.version.file,
            preserve=spec.preserve,
            environment_link=spec.environment.link,
            unlisted=spec.unlisted,
            max_bytes=spec.max_unpacked_mb * MEBI,
            reserve=spec.reserve_mb * MEBI,
        ),
        BuildEnvironment(
            layout=layout,
            environment=spec.environment,
            from_wheel=is_wheel,
            max_bytes=spec.max_unpacked_mb * MEBI,
            timeout=spec.environment.timeout,
        ),
        *_swap(spec, layout, facts, carry=True, middle=migrate),
        _verify(target, spec, release),
        Retire(layout=layout, from_version=old, to_version=release.version),
        Tidy(layout=layout, retention=spec.retention, environment_link=spec.environment.link),
    ]
    size = artifact.size or 0
    # The archive, four times its size unpacked (gzip of source text), and as much again for an environment.
    need = size * 9 + facts.preserved * 2 + facts.live + spec.reserve_mb * MEBI
    return Draft(
        steps=tuple(steps),
        downloads=((artifact.name, artifact.size),),
        disk_need=((layout.live.parent, need),),
        preserved=spec.preserve,
        notes=(*_costs(facts), *_local_files(spec, layout)),
    )


def _costs(facts: Facts) -> tuple[str, ...]:
    """What makes the downtime longer than a stop and a start."""
    notes: tuple[str, ...] = (facts.note,) if facts.note else ()
    if facts.preserved >= NOTABLE:
        notes += (f"{facts.preserved // MEBI} MiB of preserved files are copied while the service is down",)
    return notes


def _local_files(spec: PythonAppSpec, layout: Layout) -> tuple[str, ...]:
    """Files beside those of the installed release; unknown, and said after unpacking, where it came by hand."""
    known = set(finish.installed_list(layout)[1])
    if not known or not layout.live.is_dir():
        return ()
    preserve = patterns(spec.preserve)
    found = [
        entry.path
        for entry in inventory.take(layout.live, skip=lambda path: str(path) == spec.environment.link, hash=False)
        if entry.kind != "dir"
        and entry.path not in known
        and not aside.is_cache(PurePosixPath(entry.path))
        and not preserve.match(PurePosixPath(entry.path), is_dir=entry.kind == "symlink")
    ]
    fate = "stop the update" if spec.unlisted == "refuse" else "stay in the backup"
    return (f"{count(found)} covered by neither a release nor `preserve`: {shown(found)}; such {fate}",) * bool(found)


def rollback(target: Target, spec: PythonAppSpec, installed: Installed, backup: Backup, facts: Facts) -> Draft:
    """The steps back to a kept version: no network, and no disk but for copies of the preserved files."""
    layout = Layout.of(spec.install_path)
    version = backup.version or Version("0")
    old = None if installed.version is None else str(installed.version)
    steps: list[Step] = [
        _keep(spec, layout, old, facts),
        TakeKept(layout=layout, backup=backup.path),
        *_swap(spec, layout, facts, carry=False, middle=[]),
        _verify(target, spec, Release(version=version)),
        Retire(layout=layout, from_version=old, to_version=version, restored=backup.path),
        Tidy(layout=layout, retention=spec.retention, environment_link=spec.environment.link),
    ]
    back = f"preserved files go back to what they were when {version} was stopped ({backup.made_at})"
    now = f"those of {old or 'the present version'} stay in its backup"
    notes = (f"{back}; {now}",) if spec.preserve else ()
    return Draft(
        steps=tuple(steps),
        disk_need=((layout.live.parent, facts.preserved * 2 + facts.live),),
        notes=(*notes, facts.note) if facts.note else notes,
    )


def _keep(spec: PythonAppSpec, layout: Layout, old: str | None, facts: Facts) -> Keep:
    return Keep(
        layout=layout,
        preserve=spec.preserve,
        version=old,
        service_active=facts.service.was_active,
        skip=spec.environment.link,
        archive_dir=spec.backup_dir if spec.backup == "archive" else None,
        timeout=3600.0,
    )


def _swap(spec: PythonAppSpec, layout: Layout, facts: Facts, *, carry: bool, middle: list[Step]) -> list[Step]:
    copies: dict[Way, list[Step]] = {
        "fresh": [MoveIn(layout=layout)],
        "exchange": [Exchange(layout=layout)],
        "renames": [MoveOut(layout=layout), MoveIn(layout=layout)],
        "copy": [CopyIn(layout=layout, environment_link=spec.environment.link, timeout=3600.0)],
    }
    before: list[Step] = [CopyOut(layout=layout, timeout=3600.0)] if facts.way == "copy" else []
    carried: list[Step] = [CarryOver(layout=layout, preserve=spec.preserve)] if carry and spec.preserve else []
    return [
        *before,
        Prepare(layout=layout, furnish=carry),
        StopService(services=(facts.service,)),
        *carried,
        *copies[facts.way],
        *middle,
        StartService(services=(facts.service,)),
    ]


def _migration(spec: PythonAppSpec) -> list[Step]:
    if spec.migration is None:
        return []
    layout = Layout.of(spec.install_path)
    migration = spec.migration
    return [
        Migrate(layout=layout, migration=migration, environment_link=spec.environment.link, timeout=migration.timeout)
    ]


def _verify(target: Target, spec: PythonAppSpec, release: Release) -> Verify:
    checks = own_names((*(release.manifest.post_update_checks if release.manifest else ()), *spec.post_checks))
    always: tuple[Check, ...] = (
        ServiceActive(type="service_active"),
        VersionCheck(type="version_check"),
    )
    missing = tuple(check for check in always if check.type not in {given.type for given in checks})
    ordered = (*(check for check in missing if check.type == "service_active"), *checks)
    ordered += tuple(check for check in missing if check.type == "version_check")
    timeout = 60.0 + time_for(ordered, spec.settle_seconds)
    return Verify(spec=spec, checks=ordered, version=release.version, state_dir=target.state_dir, timeout=timeout)
