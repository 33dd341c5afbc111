"""Checks before and after an update, as every component type performs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from fsm.adapter import Backup, Installed, StepContext
from fsm.errors import Refused
from fsm.formats.checkspec import Check, ServiceActive, ServiceRunning
from fsm.model import Seconds, Version
from fsm.services import ServiceManager
from fsm.services.checks import CheckContext, perform

_USUAL: Final[Seconds] = 30.0


class Probe(NamedTuple):
    """One check, and what it measures.

    Attributes:
        about: the service that it is about, if a component has several; for the message.
    """

    check: Check
    measured: CheckContext
    about: str = ""


def measured(
    ctx: StepContext,
    *,
    path: Path,
    service: ServiceManager | None,
    installed: Callable[[], Installed],
    backups: Callable[[], Sequence[Backup]],
    expected: Version | None,
    settle: Seconds,
) -> CheckContext:
    """What checks of a component measure.

    Args:
        ctx: the context of the step, or of the look before an update.
        path: where the component lives; the directory above it, as long as nothing is there.
        service: what its service is asked by; None if it has none.
        installed: asks what is installed now.
        backups: the versions that are kept on this host.
        expected: the version that should be installed after the update.
        settle: seconds that a service must stay active with the same process.
    """
    return CheckContext(
        path=path if path.exists() else path.parent,
        service=service,
        installed=installed,
        backups=backups,
        expected=expected,
        runner=ctx,
        sleep=ctx.sleep,
        remaining=ctx.deadline.remaining,
        settle=settle,
        now=lambda: datetime.now(UTC),
    )


def first_failure(probes: Iterable[Probe]) -> str:
    """Perform checks in order until one fails: what it found; empty when all pass.

    Raises:
        Interrupted, Cancelled: the run is to stop.
        DeadlineExceeded: the step's own time is up.
    """
    for check, about_it, unit in probes:
        outcome = perform(check, about_it)
        if not outcome.ok:
            return f"{check.type}{f' of {unit}' if unit else ''} failed: {outcome.message}"
    return ""


def refuse_unless(probes: Iterable[Probe], name: str) -> None:
    """Perform the checks before an update of a component.

    Raises:
        Refused: one of them failed; nothing was touched.
    """
    why = first_failure(probes)
    if why:
        raise Refused(f"cannot update {name}", why, "fix the cause, then update again")


def own_names(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The checks, about the component's own service: that a manifest may name it was found out before."""
    return tuple(
        check.model_copy(update={"service_name": None}) if isinstance(check, ServiceActive | ServiceRunning) else check
        for check in checks
    )


def time_for(checks: Iterable[Check], each: Seconds = 0.0) -> Seconds:
    """Seconds that checks may take together, and some more for each of them."""
    return sum(getattr(check, "timeout_seconds", _USUAL) + each for check in checks)
