"""One updater per component at a time, by a lock that dies with its process (flock)."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fsm.errors import Busy, JournalError
from fsm.system import private

LONGEST: Final = 150
"""Characters of a name that go into a file's name, which has 255 bytes at most."""


class ComponentLock:
    """The lock of one component; a context manager.

    Args:
        state_dir: the host's state directory.
        component: the component's name.

    Raises (on entering):
        Busy: another process, or another thread of this one, holds it; says who and since when.
        JournalError: there can be no lock in that state directory.
        Refused: others than this user decide what is in it.
        Unsupported: updates do not run on this system.
    """

    def __init__(self, state_dir: Path, component: str) -> None:
        self.path = state_dir / "locks" / f"{_file_name(component)}.lock"
        self._state_dir = state_dir
        self._component = component
        self._descriptor = -1

    def __enter__(self) -> ComponentLock:
        me = _this_process()  # first: where processes cannot be told apart, nothing may be locked
        descriptor = self._open()
        try:
            self._take(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        with suppress(OSError):
            # On a full disk nobody can be told who holds the lock; but what was interrupted there goes on.
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(me).encode(), 0)
        return self

    def _open(self) -> int:
        try:
            private.state(self._state_dir)
            private.directory(self.path.parent)
            return private.opened(self.path, os.O_RDWR)
        except OSError as error:
            raise self._failed(f"{error.filename}: {error.strerror}", "check state_dir and its permissions") from error

    def _take(self, descriptor: int) -> None:
        import fcntl  # noqa: PLC0415 - not on Windows

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(
                f"cannot work on {self._component} now",
                self._busy(),
                "wait for it to finish, or roll it back with `fsm cancel`; `fsm status` shows its progress",
            ) from error
        except OSError as error:
            todo = "put state_dir on a local file system"
            raise self._failed(f"{self.path}: {error.strerror}", todo) from error

    def _failed(self, why: str, todo: str) -> JournalError:
        return JournalError(f"cannot lock {self._component}", why, todo)

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            os.truncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = -1

    def _busy(self) -> str:
        """Why the lock cannot be had; where this process itself holds it, nobody else is looked for."""
        found = self._read()
        if found is not None and found["pid"] == os.getpid():
            return f"this process is working on it already, since {found['since']}"
        return f"another updater is working on it: {self.holder()}"

    def holder(self) -> str:
        """Who holds the lock, for people."""
        found = self._read()
        if found is None:
            return "a process that has not identified itself yet"
        return f"process {found['pid']} ({' '.join(found['argv'])}) since {found['since']}"

    def running(self) -> str | None:
        """Who works on the component now, None when nobody does.

        Only reads, so that a report neither needs permission nor is in anybody's way.
        """
        found = self._read()
        if found is None:
            return None
        from fsm.system.processes import start_time  # noqa: PLC0415 - `fsm status` reads locks, and seldom finds one

        if start_time(found["pid"]) != found["start_time"]:
            return None
        return self.holder()

    def _read(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return found if {"pid", "start_time", "since", "argv"} <= found.keys() else None
        except (OSError, ValueError, AttributeError):
            return None


def _this_process() -> dict[str, Any]:
    """What a lock's file says about its holder.

    Raises:
        Unsupported: updates do not run on this system.
    """
    from fsm.system.processes import start_time  # noqa: PLC0415 - `fsm status` reads locks, and seldom finds one

    return {
        "pid": os.getpid(),
        "start_time": start_time(os.getpid()),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "argv": [Path(sys.argv[0]).name, *sys.argv[1:5]],
    }


def _file_name(name: str) -> str:
    """What a lock's file is called; a set that is no set of the configuration has the names of all its members."""
    if len(name) <= LONGEST:
        return name
    import hashlib  # noqa: PLC0415 - seldom needed

    return f"{name[:LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()}"
