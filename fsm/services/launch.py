"""Starts `fsm.services.launcher` and reads its report."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from fsm.errors import CommandFailed, DeadlineExceeded, StepFailed
from fsm.services.base import becoming, handed_over, launcher
from fsm.system import faults
from fsm.system.shell.programs import SERVICE
from fsm.system.users import User

if TYPE_CHECKING:
    import subprocess

_PATH: Final = "/usr/bin:/bin"

_STEP: Final = 50
"""Milliseconds between two looks at whether to go on."""


class Launch(NamedTuple):
    """What is launched.

    Attributes:
        command: the program's path, then the name it is called by and its arguments.
        cwd: its working directory.
        environ: its whole environment, with the service's mark.
        lock: descriptor of the service's lock, held by us and inherited by the service.
        record: the file in which the service says who it is.
        log: the file its output is appended to.
        user: whom it runs as; None: the updater.
        users_log: whether the log is opened as that user.
    """

    command: Sequence[str]
    cwd: Path
    environ: Mapping[str, str]
    lock: int
    record: Path
    log: Path
    user: User | None = None
    users_log: bool = False


def launch(name: str, job: Launch, check: Callable[[], None], limit: float) -> None:
    """Launch a daemon; returns once it has become its program.

    Args:
        name: the service's name, for messages.
        job: what is launched.
        check: raises when it is time to stop; the daemon then comes up, or not, without us.
        limit: value of the monotonic clock at which waiting ends.

    Raises:
        CommandFailed: the program could not be executed.
        StepFailed: the launcher itself was killed.
        DeadlineExceeded: no report until `limit`; the daemon may still come up.
    """
    import subprocess  # noqa: PLC0415 - 8 ms that only those pay who start a service

    what = f"cannot start {name}"
    reading, writing = os.pipe()
    try:
        try:
            first = subprocess.Popen(
                [
                    *launcher("detach"),
                    *map(str, (job.lock, writing, job.record, job.log, job.cwd)),
                    becoming(job.user, users_log=job.users_log),
                    *job.command,
                ],
                cwd="/",
                env=_for_launcher(job),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(job.lock, writing),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        try:
            faults.point("service.launched")
            report = _read_report(reading, what, check, limit)
        finally:
            _reap(first)
    finally:
        os.close(reading)
    faults.point("service.recorded")
    _judge(what, job, report)


def _for_launcher(job: Launch) -> Mapping[str, str]:
    """The environment of the launcher. While it is root, nothing of what a user's program is given may steer it."""
    if job.user is None:
        return job.environ
    return {SERVICE: job.environ[SERVICE], "PATH": _PATH, **handed_over(job.environ)}


def _read_report(reading: int, what: str, check: Callable[[], None], limit: float) -> str:
    """What the launcher wrote until it became the program, which closed the pipe, or until it ended."""
    poller = select.poll()
    poller.register(reading, select.POLLIN)
    report = b""
    while True:
        if poller.poll(_STEP):
            chunk = os.read(reading, 4096)
            if not chunk:
                return report.decode("utf-8", "replace")
            report += chunk
        check()
        if time.monotonic() >= limit:
            raise DeadlineExceeded(
                what, "its program did not start in time", "check that its file system responds, then try again"
            )


def _judge(what: str, job: Launch, report: str) -> None:
    """Raise what the report says; a report without a failure, that came far enough, is a success."""
    for line in report.splitlines():
        if line.startswith("failed "):
            raise CommandFailed(
                what, line.removeprefix("failed "), f"check the program {job.command[0]} and the log {job.log}"
            )
    if not report:
        raise StepFailed(what, "its launcher was killed from outside", "see the system's log (out of memory?)")


def _reap(first: subprocess.Popen[bytes]) -> None:
    """Collect the launcher's first process, which ends as soon as it has forked."""
    import subprocess  # noqa: PLC0415 - see above

    try:
        first.wait(1.0)
    except subprocess.TimeoutExpired:  # stopped, or starved: without it there is nothing to wait for
        first.kill()
        first.wait()
