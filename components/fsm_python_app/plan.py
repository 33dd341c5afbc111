"""The plan of a Python app: which steps, in which order, at which cost; from what `look` has found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from fsm.adapter import Backup, Draft, Step, Target, User
from fsm.errors import PlanError
from fsm.formats.artifacts import Artifact
from fsm.formats.checkspec import Check, ServiceActive, VersionCheck
from fsm.kit import (
    Download,
    MakePlaces,
    ServiceUnit,
    Staging,
    StartService,
    StopService,
    Unstage,
    own_names,
    sweep_foreign,
    time_for,
)
from fsm.model import Version
from fsm.system import trusted
from fsm_python_app.data_steps import CarryBack, SetAsideData
from fsm_python_app.environment import BuildEnvironment
from fsm_python_app.finish import Retire, Tidy
from fsm_python_app.keep import Keep
from fsm_python_app.layout import Layout
from fsm_python_app.listing import shown
from fsm_python_app.look import MEBI, Looked, Way, tried
from fsm_python_app.moves import Exchange, MoveIn, MoveOut
from fsm_python_app.spec import PythonAppSpec
from fsm_python_app.swap import CarryOver, CopyIn, CopyOut, Prepare
from fsm_python_app.take_kept import TakeKept
from fsm_python_app.unpack import Unpack, count
from fsm_python_app.verify import Migrate, Verify

if TYPE_CHECKING:
    from fsm.formats.releases import Release

NOTABLE = 64 * MEBI
"""Bytes of preserved files from which on the plan says that copying them takes time."""


class Facts(NamedTuple):
    """What the plan is made of, beside the configuration and the release.

    Attributes:
        looked: what the user's side has found.
        way: how the trees are exchanged.
        note: what people should know of that; may be empty.
        service: the app's service, as it is now.
        mover: whose trees the updater moves in a directory of root's; None if their owner moves them.
    """

    looked: Looked
    way: Way
    note: str
    service: ServiceUnit
    mover: User | None


def settle(target: Target, spec: PythonAppSpec, looked: Looked) -> Facts:
    """What the user's side could not find out: the service, and what only the updater may do.

    Raises:
        PlanError: nobody can exchange the trees safely; says what to change.
    """
    service = ServiceUnit.look(target.name, spec.service, target)
    if looked.way is not None:
        return Facts(looked, looked.way, note(looked.way, looked.why_copied, looked.live), service, None)
    live, mover = spec.install_path, target.user
    refuse_place(target, spec)
    sweep_foreign(live.parent)
    way, why = tried(target, live, looked.why_copied) if live.is_dir() else ("fresh", "")
    return Facts(looked, way, note(way, why, looked.live), service, mover)


def refuse_place(target: Target, spec: PythonAppSpec) -> None:
    """Refuse a directory in which the app's user may not write, if the updater cannot do it safely instead.

    Raises:
        PlanError: the updater may not write there either, or others may.
    """
    above, user, what = spec.install_path.parent, target.user, f"cannot update {target.name}"
    if user is None:
        why = f"{above} is not writable by this user, and the new version is unpacked there"
        raise PlanError(what, why, "run the updater as the user who owns it")
    if found := trusted.doubt(above):
        why = f"user {user.name} cannot write to {above}, and {found.why}"
        raise PlanError(what, why, f"{found.todo}, or `chown {user.name} {above}`")


def note(way: Way, why: str, live: int) -> str:
    """What people should know of the way that the trees are exchanged; empty if there is nothing."""
    if way == "copy":
        copied = f"{live // MEBI} MiB are copied, part of it while the service is down"
        return f"the tree is replaced by copying because {why}; {copied}"
    if way == "renames":
        return "the file system cannot exchange directories; two renames leave a short moment without a tree"
    return ""


def update(target: Target, spec: PythonAppSpec, looked: Looked, release: Release, artifact: Artifact) -> Draft:
    """The steps from the installed version to a release."""
    layout, facts = Layout.of(spec.install_path), settle(target, spec, looked)
    old = None if looked.version is None else str(looked.version)
    is_wheel = artifact.name.endswith(".whl")
    migrate, staging = _migration(spec), Staging.of(target)
    directory = layout.download if staging is None else staging.run
    steps: list[Step] = [
        *_keep(spec, layout, old, facts),
        Download(artifact=artifact, source=target.source, directory=directory, staging=staging, timeout=3600.0),
        Unpack(
            layout=layout,
            directory=directory,
            filename=artifact.name,
            version=release.version,
            version_file=spec.version.file,
            preserve=spec.preserve,
            environment_link=spec.environment.link,
            requirements=spec.environment.requirements,
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
        *_swap(spec, layout, facts, carry="over", middle=migrate),
        verify(target, spec, release.version, release),
        Retire(layout=layout, from_version=old, to_version=release.version),
        Tidy(layout=layout, retention=spec.retention, environment_link=spec.environment.link),
        *([] if staging is None else [Unstage(staging=staging)]),
    ]
    size = artifact.size or 0
    # The archive, four times its size unpacked (gzip of source text), and as much again for an environment.
    need = size * 9 + facts.looked.preserved * 2 + facts.looked.live + spec.reserve_mb * MEBI
    return Draft(
        steps=tuple(steps),
        downloads=((artifact.name, artifact.size),),
        disk_need=((layout.live.parent, need),),
        preserved=spec.preserve,
        notes=(*_whose(target, layout), *_costs(facts), *_local_files(spec, looked)),
    )


def _whose(target: Target, layout: Layout) -> tuple[str, ...]:
    """What it means that the app is somebody else's."""
    if target.user is None:
        return ()
    whose = f"everything in {layout.live} and {layout.root} is done as user {target.user.name}"
    return (f"{whose}, who can spoil this app and nothing else",)


def _costs(facts: Facts) -> tuple[str, ...]:
    """What makes the downtime longer than a stop and a start."""
    notes: tuple[str, ...] = (facts.note,) if facts.note else ()
    if facts.looked.preserved >= NOTABLE:
        notes += (f"{facts.looked.preserved // MEBI} MiB of preserved files are copied while the service is down",)
    return notes


def _local_files(spec: PythonAppSpec, looked: Looked) -> tuple[str, ...]:
    """What happens to local files; unknown, and said after unpacking, if no updater has installed the app."""
    fate = "stop the update" if spec.unlisted == "refuse" else "stay in the backup"
    number, some = looked.unlisted_count, shown(looked.unlisted, looked.unlisted_count)
    return (f"{count(number)} covered by neither a release nor `preserve`: {some}; such {fate}",) * bool(number)


def rollback(target: Target, spec: PythonAppSpec, looked: Looked, backup: Backup) -> Draft:
    """The steps back to a kept version: no network, and no disk but for copies of the preserved files."""
    layout, facts = Layout.of(spec.install_path), settle(target, spec, looked)
    version = backup.version or Version("0")
    old = None if looked.version is None else str(looked.version)
    keeping = backup.data == "keep"
    steps: list[Step] = [
        *_keep(spec, layout, old, facts),
        TakeKept(layout=layout, backup=backup.path),
        *_data_kept(spec, layout, backup),
        *_swap(spec, layout, facts, carry="back" if keeping else "no", middle=[]),
        verify(target, spec, version, None),
        Retire(
            layout=layout,
            from_version=old,
            to_version=version,
            restored=backup.path,
            takes_data=bool(spec.preserve) and not keeping,
        ),
        Tidy(layout=layout, retention=spec.retention, environment_link=spec.environment.link),
    ]
    # The version that is left becomes a backup with all that is preserved in it.
    present = layout.backups / f"{old or 'unknown'}@{{run}}" / ("old" if facts.way in ("renames", "copy") else "tree")
    return Draft(
        steps=tuple(steps),
        disk_need=((layout.live.parent, facts.looked.preserved * 2 + facts.looked.live),),
        data_kept_in=str(layout.data / "{run}" / "files" if keeping else present),
        notes=(*_whose(target, layout), *(_costs(facts) if keeping else [facts.note] if facts.note else [])),
    )


def _keep(spec: PythonAppSpec, layout: Layout, old: str | None, facts: Facts) -> list[Step]:
    keep = Keep(
        layout=layout,
        preserve=spec.preserve,
        version=old,
        service_active=facts.service.was_active,
        skip=spec.environment.link,
        archive_dir=spec.backup_dir if spec.backup == "archive" else None,
        timeout=3600.0,
    )
    return [keep] if facts.mover is None else [MakePlaces(user=facts.mover, root=layout.root), keep]


def _data_kept(spec: PythonAppSpec, layout: Layout, backup: Backup) -> list[Step]:
    """What makes room in the kept tree for the present preserved files, where these are to stay."""
    if backup.data != "keep" or not spec.preserve:
        return []
    version = None if backup.version is None else str(backup.version)
    return [SetAsideData(layout=layout, preserve=spec.preserve, where="kept", version=version)]


def _swap(
    spec: PythonAppSpec, layout: Layout, facts: Facts, *, carry: Literal["over", "back", "no"], middle: list[Step]
) -> list[Step]:
    copies: dict[Way, list[Step]] = {
        "fresh": [MoveIn(layout=layout, mover=facts.mover)],
        "exchange": [Exchange(layout=layout, mover=facts.mover)],
        "renames": [MoveOut(layout=layout, mover=facts.mover), MoveIn(layout=layout, mover=facts.mover)],
        "copy": [CopyIn(layout=layout, environment_link=spec.environment.link, timeout=3600.0)],
    }
    before: list[Step] = [CopyOut(layout=layout, timeout=3600.0)] if facts.way == "copy" else []
    carried: list[Step] = []
    if carry != "no" and spec.preserve:
        carried = [(CarryOver if carry == "over" else CarryBack)(layout=layout, preserve=spec.preserve)]
    return [
        *before,
        Prepare(layout=layout, furnish=carry == "over"),
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


def verify(target: Target, spec: PythonAppSpec, version: Version, release: Release | None) -> Verify:
    """The checks of a version; `release` has some of its own."""
    wanted = () if release is None or release.manifest is None else release.manifest.post_update_checks
    checks = own_names((*wanted, *spec.post_checks))
    always: tuple[Check, ...] = (
        ServiceActive(type="service_active"),
        VersionCheck(type="version_check"),
    )
    missing = tuple(check for check in always if check.type not in {given.type for given in checks})
    ordered = (*(check for check in missing if check.type == "service_active"), *checks)
    ordered += tuple(check for check in missing if check.type == "version_check")
    timeout = 60.0 + time_for(ordered, spec.settle_seconds)
    asked = target.model_copy(update={"source": {}})
    return Verify(target=asked, spec=spec, checks=ordered, version=version, timeout=timeout)
