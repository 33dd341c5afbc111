"""Performs each kind of check, by a table; the short checks are here, those that wait have modules of their own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fsm.adapter import Backup
from fsm.errors import DeadlineExceeded, StepFailed
from fsm.formats.checkspec import (
    BackupExists,
    Check,
    Command,
    ContainerRunning,
    DiskSpace,
    HealthEndpoint,
    ServiceActive,
    ServiceRunning,
    VersionCheck,
)
from fsm.services.checks.context import CheckContext, Outcome
from fsm.services.checks.health import check_health
from fsm.services.checks.service import check_active, check_container, check_running
from fsm.system.exit_codes import exited

_MIB: Final = 1024 * 1024


def perform(check: Check, ctx: CheckContext) -> Outcome:
    """Perform one check.

    Args:
        check: what to check.
        ctx: the component it is about.

    Returns:
        Whether it passed; never raises because the component is not as it should be.

    Raises:
        Interrupted, Cancelled: the run is to stop.
        DeadlineExceeded: the step's own time is up.
    """
    try:
        return _PERFORMERS[type(check)](check, ctx)
    except StepFailed as error:
        if isinstance(error, DeadlineExceeded) and ctx.remaining() <= 0:
            raise
        return Outcome(ok=False, message=str(error))


def check_disk_space(check: DiskSpace, ctx: CheckContext) -> Outcome:
    """Free space for this user, where the component lives or will live."""
    path = ctx.path.absolute()
    try:
        place = next(place for place in (path, *path.parents) if place.exists())
        free = shutil.disk_usage(place).free // _MIB
    except OSError as error:
        return Outcome(ok=False, message=f"cannot measure the free space at {path}: {error}")
    return Outcome(ok=free >= check.minimum_mb, message=f"{free} MiB free at {place}, {check.minimum_mb} MiB needed")


def check_backup(check: BackupExists, ctx: CheckContext) -> Outcome:
    """A kept version that is still there, and young enough."""
    kept = [backup for backup in ctx.backups() if os.path.exists(backup.path)]
    if not kept:
        return Outcome(ok=False, message="there is no backup")
    aged = [(backup, _age(backup, ctx.now())) for backup in kept]
    if check.max_age_hours is None:
        return Outcome(ok=True, message=f"{len(kept)} there, the newest: {_describe(*aged[0])}")
    limit = timedelta(hours=check.max_age_hours)
    for backup, age in aged:
        # An age below zero comes of a clock that was set back; what is made "in the future" may be of any age.
        if age is not None and timedelta() <= age <= limit:
            return Outcome(ok=True, message=_describe(backup, age))
    return Outcome(
        ok=False, message=f"none is known to be at most {check.max_age_hours:g} h old; {_describe(*aged[0])}"
    )


def check_version(check: VersionCheck, ctx: CheckContext) -> Outcome:
    """The version that the component tells when it is asked."""
    wanted = check.expected_version or ctx.expected
    installed = ctx.installed()
    if installed.version is None:
        return Outcome(
            ok=False, message=f"the installed version is unknown: {installed.why_unknown or 'no reason given'}"
        )
    if wanted is None:
        return Outcome(
            ok=False, message=f"{installed.version} is installed, and there is no version to compare it with"
        )
    if installed.version != wanted:
        return Outcome(ok=False, message=f"{installed.version} is installed, not {wanted}")
    return Outcome(ok=True, message=f"{installed.version} is installed")


def check_command(check: Command, ctx: CheckContext) -> Outcome:
    """A program of the host's configuration, run where the component lives, says yes by its exit code."""
    cwd = ctx.path if ctx.path.is_dir() else None
    result = ctx.runner.run(check.argv, cwd=cwd, timeout=check.timeout_seconds, as_user=True)
    said = _last_line(result.tail)
    message = f"{check.argv[0]} {exited(result.code)}{': ' if said else ''}{said}"
    return Outcome(ok=result.code == 0, message=message)


_PERFORMERS: Final[dict[type[Any], Callable[[Any, CheckContext], Outcome]]] = {
    DiskSpace: check_disk_space,
    BackupExists: check_backup,
    ServiceRunning: check_running,
    ServiceActive: check_active,
    HealthEndpoint: check_health,
    VersionCheck: check_version,
    ContainerRunning: check_container,
    Command: check_command,
}


def _age(backup: Backup, now: datetime) -> timedelta | None:
    """How old a backup is; None if it does not tell when it was made. Without a time zone it is UTC."""
    try:
        made = datetime.fromisoformat(backup.made_at)
    except ValueError:
        return None
    return now - (made if made.tzinfo else made.replace(tzinfo=UTC))


def _describe(backup: Backup, age: timedelta | None) -> str:
    what = f"backup of {backup.version or 'an unknown version'} at {backup.path}"
    if age is None:
        return f"{what}, of unknown age"
    if age < timedelta():
        return f"{what}, made in the future by this clock ({backup.made_at})"
    return f"{what}, {age.total_seconds() / 3600:.1f} h old"


def _last_line(text: str) -> str:
    return next((line.strip()[:300] for line in reversed(text.splitlines()) if line.strip()), "")
