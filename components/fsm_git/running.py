"""The services of a checkout: stopped last first, started first first."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from fsm.adapter import Done, Failed, Step, StepContext, StepResult, Target
from fsm.errors import StepFailed
from fsm.lifecycle import State
from fsm.model import Model
from fsm.services import ServiceManager, ServiceSpec, open_service
from fsm.system import faults, files
from fsm_git.spec import GitCheckoutSpec


class Running(Model):
    """One service.

    Attributes:
        unit: its name; unique on this host.
        was_active: whether it ran when the plan was made.
    """

    unit: str
    service: ServiceSpec
    state_dir: Path
    was_active: bool = False

    def open(self) -> ServiceManager:
        """What starts, stops and asks it."""
        return open_service(self.service, name=self.unit, state_dir=self.state_dir)


def of(target: Target, spec: GitCheckoutSpec) -> tuple[Running, ...]:
    """The configured services, as they run now."""
    found = [
        Running(unit=f"{target.name}.{name}", service=service, state_dir=target.state_dir)
        for name, service in spec.services.items()
    ]
    return tuple(one.model_copy(update={"was_active": one.open().status().active}) for one in found)


class _Services(Step):
    phase: ClassVar[State] = State.UPDATING
    touches_live: ClassVar[bool] = True

    services: tuple[Running, ...]

    def _start(self, ctx: StepContext, *, only_active: bool) -> None:
        for one in self.services:
            if one.was_active or not only_active:
                one.open().start(ctx)

    def _stop(self, ctx: StepContext) -> None:
        for one in reversed(self.services):
            one.open().stop(ctx)


class StopServices(_Services):
    """Stop the services; undone by starting those that ran before.

    Attributes:
        flush: where the disk is brought up to date first, so that syncing what changes afterwards takes no longer
            than that itself, whatever a build, a download or anybody else has just written.
    """

    name: ClassVar[str] = "stop_services"
    title: ClassVar[str] = "stop the services"
    undo_title: ClassVar[str] = "start the services"
    downtime: ClassVar[Literal["begins", "ends"] | None] = "begins"

    flush: tuple[Path, ...] = ()

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`. A service that does not stop is the old version's: no commit is to blame for it."""
        for place in self.flush:
            files.sync_filesystem(place)
        try:
            self._stop(ctx)
        except StepFailed as error:
            return Failed(why=error.cause, todo=error.todo, blame="host")
        faults.point("git.services.stopped")
        return Done()

    def keep_down(self, ctx: StepContext) -> StepResult:
        """See `Step.keep_down`."""
        return self.do(ctx)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        self._start(ctx, only_active=True)
        faults.point("git.services.started_again")
        return Done()


class StartServices(_Services):
    """Start the services; undone by stopping them."""

    name: ClassVar[str] = "start_services"
    title: ClassVar[str] = "start the services"
    undo_title: ClassVar[str] = "stop the services"
    downtime: ClassVar[Literal["begins", "ends"] | None] = "ends"

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        self._start(ctx, only_active=False)
        faults.point("git.services.started")
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        self._stop(ctx)
        faults.point("git.services.stopped_again")
        return Done()
