"""Steps that most component types need: those that no release is to blame for, stop, start."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from fsm.adapter import CommandResult, Done, Failed, Step, StepContext, StepResult, Target, User
from fsm.errors import StepFailed
from fsm.lifecycle import State
from fsm.model import Model
from fsm.services import FrozenSpec, ServiceManager, open_service
from fsm.system import faults, files
from fsm.system.exit_codes import exited
from fsm.system.shell import said_last

if TYPE_CHECKING:
    from fsm.services import AnySpec

_LAST: Final = 300
"""Characters of a command's output that a message has room for."""


class HostStep(Step):
    """A step that no release is to blame for: what it cannot do is the host's trouble.

    Subclasses say in `act` what it does; the `StepFailed` that it raises becomes a failure of the host, after which
    the same release may be tried again.
    """

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        return _blame_host(self.act, ctx)

    @abstractmethod
    def act(self, ctx: StepContext) -> StepResult:
        """What the step does; as `Step.do`."""


def _blame_host(act: Callable[[StepContext], StepResult], ctx: StepContext) -> StepResult:
    try:
        return act(ctx)
    except StepFailed as error:
        return Failed(why=error.cause, todo=error.todo, blame="host")


def ended(what: str, result: CommandResult) -> str:
    """How a command ended, and what it said last; on one line, for messages."""
    return f"{what} {exited(result.code)}: {said_last(result.tail, _LAST) or 'it said nothing'}"


class ServiceUnit(Model):
    """One service of a component; frozen in plans.

    Attributes:
        unit: its name; unique on this host.
        service: what starts, stops and asks it, as configured (`ServiceSpec`).
        state_dir: the host's state directory.
        was_active: whether it ran when the plan was made.
        user: as whom programs of the configuration run that it starts; None: as the updater.
    """

    unit: str
    service: FrozenSpec
    state_dir: Path
    was_active: bool = False
    user: User | None = None

    @classmethod
    def look(cls, unit: str, service: AnySpec, target: Target) -> ServiceUnit:
        """The service of a component as it is now."""
        made = cls(unit=unit, service=service, state_dir=target.state_dir, user=target.user)
        return made.model_copy(update={"was_active": made.open().status().active})

    def open(self) -> ServiceManager:
        """What starts, stops and asks it."""
        return open_service(self.service, name=self.unit, state_dir=self.state_dir, user=self.user)


class _Services(Step):
    phase: ClassVar[State] = State.UPDATING
    touches_live: ClassVar[bool] = True
    by_updater: ClassVar[bool] = True

    services: tuple[ServiceUnit, ...]

    def _start(self, ctx: StepContext, units: tuple[ServiceUnit, ...]) -> None:
        for each in units:
            each.open().start(ctx)

    def _stop(self, ctx: StepContext) -> None:
        for each in reversed(self.services):
            each.open().stop(ctx)

    def _start_again(self, ctx: StepContext, units: tuple[ServiceUnit, ...]) -> None:
        """Start those that a boot has ended and nobody else starts."""
        for each in units:
            service = each.open()
            if not getattr(service, "boots", True) and not service.status().active:
                service.start(ctx)
                faults.point("service.started_again")


class StopService(_Services):
    """Stop the services, in reverse order; undone by starting those that ran before.

    One that does not stop is the old version's: no release is to blame for it.

    Attributes:
        flush: where the disk is brought up to date first, so that syncing what changes afterwards takes no longer
            than that itself, whatever a build, a download or anybody else has just written.
    """

    name: ClassVar[str] = "stop_service"
    title: ClassVar[str] = "stop the service"
    undo_title: ClassVar[str] = "start the service"
    downtime: ClassVar[Literal["begins", "ends"] | None] = "begins"

    flush: tuple[Path, ...] = ()

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        for place in self.flush:
            files.sync_filesystem(place)
        result = _blame_host(self._down, ctx)
        if isinstance(result, Done):
            faults.point("stop_service.done")
        return result

    def keep_down(self, ctx: StepContext) -> StepResult:
        """See `Step.keep_down`."""
        result = _blame_host(self._down, ctx)
        if isinstance(result, Done):
            faults.point("stop_service.kept")
        return result

    def _down(self, ctx: StepContext) -> StepResult:
        self._stop(ctx)
        return Done()

    def keep_up(self, ctx: StepContext) -> StepResult:
        """See `Step.keep_up`."""
        self._start_again(ctx, self._ran)
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        if self._ran:
            self._start(ctx, self._ran)
            faults.point("stop_service.undone")
        return Done()

    @property
    def _ran(self) -> tuple[ServiceUnit, ...]:
        return tuple(each for each in self.services if each.was_active)


class StartService(_Services):
    """Start the services, in their order; undone by stopping them."""

    name: ClassVar[str] = "start_service"
    title: ClassVar[str] = "start the service"
    undo_title: ClassVar[str] = "stop the service"
    downtime: ClassVar[Literal["begins", "ends"] | None] = "ends"

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        self._start(ctx, self.services)
        faults.point("start_service.done")
        return Done()

    def keep_up(self, ctx: StepContext) -> StepResult:
        """See `Step.keep_up`."""
        self._start_again(ctx, self.services)
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        self._stop(ctx)
        faults.point("start_service.undone")
        return Done()

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`: an engine may have made containers."""
        asked = [getattr(each.open(), "durable", None) for each in self.services]
        return [place for durable in asked if durable is not None for place in durable()]
