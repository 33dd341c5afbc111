"""The contract of a step: what it is given, what it returns, and what it must bear.

Rules, tested for every adapter by the contract suite:

1. Its fields are everything it needs; they are frozen in the plan as JSON.
2. `do` may be called again after it was killed at any instruction.
3. `undo` may be called whether `do` never ran, half ran or ran; it needs no network and no new disk.
4. It judges by exit codes and by the state of the real thing, never by output text.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from fsm.lifecycle import State
from fsm.model import Model, Seconds

if TYPE_CHECKING:
    from fsm.adapter import Backup, Installed, Spec, Target


class Done(Model):
    """The step reached its goal.

    Attributes:
        data: JSON values that are journaled for later steps.
        notes: what the user should know, one sentence each.
    """

    data: dict[str, Any] = {}
    notes: tuple[str, ...] = ()


class RetryLater(Model):
    """Not possible now, perhaps soon; tried again until the step's `timeout`.

    Attributes:
        why: the reason, for people.
        after: seconds to wait; None leaves that to the executor's back-off.
    """

    why: str
    after: Seconds | None = None


class Failed(Model):
    """The step cannot reach its goal; the run is rolled back.

    Attributes:
        why: the reason, for people.
        todo: what a person can do about it.
        blame: whose fault it is; a release that is to blame is not tried again by itself.
    """

    why: str
    todo: str = ""
    blame: Literal["release", "host"] = "release"


StepResult = Done | RetryLater | Failed


class CommandResult(Model):
    """A child process that ended.

    Attributes:
        code: its exit code.
        tail: the last lines of its output, at most 64 KiB.
    """

    code: int
    tail: str


class Deadline(Protocol):
    """Something that says how much time is left."""

    def remaining(self) -> Seconds:
        """Seconds until the deadline; 0 or less when it has passed."""


class StepContext(Protocol):
    """What the executor gives to a step."""

    @property
    def run_id(self) -> int:
        """The run's number in the journal."""

    @property
    def component(self) -> str:
        """The component's name."""

    @property
    def results(self) -> Mapping[str, Mapping[str, Any]]:
        """What finished steps of this run returned as `data`, by step name."""

    @property
    def touched(self) -> bool:
        """Whether a step of this run that touches the live component has started."""

    @property
    def provisional(self) -> bool:
        """Whether the run may still be rolled back after its last step: it waits there for the others of its set."""

    @property
    def deadline(self) -> Deadline:
        """This step's deadline."""

    def check(self) -> None:
        """Call often in long loops: raises `Interrupted`, `Cancelled` or `DeadlineExceeded` when it is time to stop."""

    def sleep(self, seconds: Seconds) -> None:
        """Wait; raises like `check` when it is time to stop."""

    def progress(self, done: int, total: int | None, unit: str = "bytes") -> None:
        """Report how far the step is; never fails."""

    def installed(self, target: Target, spec: Spec) -> Installed:
        """What the component's adapter says is installed now, asked as the component's user (`Adapter.inspect`)."""

    def backups(self, target: Target, spec: Spec) -> Sequence[Backup]:
        """The versions that are kept, newest first, asked as the component's user (`Adapter.backups`)."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: Seconds | None = None,
        as_user: bool = False,
    ) -> CommandResult:
        """Run a child in its own process group, journaled, until it ends or a deadline kills the whole group.

        Args:
            argv: the program and its arguments; no shell.
            cwd: its working directory.
            env: variables to add to the environment.
            timeout: seconds; the step's deadline applies as well.
            as_user: whether it runs as the component's user, with nothing of the updater's environment, although the
                step is `Step.by_updater`. Everything that lies where others may write must.

        Returns:
            The exit code, whatever it is, and the tail of the output.

        Raises:
            CommandFailed: the program could not be started.
            DeadlineExceeded: it was killed because time was up.
            Interrupted, Cancelled: it was killed because the run is to stop.
        """


class Step(Model, ABC):
    """One small action. Subclasses add fields (frozen in the plan) and name themselves.

    Class attributes:
        name: unique in the adapter, never reused with another meaning: journals refer to it.
        phase: the state in which the step runs.
        title: what it does, for people, present tense without a subject.
        undo_title: what its undo does, for people; empty if there is nothing to undo.
        touches_live: whether the running component is affected from this step on.
        downtime: whether the downtime begins or ends with this step.
        by_updater: whether it runs as the updater also where the component has a user of its own. Such a step must
            not act upon anything that the user says or may write. Depends on fields where it is a property.

    Attributes:
        timeout: seconds for one call of `do` or of `undo`, with what is tried again.
    """

    name: ClassVar[str]
    phase: ClassVar[State]
    title: ClassVar[str]
    undo_title: ClassVar[str] = ""
    touches_live: ClassVar[bool] = False
    downtime: ClassVar[Literal["begins", "ends"] | None] = None
    by_updater: ClassVar[bool] = False

    timeout: Seconds = 600.0

    @abstractmethod
    def do(self, ctx: StepContext) -> StepResult:
        """Reach the goal, or say why not. Called again after a crash."""

    def keep_down(self, ctx: StepContext) -> StepResult:
        """Stop again what this step had stopped; asked of a step whose downtime begins, when a run is taken up later.

        A boot, a Docker engine or a person may have started the service since; the steps between need it down.
        """
        return Done()

    def keep_up(self, ctx: StepContext) -> StepResult:
        """Start what should run by now and nothing else starts; asked of a step by which a downtime begins or ends.

        That is when a run is taken up behind it: going on behind the step that started the service, or going back
        behind the one whose undo did. A boot ends what no manager of the system's has, and brings none of it back.
        """
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """Put back what `do` changed, however far it came."""
        return Done()

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """Places whose file systems are synced once `do` or `undo` is done, before that is written down.

        For a step that has others write, such as git or a build; one that syncs what it writes itself names none.
        """
        return ()
