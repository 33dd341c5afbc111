"""What a service manager answers, and the little that all of them share.

A manager is asked about one service. `start` and `stop` are idempotent and may be called again after the updater was
killed at any instruction of them; `status` asks the real thing.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from fsm.adapter import CommandResult
from fsm.errors import ConfigError, StepFailed
from fsm.model import COMPONENT_NAME, Model, Seconds
from fsm.system import regular
from fsm.system.inherited import inherited
from fsm.system.shell import CALL, MARKER, SERVICE
from fsm.system.users import User

LOG_LINES: Final = 5
"""Lines of a service's log that an error message carries."""

_TAIL: Final = 64 * 1024

_OURS: Final = frozenset(
    {
        MARKER,
        CALL,
        SERVICE,
        "NOTIFY_SOCKET",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    }
)
"""Variables that speak to the updater (as a run's child, or as a unit of systemd) and must not reach a service."""


class ServiceStatus(Model):
    """Whether a service runs.

    Attributes:
        active: whether it runs now.
        pid: its main process, where the manager knows it.
        since: when it was started (ISO 8601, UTC), where the manager knows it.
        detail: one sentence for people.
        ended: it is not active, and will not become so by itself: waiting for it is no use.
    """

    active: bool
    pid: int | None = None
    since: str | None = None
    detail: str
    ended: bool = False


class Runner(Protocol):
    """The part of a step's context that a service manager uses (`fsm.adapter.StepContext` has it)."""

    def check(self) -> None:
        """Raise when it is time to stop."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: Seconds | None = None,
        as_user: bool = False,
    ) -> CommandResult:
        """Run a child until it ends or a deadline kills it; as the component's user where that is asked for."""


class ServiceManager(Protocol):
    """One service of this host.

    A manager may also have `restarts` (False: it never starts a service again by itself; without it, True is
    assumed), `boots` (False: after a boot nobody starts the service; without it, True is assumed),
    `container_running(name) -> bool` (for the check of that name) and `durable() -> Sequence[Path]` (where what it has
    done for a start is written by somebody who does not sync it; see `Step.durable`).

    Attributes:
        name: the service's name, as configurations and manifests use it.
    """

    @property
    def name(self) -> str:
        """The service's name."""

    def status(self) -> ServiceStatus:
        """Ask whether the service runs.

        Raises:
            StepFailed: there is no telling.
        """

    def start(self, ctx: Runner) -> None:
        """Start it; nothing happens when it already runs.

        Raises:
            StepFailed: it does not run; the message has the last lines of its log.
        """

    def stop(self, ctx: Runner) -> None:
        """Stop it with everything that it started; nothing happens when nothing runs.

        Raises:
            StepFailed: something of it still runs.
        """

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that it logged; empty if there are none."""


def check_name(name: str) -> str:
    """The name, which becomes part of file names.

    Raises:
        ConfigError: it could leave its directory.
    """
    if re.match(COMPONENT_NAME, name) is None:
        raise ConfigError(
            f"cannot manage a service called {name!r}",
            "a name is 1 to 64 characters of a-z 0-9 . _ -",
            "correct the name of the component",
        )
    return name


def rotate(log: Path, limit: int) -> None:
    """Set a log aside as ``<name>.1`` when it has more than `limit` bytes; an older one is replaced."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > limit:
            log.replace(log.with_name(log.name + ".1"))


def size_of(log: Path) -> int:
    """The bytes of a file; 0 if there is none."""
    with suppress(OSError):
        return log.stat().st_size
    return 0


def tail(log: Path, lines: int, since: int = 0) -> str:
    """The last lines of a file, of at most its last 64 KiB; empty if there is none to read.

    Args:
        log: the file.
        lines: how many.
        since: byte from which on lines count.
    """
    try:
        with regular.opened(log) as descriptor:
            size = os.fstat(descriptor).st_size
            text = os.pread(descriptor, _TAIL, max(since, size - _TAIL)).decode("utf-8", "replace")
    except OSError:  # the log explains, it is no condition of anything
        return ""
    return "\n".join(text.splitlines()[-lines:])


def environment(extra: Mapping[str, str], mark: str | None = None, user: User | None = None) -> dict[str, str]:
    """The environment of a service, or of a command that asks about one: the updater's, without what is not its.

    Args:
        extra: variables to add.
        mark: value of ``FSM_SERVICE``, or None.
        user: whom it runs as; then nothing of it is the updater's.
    """
    if user is not None:
        return user.environment(extra) if mark is None else user.environment({**extra, SERVICE: mark})
    merged = {key: value for key, value in inherited().items() if key not in _OURS} | dict(extra)
    return merged if mark is None else merged | {SERVICE: mark}


def launcher(mode: str) -> list[str]:
    """The beginning of a command line that runs `fsm.services.launcher`, which needs nothing but Python itself."""
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py")), mode]


def becoming(user: User | None, *, users_log: bool = False) -> str:
    """What the launcher is told of whom to become, and whether before it opens the log."""
    if user is None:
        return "-"
    when = "before" if users_log else "after"
    return f"{user.uid}:{user.gid}:{','.join(map(str, user.groups))}:{when}"


def handed_over(environ: Mapping[str, str]) -> dict[str, str]:
    """The variable by which the launcher gets the environment of a program that it becomes as a user.

    ``NAME=value`` on a line each, with backslashes and line breaks escaped: to read JSON takes an import of 6 ms, while
    the service is down.
    """
    pairs = (f"{name}={value}" for name, value in environ.items())
    return {"FSM_ENVIRON": "\n".join(pair.replace("\\", "\\\\").replace("\n", "\\n") for pair in pairs)}


def failed(what: str, why: str, log: str, todo: str = "see its log, fix the cause, and try again") -> StepFailed:
    """The error about a service, with the end of its log where it has one."""
    return StepFailed(what, f"{why}; its log ends with: {log}" if log else why, todo)
