"""Taking a kept version out of the backups, to make it the live one again."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from fsm.adapter import Done, Failed, Step, StepContext, StepResult
from fsm.lifecycle import State
from fsm.system import faults, files
from fsm_python_app.layout import Layout, RunPaths


class TakeKept(Step):
    """Make the tree of a backup the staged one: one rename."""

    name: ClassVar[str] = "take_kept"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "take the kept version out of the backups"
    undo_title: ClassVar[str] = "put the kept version back into the backups"

    layout: Layout
    backup: Path

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        tree, kept = self.layout.paths(ctx.run_id).tree, RunPaths(root=self.backup).old_version
        if kept.is_dir():
            if tree.exists():
                return Failed(why=f"both {kept} and {tree} exist", todo="see `fsm doctor`", blame="host")
            kept.rename(tree)
            faults.point("take_kept.renamed")
        if not tree.is_dir():
            return Failed(why=f"the backup {self.backup} has no tree any more", blame="host")
        self._sync(tree)
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        tree = self.layout.paths(ctx.run_id).tree
        if tree.is_dir():
            tree.rename(RunPaths(root=self.backup).tree)
            faults.point("take_kept.renamed_back")
            self._sync(tree)
        return Done()

    def _sync(self, tree: Path) -> None:
        files.sync_dir(tree.parent)
        files.sync_dir(self.backup)
