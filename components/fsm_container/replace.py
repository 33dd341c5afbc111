"""Changing a file of people's by one rename, and back by one: the old file stays beside it until the run is over.

Going back needs no room then: a version that does not work may have filled the disk, and its logs often lie beside the
compose file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fsm.adapter import StepContext
from fsm.system import faults, files, regular
from fsm_container.layout import SavedFile
from fsm_container.splice import FileEdit, digest
from fsm_container.stack import FILE_LIMIT

LOCK_POLL: Final = 0.05
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def put(edit: FileEdit, locks: Path, ctx: StepContext) -> bool:
    """Have a file changed; False where the line that changes is not there any more.

    Args:
        locks: the directory of all components of this type: a lock that no other user can hold, and a full disk no
            obstacle to.
    """
    with _alone(locks, ctx):
        if not write_beside(edit, ctx):
            return False
        faults.point("container.edit.written")
        _keep_old(edit, ctx)
        beside(edit.path, ctx).replace(edit.path)
        faults.point("container.edit.renamed")
        files.sync_dir(edit.path.parent)
    return True


def put_back(edit: FileEdit, saved: SavedFile, place: Path, ctx: StepContext, *, known: bool) -> list[str]:
    """The old file, with its time; of a file that others changed as well, only our own line. Says what was odd.

    Args:
        saved: the file as it was when the run began.
        place: the run's directory, with the copy of it.
        known: whether the file is known to have been changed by this run; else it may have come to that, or not.
    """
    with _alone(place.parent.parent, ctx):
        beside(edit.path, ctx).unlink(missing_ok=True)
        now = _digest(_read(edit.path))
        # What somebody else has made of a file that we have not changed is theirs.
        ours = known or now == edit.after or _has_old(edit.path, ctx)
        notes = _restore(edit, saved, place, ctx) if ours and now != edit.before else []
        old_beside(edit.path, ctx.component).unlink(missing_ok=True)
        return notes


def beside(path: Path, ctx: StepContext) -> Path:
    """Where the changed file is made."""
    return path.with_name(f".{path.name}.fsm-{ctx.component}")


def old_beside(path: Path, component: str) -> Path:
    """Where the old file is while a run may go back."""
    return path.with_name(f".{path.name}.fsm-{component}.old")


def write_beside(edit: FileEdit, ctx: StepContext) -> bool:
    """The changed file under a name of its own; False where the line that changes is not there any more."""
    changed = edit.forward(_read(edit.path))
    if changed is None:
        return False
    _write(edit.path, changed, ctx)
    return True


def _restore(edit: FileEdit, saved: SavedFile, place: Path, ctx: StepContext) -> list[str]:
    data = _read(edit.path)
    notes: list[str] = []
    old = _read(old_beside(edit.path, ctx.component))
    if data is None or (digest(data) == edit.after and saved.sha256 == edit.before):
        if old is not None and digest(old) == saved.sha256:
            old_beside(edit.path, ctx.component).replace(edit.path)
        else:
            _copy_back(edit.path, saved, place, ctx)
    elif old is not None and edit.forward(old) == data:
        old_beside(edit.path, ctx.component).replace(edit.path)
        notes.append(f"{edit.path} was changed during the update; only the image in it went back")
    elif (back := edit.backward(data)) is not None:
        _write(edit.path, back, ctx)
        beside(edit.path, ctx).replace(edit.path)
        notes.append(f"{edit.path} was changed during the update; only the image in it went back")
    else:
        aside = edit.path.with_name(f"{edit.path.name}.run-{ctx.run_id}")
        if not aside.exists():
            files.copy_entry(edit.path, aside, durable=True)
        _copy_back(edit.path, saved, place, ctx)
        notes.append(f"{edit.path} was changed during the update; what it said then is kept as {aside}")
    faults.point("container.edit.restored")
    files.sync_dir(edit.path.parent)
    return notes


def _keep_old(edit: FileEdit, ctx: StepContext) -> None:
    """The file as it is gets a second name; not where it is the changed one, after a crash."""
    now, name = _digest(_read(edit.path)), old_beside(edit.path, ctx.component)
    if now is None or now == edit.after:
        return
    name.unlink(missing_ok=True)
    try:
        os.link(edit.path, name)
    except OSError:  # there are no links, or not for this user
        files.copy_entry(edit.path, name)
    faults.point("container.edit.old_kept")


def _has_old(path: Path, ctx: StepContext) -> bool:
    """Whether the old file is beside it, and is no longer the one that is there."""
    with suppress(FileNotFoundError):
        return not old_beside(path, ctx.component).samefile(path)
    return old_beside(path, ctx.component).exists()


def _copy_back(path: Path, saved: SavedFile, place: Path, ctx: StepContext) -> None:
    if saved.sha256 is None:
        path.unlink(missing_ok=True)
        return
    copy = place / saved.copy_name
    try:
        files.copy_entry(copy, path, durable=True)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        # Then the copy itself, which has all that the file had; on another file system that cannot be.
        new = beside(path, ctx)
        new.unlink(missing_ok=True)
        try:
            os.link(copy, new)
        except OSError:
            raise error from None
        new.replace(path)


def _write(path: Path, data: bytes, ctx: StepContext) -> None:
    """Bytes beside a file, with its owner and mode, durable; never through a link that took the name meanwhile."""
    new = beside(path, ctx)
    if path.exists():
        files.copy_entry(path, new)
    else:
        new.unlink(missing_ok=True)
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644))
    with open(os.open(new, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK), "wb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise OSError(errno.EMLINK, "somebody else has put something there", str(new))
        os.ftruncate(file.fileno(), 0)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> bytes | None:
    try:
        return regular.read(path, FILE_LIMIT, follow=True)
    except FileNotFoundError:
        return None


def _digest(data: bytes | None) -> str | None:
    return None if data is None else digest(data)


@contextmanager
def _alone(locks: Path, ctx: StepContext) -> Iterator[None]:
    """Nobody else of us changes compose files: two components may share one. Nobody else can hold this lock."""
    import fcntl  # noqa: PLC0415 - not on Windows

    descriptor = os.open(locks, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                ctx.sleep(LOCK_POLL)
        yield
    finally:
        os.close(descriptor)
