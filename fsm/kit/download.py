"""The step that fetches one artifact of a release."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from fsm.adapter import Done, Failed, Step, StepContext, StepResult
from fsm.errors import IntegrityError, Refused, StepFailed
from fsm.formats.artifacts import Artifact
from fsm.kit.staging import Staging
from fsm.lifecycle import State
from fsm.system import faults, files


class Download(Step):
    """Fetch one artifact, resumably, checked while it streams. Its result has the file's `path` and `size`.

    Attributes:
        source: the configured source, as JSON values.
        directory: where the file goes, below the run's own directory; `{run}` becomes the run's number.
        mode: what the file's becomes, if it is to go into use as it is; else only the updater can read it.
        staging: where it is handed over to the component's user; None if there is no such user.
    """

    name: ClassVar[str] = "download"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "download and check the artifact"
    undo_title: ClassVar[str] = "remove the download"
    by_updater: ClassVar[bool] = True  # it may have a token

    artifact: Artifact
    source: dict[str, Any]
    directory: str
    mode: int = 0o600
    staging: Staging | None = None

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        dest = self._dest(ctx)
        if self.staging is not None:
            self.staging.make(dest.parent)
        dest.parent.mkdir(parents=True, exist_ok=True)
        from pydantic import TypeAdapter  # noqa: PLC0415 - only for the step that fetches

        from fsm.sources import SourceSpec, open_source  # noqa: PLC0415 - as above

        spec = TypeAdapter[Any](SourceSpec).validate_json(json.dumps(self.source))
        source = open_source(spec, component=ctx.component)
        try:
            source.fetch(self.artifact, dest, check=ctx.check, progress=ctx.progress)
        except (Refused, StepFailed) as error:
            # A full disk, a token that expired, a file that is not there yet say nothing about the release.
            wrong = isinstance(error, IntegrityError)
            return Failed(why=error.cause, todo=error.todo, blame="release" if wrong else "host")
        dest.chmod(self.mode)
        if self.staging is not None:
            self.staging.give(dest)
        faults.point("download.done")
        return Done(data={"path": str(dest), "size": dest.stat().st_size})

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return (self._dest(ctx).parent,)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        files.remove_tree(self._dest(ctx).parent, ctx.check)
        return Done()

    def _dest(self, ctx: StepContext) -> Path:
        return Path(self.directory.replace("{run}", str(ctx.run_id))) / self.artifact.name
