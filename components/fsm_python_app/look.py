"""What a plan has to know of the live tree and of the directory that it is in; found out as the component's user.

Where the app's user may not write in the directory above, only the updater can tell how the trees will be exchanged:
`settle` finds that out in `draft`. Everything else here comes from the user's side, and nothing that the updater does
with its own rights depends on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from fsm.adapter import Installed, Target
from fsm.errors import PlanError
from fsm.kit import bytes_matched, refuse_foreign, refuse_shared, sweep_foreign
from fsm.system import files, inventory
from fsm.system.characters import printable
from fsm_python_app import aside, installed
from fsm_python_app.layout import Layout, patterns
from fsm_python_app.listing import LISTED
from fsm_python_app.spec import PythonAppSpec

MEBI = 1 << 20
Way = Literal["fresh", "exchange", "renames", "copy"]


class Looked(Installed):
    """What is installed, and what the plan needs to know of it.

    Attributes:
        way: how the trees can be exchanged; None if only the updater may try it.
        why_copied: why the live tree cannot be renamed; empty if it can, or nobody has tried.
        preserved: bytes of the files that `preserve` names.
        live: bytes of the whole tree, where it may have to be copied.
        unlisted: local files that neither the installed release nor `preserve` accounts for; the first thousand.
        unlisted_count: how many there are.
    """

    way: Way | None = None
    why_copied: str = ""
    preserved: Annotated[int, Field(ge=0)] = 0
    live: Annotated[int, Field(ge=0)] = 0
    unlisted: Annotated[tuple[str, ...], Field(max_length=LISTED)] = ()
    unlisted_count: Annotated[int, Field(ge=0)] = 0


def look(target: Target, spec: PythonAppSpec, installed: Installed, *, for_release: bool) -> Looked:
    """Look at the live tree, as whoever owns it.

    Args:
        for_release: whether a release is to replace it, and not a kept version.

    Raises:
        PlanError: it cannot be updated as it is.
    """
    live = spec.install_path
    if live.is_symlink():
        where = os.path.realpath(live)
        raise _refused(target, f"{live} is a symbolic link to {where}", f"set install_path to {where}")
    _refuse_archive(target, spec)
    refuse_shared(target, live, Layout.of(live).root)
    known = {name: getattr(installed, name) for name in Installed.model_fields}
    may_rename = os.access(live.parent, os.W_OK | os.X_OK)
    if not live.is_dir():
        return Looked(**known, way="fresh" if may_rename else None)
    inner = _mounts(target, spec)
    why = f"{inner[0]} is a mount point" if inner else ""
    way, why = tried(target, live, why) if may_rename else (None, why)
    refuse_foreign(target, live, patterns(spec.preserve))
    unlisted = list(_unlisted(spec, Layout.of(live))) if for_release else []
    return Looked(
        **known,
        way=way,
        why_copied=why,
        preserved=bytes_matched(live, patterns(spec.preserve)),
        live=files.tree_size(live)[0] if way in (None, "copy") else 0,
        unlisted=tuple(printable(path) for path in unlisted[:LISTED]),
        unlisted_count=len(unlisted),
    )


def sweep(spec: PythonAppSpec) -> None:
    """Remove what killed updaters have left beside the app; not for `fsm doctor`, as a thousand may lie together."""
    above = spec.install_path.parent
    if os.access(above, os.W_OK | os.X_OK):
        sweep_foreign(above)


def tried(target: Target, live: Path, why: str) -> tuple[Way, str]:
    """How trees can be exchanged in the directory above the live one; and why that takes copies, if it does.

    Args:
        why: what is known to be in the way.

    Raises:
        PlanError: they can be neither exchanged nor copied.
    """
    # With a mount point in it a rename would succeed, and take the mount along: the app would go on with a copy.
    found = files.why_not_renamable(live) or why
    if not found:
        return ("exchange" if files.can_exchange(live.parent) else "renames"), ""
    if not os.access(live, os.W_OK | os.X_OK):
        # An immutable directory, or a read-only mount: not even root writes there, and nothing could go back.
        why = f"{live} can neither be renamed nor written: {found}"
        raise _refused(target, why, "see `lsattr -d` and `findmnt`, and make it writable")
    return "copy", found


def _refuse_archive(target: Target, spec: PythonAppSpec) -> None:
    """The archive is written as the app's user, too: what is in it is that user's."""
    if spec.backup != "archive" or spec.backup_dir is None:
        return
    place = next(each for each in (spec.backup_dir, *spec.backup_dir.parents) if each.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        why = f"backup_dir is {spec.backup_dir}, and the app's user (number {os.geteuid()}) may not write to {place}"
        raise _refused(target, why, f"make it, and `chown {os.geteuid()}` it")


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
        raise _refused(target, f"{what} {why}", todo)
    return found


def _unlisted(spec: PythonAppSpec, layout: Layout) -> Iterator[str]:
    """Files beside those of the installed release; unknown, and said after unpacking, where it came by hand."""
    brought = installed.brought(layout.installed)
    if not brought:
        return
    preserve = patterns(spec.preserve)
    for entry in inventory.scan(layout.live, skip=lambda path: str(path) == spec.environment.link, hash=False):
        path = PurePosixPath(entry.path)
        ours = entry.kind == "dir" or installed.explains(brought, entry) or aside.is_cache(path)
        if not ours and not preserve.match(path, is_dir=entry.kind == "symlink"):
            yield entry.path


def _refused(target: Target, why: str, todo: str) -> PlanError:
    return PlanError(f"cannot update {target.name}", why, todo)
