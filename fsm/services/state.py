"""The files by which the manager `process` knows its service: record, lock and log, in ``services/`` of the state.

Record and lock are written in place and never removed: once they are there, a service can be stopped and started on a
full disk, as a rollback may have to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from fsm.errors import StepFailed
from fsm.services.base import rotate, size_of, tail
from fsm.services.launcher import RECORD_SIZE
from fsm.system import marks, private
from fsm.system.processes import Identity


class Record(Identity):
    """The process that was launched last, and whether it was told to end."""

    stopping: bool = False


class ServiceFiles:
    """The files of one service.

    Args:
        name: the service's name.
        state_dir: the host's state directory.
        log: where the log is; None: beside the others.
        of_user: whether the service has a user of its own, who owns a log that is not beside the others.

    Attributes:
        record: who was launched last, as JSON, filled up with spaces.
        lock: held by whatever was launched, from before it was forked.
        log: the service's output.
        users_log: whether that is a file of the service's user, which the updater leaves alone.
    """

    def __init__(self, name: str, state_dir: Path, log: Path | None, *, of_user: bool = False) -> None:
        directory = Path(os.path.realpath(state_dir)) / "services"
        self.name = name
        self.lock = directory / f"{name}.lock"
        self.record = directory / f"{name}.json"
        self.log = (log or directory / f"{name}.log").absolute()
        self.users_log = of_user and log is not None
        self._state_dir = state_dir

    @property
    def mark(self) -> str:
        """Names the service in the environment of its processes, so that nobody else can.

        Raises:
            OSError: see `fsm.system.marks.mark`.
        """
        return f"{self.name}@{marks.mark(self._state_dir, f'service {self.name}')}"

    @contextmanager
    def ready(self) -> Iterator[None]:
        """The directories are there, and troubles with the files become one error."""
        try:
            private.state(self.lock.parent.parent)
            private.directory(self.lock.parent)
            if not self.users_log:
                self.log.parent.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise StepFailed(
                f"cannot start or stop {self.name}", str(error), f"check {self.lock.parent} and {self.log.parent}"
            ) from error

    def make_room(self, limit: int) -> int:
        """Set a log of more than `limit` bytes aside; the byte at which the next lines begin."""
        if not self.users_log:
            rotate(self.log, limit)
        return self.log_size()

    def log_size(self) -> int:
        """The bytes of the log, as far as it is the updater's."""
        return 0 if self.users_log else size_of(self.log)

    def log_tail(self, lines: int, since: int = 0) -> str:
        """The log's last lines, as far as it is the updater's."""
        return "" if self.users_log else tail(self.log, lines, since)

    @contextmanager
    def try_lock(self) -> Iterator[int | None]:
        """The service's lock as a descriptor, or None when somebody holds it.

        Closing the descriptor gives back our share only: a process launched meanwhile goes on holding the lock.
        """
        import fcntl  # noqa: PLC0415 - not on Windows

        descriptor = private.opened(self.lock, os.O_RDWR)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield descriptor
        finally:
            os.close(descriptor)

    def recorded(self) -> Record | None:
        """The process that was launched last and not stopped since."""
        try:
            text = self.record.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StepFailed(
                f"cannot tell whether {self.name} runs", str(error), f"check the permissions of {self.record.parent}"
            ) from error
        try:
            return Record.model_validate_json(text)
        except ValidationError:  # stopped, or being written: whoever is in doubt asks again, or asks the lock
            return None

    def write(self, record: str) -> None:
        """Replace what the record says. In place: a full disk must not keep it from being said."""
        with suppress(FileNotFoundError), self.record.open("r+b", buffering=0) as file:
            file.write(record.encode("ascii").ljust(RECORD_SIZE - 1) + b"\n")
