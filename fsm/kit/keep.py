"""The first step of an update: what the way back needs is kept before anything changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Done, Step, StepContext, StepResult
from fsm.kit.layout import Layout
from fsm.lifecycle import State


class Keep(Step):
    """Keep the old version in the run's directory; `Retire` makes a backup of it.

    Subclasses say in `do` what that takes: `Layout.make_run`, then copies, links or names, and `write_record` last.
    Whoever keeps more than that directory holds adds to `undo`.
    """

    name: ClassVar[str] = "keep"
    phase: ClassVar[State] = State.BACKING_UP
    title: ClassVar[str] = "keep the old version"
    undo_title: ClassVar[str] = "remove what was kept of it"

    layout: Layout
    version: str | None

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return (self.layout.root,)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        self.layout.remove_run(ctx.run_id, ctx.check)
        return Done()
