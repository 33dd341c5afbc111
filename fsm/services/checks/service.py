"""Checks that ask a service manager."""

from __future__ import annotations

import time
from typing import Final

from fsm.formats.checkspec import ContainerRunning, ServiceActive, ServiceRunning
from fsm.model import Seconds
from fsm.services import ServiceManager, ServiceStatus
from fsm.services.base import LOG_LINES
from fsm.services.checks.context import CheckContext, Outcome

_PAUSE: Final = 0.1


def check_running(check: ServiceRunning, ctx: CheckContext) -> Outcome:
    """The service is active now."""
    service = _service(check.service_name, ctx)
    if isinstance(service, Outcome):
        return service
    status = service.status()
    return Outcome(ok=status.active, message=f"{service.name}: {status.detail}")


def check_active(check: ServiceActive, ctx: CheckContext) -> Outcome:
    """The service becomes active, and then stays so with the same process for `ctx.settle` seconds.

    A manager that starts services again by itself gets the whole timeout for it; with one that does not, a service
    that has ended will stay so.
    """
    service = _service(check.service_name, ctx)
    if isinstance(service, Outcome):
        return service
    limit = time.monotonic() + min(check.timeout_seconds, ctx.remaining())
    final = not getattr(service, "restarts", True)
    lost = ""
    while True:
        status = _wait_until_active(service, ctx, limit)
        if not status.active:
            break
        after = _settle(service, status, ctx)
        if after.active and after.pid == status.pid:
            return Outcome(ok=True, message=f"{service.name}: {after.detail}; stable for {ctx.settle:g} s")
        lost = f", after it had been active for less than {ctx.settle:g} s"
        status = after
        if final or status.ended or time.monotonic() >= limit:
            break
    log = service.log_tail(LOG_LINES).strip()
    told = f"; its log ends with: {log}" if log else ""
    return Outcome(ok=False, message=f"{service.name}: {status.detail}{lost}{told}")


def check_container(check: ContainerRunning, ctx: CheckContext) -> Outcome:
    """The container runs, where the service manager knows about containers."""
    ask = getattr(ctx.service, "container_running", None)
    if ask is None:
        return Outcome(
            ok=False, message=f"cannot look at container {check.container_name}: not supported by this component's type"
        )
    running = bool(ask(check.container_name))
    return Outcome(ok=running, message=f"container {check.container_name} {'runs' if running else 'does not run'}")


def _service(name: str | None, ctx: CheckContext) -> ServiceManager | Outcome:
    """The component's service, or why there is none to ask."""
    if ctx.service is None:
        return Outcome(ok=False, message="this component has no service to ask")
    if name is not None and name.removesuffix(".service") != ctx.service.name.removesuffix(".service"):
        return Outcome(ok=False, message=f"cannot ask about service {name}: this component's is {ctx.service.name}")
    return ctx.service


def _wait_until_active(service: ServiceManager, ctx: CheckContext, limit: float) -> ServiceStatus:
    """The first status that is active, or will never be, or the last one before the time was up."""
    while not (status := service.status()).active and not status.ended and time.monotonic() < limit:
        _pause(ctx)
    return status


def _settle(service: ServiceManager, first: ServiceStatus, ctx: CheckContext) -> ServiceStatus:
    """The status after the settling time, or the first one that differs from `first`."""
    until = time.monotonic() + ctx.settle
    status = first
    while time.monotonic() < until:
        _pause(ctx)
        status = service.status()
        if not status.active or status.pid != first.pid:
            break
    return status


def _pause(ctx: CheckContext, seconds: Seconds = _PAUSE) -> None:
    ctx.runner.check()
    ctx.sleep(seconds)
