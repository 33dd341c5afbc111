"""What a check may ask, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fsm.adapter import Backup, Installed
from fsm.model import Model, Seconds, Version
from fsm.services import Runner, ServiceManager


class Outcome(Model):
    """Whether a check passed, and what it measured, e.g. ``612 MiB free at /srv/core, 500 MiB needed``."""

    ok: bool
    message: str


@dataclass(frozen=True)
class CheckContext:
    """The component under check.

    Attributes:
        path: where it lives.
        service: its service manager; None if it has none.
        installed: asks the component what is installed now.
        backups: the versions kept on this host.
        expected: the version that should be installed after the update.
        runner: runs commands, and is asked again and again whether to stop.
        sleep: waits that many seconds.
        remaining: seconds that the step has left.
        now: the wall clock, with its time zone; used for ages only, never for waiting.
        settle: seconds that a service must stay active with the same process.
    """

    path: Path
    service: ServiceManager | None
    installed: Callable[[], Installed]
    backups: Callable[[], Sequence[Backup]]
    expected: Version | None
    runner: Runner
    sleep: Callable[[float], None]
    remaining: Callable[[], Seconds]
    now: Callable[[], datetime]
    settle: Seconds = 2.0
