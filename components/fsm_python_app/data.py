"""The preserved files of earlier times: what changed since a version was replaced, and what can be brought back."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from fsm import kit
from fsm.adapter import NAMED, Backup, DataChanges, KeptData
from fsm.kit import read_record
from fsm.model import Version
from fsm.system import files, regular
from fsm.system.characters import printable
from fsm.system.digest import Check, no_check
from fsm.system.files.content import same_bytes
from fsm_python_app.keep import BackupRecord
from fsm_python_app.layout import Layout, RunPaths, patterns
from fsm_python_app.spec import PythonAppSpec


class DataRecord(kit.BackupRecord):
    """What was set aside: the preserved files of `version`, as they were when `run` replaced them.

    Attributes:
        preserve: the patterns that named them.
        partial: whether they are single files, and not all that there were.
    """

    preserve: tuple[str, ...]
    partial: bool = False


def changes(spec: PythonAppSpec, backup: Backup, *, check: Check = no_check) -> DataChanges:
    """What became of the preserved files since a kept version was replaced."""
    live, tree = spec.install_path, RunPaths(root=backup.path).old_version
    now, then = set(singles(live, spec.preserve)), set(singles(tree, spec.preserve))
    count, size = 0, 0
    names: list[str] = []
    for path in sorted(now | then):
        check()
        if path in now and path in then and _is_same(live, tree, path, check):
            continue
        count += 1
        size += _size(live / path) if path in now else 0
        if len(names) < NAMED:
            names.append(printable(path))
    return DataChanges(count=count, size=size, names=tuple(names))


def _is_same(live: Path, tree: Path, path: PurePosixPath, check: Check) -> bool:
    """Whether the copy that was carried over is as it was: by its size and time, or, if it was touched, its bytes."""
    try:
        now, then = (live / path).lstat(), (tree / path).lstat()
        if (now.st_mode, now.st_uid, now.st_gid) != (then.st_mode, then.st_uid, then.st_gid):
            return False
        if stat.S_ISLNK(now.st_mode):
            return os.readlink(live / path) == os.readlink(tree / path)
        if not stat.S_ISREG(now.st_mode):
            return True
        if now.st_size != then.st_size or now.st_mtime_ns == then.st_mtime_ns:
            return now.st_size == then.st_size
        with regular.beneath(live, path) as one, regular.beneath(tree, path) as other:
            return same_bytes(one, other, check)
    except OSError:  # what runs there has just replaced it, or nobody may read it
        return False


def _size(path: Path) -> int:
    try:
        found = path.lstat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def kept(spec: PythonAppSpec) -> list[KeptData]:
    """All that can be brought back, newest first; of one run what was set aside comes first."""
    layout = Layout.of(spec.install_path)
    found = [*_set_aside(layout, spec.preserve), *_of_versions(layout, spec.preserve), *_written(layout, spec.preserve)]
    known: set[int] = set()
    named = []
    for each in found:
        named.append(each.model_copy(update={"id": f"{each.run}-{each.why}"}) if each.run in known else each)
        known.add(each.run)
    return sorted(named, key=lambda each: each.run, reverse=True)


def _set_aside(layout: Layout, preserve: tuple[str, ...]) -> Iterator[KeptData]:
    for place, run in _numbered(layout.data):
        # One that lost its record is shown all the same: what is in it is somebody's.
        record = read_record(place, DataRecord) or DataRecord(
            run=run, version=None, made_at=_time_of(place), preserve=preserve, partial=True
        )
        number, size = _counted(place / "files", patterns(record.preserve).find(place / "files"))
        if number:
            yield KeptData(
                id=str(run),
                run=run,
                version=Version.parse(record.version),
                made_at=record.made_at,
                why="set_aside",
                path=place / "files",
                files=number,
                size=size,
                partial=record.partial,
                preserve=record.preserve,
            )


def _of_versions(layout: Layout, preserve: tuple[str, ...]) -> Iterator[KeptData]:
    for place, record in layout.records(BackupRecord):
        tree = RunPaths(root=place).old_version
        number, size = _counted(tree, patterns(preserve).find(tree))
        if number:
            yield KeptData(
                id=str(record.run),
                run=record.run,
                version=Version.parse(record.version),
                made_at=record.made_at,
                why="version",
                path=tree,
                files=number,
                size=size,
                preserve=preserve,
            )


def _written(layout: Layout, preserve: tuple[str, ...]) -> Iterator[KeptData]:
    for place, run in _numbered(layout.aside):
        number, size = _counted(place, patterns(preserve).find(place))
        if number:
            yield KeptData(
                id=str(run),
                run=run,
                version=None,
                made_at=_time_of(place),
                why="written",
                path=place,
                files=number,
                size=size,
                partial=True,
                preserve=preserve,
            )


def _numbered(place: Path) -> Iterator[tuple[Path, int]]:
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        if path.name.isascii() and path.name.isdigit() and path.is_dir():
            yield path, int(path.name)


def _counted(root: Path, paths: Iterable[PurePosixPath]) -> tuple[int, int]:
    """How many files these are, and their bytes."""
    number = size = 0
    for path in paths:
        if _is_single(root / path):
            number, size = number + 1, size + _size(root / path)
    return number, size


def _time_of(place: Path) -> str:
    return datetime.fromtimestamp(place.stat().st_mtime, UTC).isoformat(timespec="seconds")


def tops(root: Path, preserve: tuple[str, ...]) -> list[PurePosixPath]:
    """What patterns name in a tree; a directory stands for all that is in it."""
    return [path for path, _ in patterns(preserve).tops(root)] if root.is_dir() else []


def singles(root: Path, preserve: tuple[str, ...]) -> list[PurePosixPath]:
    """The single files and links that patterns name in a tree."""
    found = patterns(preserve).find(root) if root.is_dir() else ()
    return [path for path in found if not files.is_leftover(path.name) and _is_single(root / path)]


def _is_single(path: Path) -> bool:
    return path.is_symlink() or not path.is_dir()
