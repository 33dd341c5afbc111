"""After the start: the commit is the new one, every service stays up, and the configured checks pass."""

from __future__ import annotations

from fsm import kit
from fsm.adapter import Done, Failed, StepContext, StepResult, Target
from fsm.formats.checkspec import Check, ServiceActive, ServiceRunning
from fsm.kit import Probe, ServiceUnit, first_failure, measured
from fsm.model import Version
from fsm_git import inspect
from fsm_git.site import GitStep
from fsm_git.spec import GitCheckoutSpec


class Verify(kit.Verify, GitStep):
    """Perform every check."""

    target: Target
    spec: GitCheckoutSpec
    services: tuple[ServiceUnit, ...]
    version: Version

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`."""
        installed = ctx.installed(self.target, self.spec)
        there = installed.commit if isinstance(installed, inspect.GitInstalled) else None
        if there != self.site.new:
            return Failed(why=f"HEAD is {there}, not {self.site.new}", todo="somebody is working in the checkout")
        up = ServiceActive(type="service_active")
        probes = (
            *(self._probe(ctx, up, one) for one in self.services),
            *(self._probe(ctx, check, one) for check in self.spec.post_checks for one in about(check, self.services)),
        )
        why = first_failure(probes)
        return Failed(why=why, todo="the old commit is restored; see the service's log") if why else Done()

    def _probe(self, ctx: StepContext, check: Check, one: ServiceUnit | None) -> Probe:
        return probe(self.target, self.spec, ctx, self.version, check, one)


def about(check: Check, services: tuple[ServiceUnit, ...]) -> tuple[ServiceUnit | None, ...]:
    """The services that a check is about: the named one, or all of them; for other checks, none."""
    if not isinstance(check, ServiceActive | ServiceRunning):
        return (None,)
    if check.service_name is None:
        return services
    return tuple(one for one in services if one.unit.endswith(f".{check.service_name}")) or (None,)


def probe(
    target: Target,
    spec: GitCheckoutSpec,
    ctx: StepContext,
    expected: Version | None,
    check: Check,
    one: ServiceUnit | None,
) -> Probe:
    """A check of this checkout, about one of its services or about none."""
    asked = measured(
        ctx,
        path=spec.path,
        service=one.open() if one is not None else None,
        installed=lambda: ctx.installed(target, spec),
        backups=lambda: ctx.backups(target, spec),
        expected=expected,
        settle=spec.settle_seconds,
    )
    return Probe(check, asked, one.unit if one is not None else "")
