"""What would make updates on this host fail: configuration, user, state directory, disk, clock, journal, components.

Every check reports; none raises, so that a damaged journal or a broken adapter hides nothing else. Nothing is changed,
but for a probe that is made and removed in the state directory.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Final, Literal

from fsm.adapter import Finding, Registry, User
from fsm.engine import plan as plans
from fsm.engine.journal import Journal, Run
from fsm.engine.locks import ComponentLock
from fsm.engine.questions import Questions
from fsm.engine.worker import Workers
from fsm.errors import FsmError, TrustError, count
from fsm.formats.timestamps import moment
from fsm.host import trusting
from fsm.host.admission import Admission
from fsm.host.boot import installing
from fsm.host.component_users import ROOT, target_of, workers_of
from fsm.host.config import Component, Config
from fsm.host.places import default_state_dir
from fsm.lifecycle import State
from fsm.services import AnySpec, NoService, open_service
from fsm.system import files, private

Level = Literal["ok", "warning", "error"]

EARLIEST: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""A clock that shows less was never set: this program is younger."""

DISK_ERROR: Final = 16 << 20
DISK_WARNING: Final = 256 << 20
INODES_WARNING: Final = 1000

KEY_WARNING: Final = timedelta(days=30)
"""So long before its end a key is worth a word."""

REMOTE: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ceph", "glusterfs", "lustre", "gpfs", "beegfs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone"}
)
"""File systems whose locks and shared memory SQLite's write-ahead log cannot rely on (https://sqlite.org/wal.html)."""

VOLATILE: Final = frozenset({"tmpfs", "ramfs"})

MOUNTINFO: Final = Path("/proc/self/mountinfo")


def examine(config: Config, registry: Registry, *, now: datetime | None = None) -> list[Finding]:
    """Examine a host.

    Args:
        config: what it is configured for.
        registry: the component types.
        now: the wall clock, in UTC.
    """
    now = now or datetime.now(UTC)
    known = _said("configuration", f"{count(len(config.components), 'component')} in {config.path or 'memory'}")
    found = [known, *_owners(config), *_host(config, registry, now)]
    with closing(workers_of(config)) as workers, ExitStack() as stack:
        # One for all components, opened by the first; where that fails, each of them tries again and says why.
        journal = cache(lambda: stack.enter_context(Journal(config.journal, readonly=True)))
        for component in config.components.values():
            found += _guarded(component.name, partial(_component, component, registry, workers))
            found += _guarded(component.name, partial(_trust, config, component, journal, now))
    return [*found, *_guarded("boot", lambda: installing.examine(config))]


def examine_without(error: FsmError, registry: Registry, *, now: datetime | None = None) -> list[Finding]:
    """Examine a host whose configuration is missing or cannot be read, with the default state directory.

    Args:
        error: what is wrong with it.
        registry: the component types.
        now: the wall clock, in UTC.
    """
    bare = Config(state_dir=default_state_dir())
    wrong = _error("configuration", error.cause, error.todo)
    return [wrong, *_host(bare, registry, now or datetime.now(UTC))]


def _host(config: Config, registry: Registry, now: datetime) -> Iterator[Finding]:
    yield from _guarded("state directory", lambda: _state_dir(config.state_dir))
    yield from _guarded("disk", lambda: _disk(config.state_dir))
    yield from _guarded("clock", lambda: _clock(now))
    yield from _guarded("journal", lambda: _journal(config, registry, now))


def _said(subject: str, message: str, level: Level = "ok", todo: str = "") -> Finding:
    return Finding(level=level, subject=subject, message=message, todo=todo)


def _warning(subject: str, message: str, todo: str = "") -> Finding:
    return _said(subject, message, "warning", todo)


def _error(subject: str, message: str, todo: str = "") -> Finding:
    return _said(subject, message, "error", todo)


def _guarded(subject: str, look: Callable[[], Iterator[Finding]]) -> Sequence[Finding]:
    """What a check finds; one that fails itself is a finding, not the end of the others."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except FsmError as error:
        found.append(_error(subject, error.cause, error.todo))
    except OSError as error:
        found.append(_error(subject, f"cannot be examined: {error}"))
    except Exception as error:
        found.append(
            _error(subject, f"its examination failed: {type(error).__name__}: {error}", "this is a bug; report it")
        )
    return found


def _owners(config: Config) -> Iterator[Finding]:
    """Who may change what decides about this host, and whether this user is the one who updates it."""
    if not hasattr(os, "geteuid"):
        return
    for path in (config.path, config.state_dir):
        if path is None or not path.exists():
            continue
        status = path.stat()
        if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            message = f"every user of this host can write to {path}, and so decide what runs here"
            yield _error("permissions", message, f"chmod o-w {path}")
        elif status.st_uid != os.geteuid() and os.geteuid() != 0:
            message = f"{path} belongs to user {status.st_uid}, the current user is {os.geteuid()}"
            yield _warning("permissions", message, "always run the updater as the same user")
    yield _said("permissions", "runs as root" if os.geteuid() == 0 else f"runs as user {os.geteuid()}, without root")


def _state_dir(state_dir: Path) -> Iterator[Finding]:
    subject = "state directory"
    place = state_dir
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        yield _error(subject, f"{place} is not a directory", "set a different state_dir, or move that file away")
        return
    if not os.access(place, os.W_OK | os.X_OK):
        yield _error(subject, f"{place} is not writable by this user", "set state_dir, or run as another user")
        return
    if place == state_dir:
        private.look(place)
    kind = filesystem(place)
    if kind in REMOTE:
        message = f"{place} is on {kind}, a network file system, where the journal is not safe"
        yield _error(subject, message, "set state_dir to a directory on a local disk")
    elif kind in VOLATILE:
        message = f"{place} is on {kind}: a reboot would erase all traces of an interrupted run"
        yield _warning(subject, message, "set state_dir to a directory on a disk")
    if place != state_dir:
        yield _said(subject, f"{state_dir} does not exist yet; it will be created")
        return
    with tempfile.TemporaryDirectory(dir=state_dir, prefix=".doctor-") as probe:
        Journal(Path(probe) / "journal.db").close()
    yield _said(subject, f"{state_dir} is writable, and a journal works there ({kind or 'unknown file system'})")


def filesystem(path: Path) -> str | None:
    """The type of the file system that a path is on; None if the system does not tell.

    Read from ``/proc/self/mountinfo`` (proc_pid_mountinfo(5): the mount point is field 5, the type follows `` - ``).
    """
    try:
        lines = MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real, best = path.resolve(), (-1, "")
    for line in lines:
        head, _, tail = line.partition(" - ")
        point = Path(head.split(" ")[4].replace("\\040", " "))
        if real.is_relative_to(point):
            # Of two mounts on the same point the later one is visible.
            best = max(best, (len(point.parts), tail.split(" ")[0]), key=lambda pair: pair[0])
    return best[1] or None


def _disk(state_dir: Path) -> Iterator[Finding]:
    free = files.disk_free(state_dir)
    message = f"{free >> 20} MiB free at {state_dir}"
    if free < DISK_WARNING:
        yield _said("disk", message, "error" if free < DISK_ERROR else "warning", "free some disk space")
    else:
        yield _said("disk", message)
    if hasattr(os, "statvfs") and state_dir.exists():
        status = os.statvfs(state_dir)
        if status.f_files and status.f_favail < INODES_WARNING:
            few = f"only {count(status.f_favail, 'more file')} can be created at {state_dir}"
            yield _warning("disk", few, "remove some files")


def _clock(now: datetime) -> Iterator[Finding]:
    if now < EARLIEST:
        message = f"it shows {now:%Y-%m-%d %H:%M} UTC, which is long ago, so certificates will be refused"
        yield _error("clock", message, "set the clock, or wait for time synchronization")
    else:
        yield _said("clock", f"it shows {now:%Y-%m-%d %H:%M} UTC")


def _journal(config: Config, registry: Registry, now: datetime) -> Iterator[Finding]:
    private.look(config.state_dir)
    if not config.journal.exists():
        yield _said("journal", "there is none yet")
        return
    with Journal(config.journal, readonly=True) as journal:
        problems = journal.database.integrity()
        todo = "run `fsm doctor --set-aside-journal` to move it aside; installed components are not affected"
        if problems:
            yield _error("journal", f"{config.journal} is damaged: {'; '.join(problems[:3])}", todo)
            return
        problems, newest = journal.verify()
        if problems:
            yield _error("journal", f"its rows were changed after they were written: {'; '.join(problems[:3])}", todo)
        else:
            yield _said(
                "journal", f"{count(journal.length(), 'row')}, the chain is intact, newest hash {newest[:16]}..."
            )
        if not os.access(config.journal, os.W_OK):
            yield _warning("journal", f"{config.journal} is not writable by this user", "run as the user who owns it")
        yield from _times(journal.runs(), now)
        for run in journal.runs(in_progress=True):
            yield from _interrupted(config, registry, journal, run)
        yield from _failed(journal)


def _times(runs: Sequence[Run], now: datetime) -> Iterator[Finding]:
    newest = max((run.updated_at for run in runs), default=None)
    if newest is not None and datetime.fromisoformat(newest) > now:
        message = f"it shows {now:%Y-%m-%d %H:%M:%S} UTC, but the journal has an entry of {newest[:19]}"
        yield _warning("clock", message, "it was set back, or is wrong now; correct it")


def _interrupted(config: Config, registry: Registry, journal: Journal, run: Run) -> Iterator[Finding]:
    holder = ComponentLock(config.state_dir, run.component).running()
    if holder is not None:
        yield _said(run.component, f"run {run.id} is in the state {run.state}, driven by {holder}")
        return
    text = journal.plan(run.id)
    try:
        if text is not None:
            plans.thaw(plans.load(text), registry)
    except FsmError as error:
        yield _error(run.component, f"run {run.id} is interrupted, {error.cause}", error.todo)
        return
    message = f"run {run.id} is interrupted in the state {run.state}"
    yield _warning(run.component, message, f"run `fsm resume {run.component}`")


def _failed(journal: Journal) -> Iterator[Finding]:
    """Components whose newest run failed: what runs there is unknown."""
    newest: dict[str, Run] = {}
    for run in journal.runs():
        newest.setdefault(run.component, run)
    for run in newest.values():
        if run.state is State.FAILED:
            yield _error(run.component, f"run {run.id} failed: {run.reason}", run.todo)


def _component(component: Component, registry: Registry, workers: Workers) -> Iterator[Finding]:
    adapter = registry.get(component.keys.type)
    questions, target = Questions(adapter, workers), target_of(component, adapter)
    doubtful, like_root = trusting.doubtful(component, adapter, target), component.keys.run_as == ROOT
    for each in doubtful:
        if like_root:
            yield _said(component.name, f"{each.why}; run_as trusts them like root")
        else:
            yield _error(component.name, each.why, each.todo)
    if doubtful and not like_root:
        return
    yield from questions.doctor(target, component.spec)
    if component.keys.source is None:
        yield _warning(component.name, "it has no source, so it can only be rolled back", "add a source")
    if not questions.inspect(target, component.spec).present:
        return
    for name, spec in component.services.items():
        if not isinstance(spec, NoService):
            yield from _service(component, name, spec, target.user)


def _trust(config: Config, component: Component, journal: Callable[[], Journal], now: datetime) -> Iterator[Finding]:
    """Whose releases it takes, as far as it has heard of them."""
    admission = Admission(config, component, journal(), now)
    try:
        admission.require()
    except TrustError as error:
        yield _error(component.name, f"its updates are refused: {error.why}", error.todo)
    if admission.trust is None:
        return
    if admission.trust.kept is None:
        yield _said(component.name, "no keyring is known yet; the first release brings it")
        return
    for key in admission.trust.keyring.keys:
        left = None if key.not_after is None else moment(key.not_after) - admission.trust.now
        if left is not None and left < KEY_WARNING:
            ends = "has expired" if left.total_seconds() <= 0 else f"expires in {count(left.days, 'day')}"
            todo = "ask the publisher to replace it with `fsm keys rotate`"
            yield _warning(component.name, f"the key {key.name} that signs its releases {ends}", todo)


def _service(component: Component, name: str, spec: AnySpec, user: User | None) -> Iterator[Finding]:
    status = open_service(spec, name=name, state_dir=component.target.state_dir, user=user).status()
    state = "active" if status.active else "not active"
    which = name.removeprefix(f"{component.name}.") if name != component.name else "its service"
    message = f"{which} ({spec.manager}) is {state}: {status.detail}"
    yield _said(component.name, message, "ok" if status.active else "warning")
