"""Steps that most component types need: download, stop, start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import TypeAdapter

from fsm.adapter import Done, Failed, Step, StepContext, StepResult
from fsm.errors import IntegrityError, Refused, StepFailed
from fsm.formats.manifest import Artifact
from fsm.lifecycle import State
from fsm.services import ServiceSpec, open_service
from fsm.sources import SourceSpec, open_source
from fsm.system import faults, files


class Download(Step):
    """Fetch one artifact, resumably, checked while it streams.

    Attributes:
        source: the configured source, as JSON values.
        directory: where the file goes, below the run's own directory; `{run}` becomes the run's number.
    """

    name: ClassVar[str] = "download"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "download and check the artifact"
    undo_title: ClassVar[str] = "remove the download"

    artifact: Artifact
    source: dict[str, Any]
    directory: str

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        dest = self._dest(ctx)
        dest.parent.mkdir(parents=True, exist_ok=True)
        spec = TypeAdapter[Any](SourceSpec).validate_json(json.dumps(self.source))
        source = open_source(spec, component=ctx.component)
        try:
            source.fetch(self.artifact, dest, check=ctx.check, progress=ctx.progress)
        except (Refused, StepFailed) as error:
            # A full disk, a token that expired, a file that is not there yet say nothing about the release.
            wrong = isinstance(error, IntegrityError)
            return Failed(why=error.cause, todo=error.todo, blame="release" if wrong else "host")
        faults.point("download.done")
        return Done(data={"path": str(dest), "size": dest.stat().st_size})

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        files.remove_tree(self._dest(ctx).parent, ctx.check)
        return Done()

    def _dest(self, ctx: StepContext) -> Path:
        return Path(self.directory.replace("{run}", str(ctx.run_id))) / self.artifact.name


class _Service(Step):
    phase: ClassVar[State] = State.UPDATING
    touches_live: ClassVar[bool] = True

    service: ServiceSpec
    unit: str
    state_dir: Path

    def _start(self, ctx: StepContext) -> None:
        open_service(self.service, name=self.unit, state_dir=self.state_dir).start(ctx)

    def _stop(self, ctx: StepContext) -> None:
        open_service(self.service, name=self.unit, state_dir=self.state_dir).stop(ctx)


class StopService(_Service):
    """Stop the service; undone by starting it, where it ran before."""

    name: ClassVar[str] = "stop_service"
    title: ClassVar[str] = "stop the service"
    undo_title: ClassVar[str] = "start the service"
    downtime: ClassVar[Literal["begins", "ends"] | None] = "begins"

    was_active: bool

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        failed = self._stopped(ctx)
        if failed is None:
            faults.point("stop_service.done")
        return failed or Done()

    def keep_down(self, ctx: StepContext) -> StepResult:
        """See `Step.keep_down`."""
        failed = self._stopped(ctx)
        if failed is None:
            faults.point("stop_service.kept")
        return failed or Done()

    def _stopped(self, ctx: StepContext) -> Failed | None:
        """Stop it. One that does not stop is the old version's: no release is to blame for it."""
        try:
            self._stop(ctx)
        except StepFailed as error:
            return Failed(why=error.cause, todo=error.todo, blame="host")
        return None

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        if self.was_active:
            self._start(ctx)
            faults.point("stop_service.undone")
        return Done()


class StartService(_Service):
    """Start the service; undone by stopping it."""

    name: ClassVar[str] = "start_service"
    title: ClassVar[str] = "start the service"
    undo_title: ClassVar[str] = "stop the service"
    downtime: ClassVar[Literal["begins", "ends"] | None] = "ends"

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        self._start(ctx)
        faults.point("start_service.done")
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        self._stop(ctx)
        faults.point("start_service.undone")
        return Done()
