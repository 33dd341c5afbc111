"""After the start: the commit is the new one, every service stays up, and the configured checks pass."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar

from fsm.adapter import Done, Failed, StepContext, StepResult, Target
from fsm.errors import Refused
from fsm.formats.checkspec import Check, ServiceActive, ServiceRunning
from fsm.lifecycle import State
from fsm.model import Version
from fsm.services.checks import CheckContext, perform
from fsm_git import finish, repository
from fsm_git.layout import Layout
from fsm_git.running import Running
from fsm_git.site import GitStep
from fsm_git.spec import GitCheckoutSpec


class Verify(GitStep):
    """Perform every check."""

    name: ClassVar[str] = "verify"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "check that the new version works"
    touches_live: ClassVar[bool] = True

    target: Target
    spec: GitCheckoutSpec
    services: tuple[Running, ...]
    version: Version

    def act(self, ctx: StepContext) -> StepResult:
        """See `GitStep.act`."""
        there = self.site.git(ctx).commit("HEAD")
        if there != self.site.new:
            return Failed(why=f"HEAD is {there}, not {self.site.new}", todo="somebody works in the checkout")
        up = ServiceActive(type="service_active")
        for check in (up, *self.spec.post_checks):
            for one in self.services if check is up else _about(check, self.services):
                failed = self._failed(check, ctx, one)
                if failed:
                    return failed
        return Done()

    def _failed(self, check: Check, ctx: StepContext, one: Running | None) -> Failed | None:
        outcome = perform(check, context(self.target, self.spec, ctx, self.version, one))
        if outcome.ok:
            return None
        name = f" of {one.unit}" if one is not None else ""
        return Failed(
            why=f"{check.type}{name} failed: {outcome.message}",
            todo="the old commit is put back; see the service's log",
        )


def _about(check: Check, services: tuple[Running, ...]) -> tuple[Running | None, ...]:
    """The services that a check is about: the named one, or all of them; for other checks, none."""
    if not isinstance(check, ServiceActive | ServiceRunning):
        return (None,)
    if check.service_name is None:
        return services
    return tuple(one for one in services if one.unit.endswith(f".{check.service_name}")) or (None,)


def context(
    target: Target, spec: GitCheckoutSpec, ctx: StepContext, expected: Version | None, one: Running | None
) -> CheckContext:
    """What checks of this checkout measure."""
    return CheckContext(
        path=spec.path if spec.path.exists() else spec.path.parent,
        service=one.open() if one is not None else None,
        installed=lambda: repository.read(target, spec),
        backups=lambda: finish.backups(Layout(live=spec.path, component=target.name)),
        expected=expected,
        runner=ctx,
        sleep=ctx.sleep,
        remaining=ctx.deadline.remaining,
        settle=spec.settle_seconds,
        now=lambda: datetime.now(UTC),
    )


def refuse_unless(
    checks: tuple[Check, ...],
    services: tuple[Running, ...],
    measured: Callable[[Running | None], CheckContext],
    name: str,
) -> None:
    """Perform pre-checks.

    Raises:
        Refused: one of them failed.
    """
    for check in checks:
        for one in _about(check, services):
            outcome = perform(check, measured(one))
            if not outcome.ok:
                why = f"{check.type} failed: {outcome.message}"
                raise Refused(f"cannot update {name}", why, "fix the cause, then update again")
