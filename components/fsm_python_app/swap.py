"""Before and between stop and start: note which tree is which, carry the preserved files over, copy what cannot move.

`moves` has the exchange itself. All of this is done as the app's user.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final

from fsm.adapter import Done, Step, StepContext, StepResult
from fsm.errors import Refused
from fsm.kit import sweep
from fsm.lifecycle import State
from fsm.system import faults, files
from fsm_python_app import aside
from fsm_python_app.layout import Layout, patterns

SWAPPED: Final = frozenset({"exchange", "move_in", "copy_in"})
"""The steps of which one makes the new tree the live one."""


class Swap(Step):
    """What the steps of the swap have in common."""

    phase: ClassVar[State] = State.UPDATING
    layout: Layout


class Prepare(Swap):
    """Write down which directory is which, while nothing has moved.

    Attributes:
        furnish: whether the new tree's directories get the owners and modes that those of this host have. It comes
            after the environment was built: nothing of the tree is run any more before it is live.
    """

    name: ClassVar[str] = "prepare"
    title: ClassVar[str] = "note which tree is which"

    furnish: bool

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`. Never runs again once a later step has started, so the trees are where they began."""
        live, tree = self.layout.live, self.layout.paths(ctx.run_id).tree
        notes: tuple[str, ...] = ()
        if self.furnish and live.is_dir():
            notes = files.furnish(live, tree, check=ctx.check)
            faults.point("prepare.furnished")
            files.sync_filesystem(tree)
        return Done(data={"new": _inode(tree), "old": _inode(live)}, notes=notes)


class CarryOver(Swap):
    """Copy what `preserve` names from the stopped live tree into the new one."""

    name: ClassVar[str] = "carry_over"
    title: ClassVar[str] = "carry the preserved files over"
    touches_live: ClassVar[bool] = True

    preserve: tuple[str, ...]

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        live, tree = self.layout.live, self.layout.paths(ctx.run_id).tree
        if not live.is_dir():
            return Done()
        report = files.carry(live, tree, patterns(self.preserve), check=ctx.check)
        faults.point("carry_over.copied")
        return Done(data={"carried": report.copied + report.linked + report.unchanged}, notes=report.notes)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. The old tree is back by now, with all that is preserved; if it was away, people are told."""
        if not SWAPPED & ctx.results.keys():
            return Done()
        return Done(notes=("preserved files are what they were when the old version was stopped",))


class CopyOut(Swap):
    """Copy a live tree that cannot be renamed, while it still runs; what changes until the stop is copied then."""

    name: ClassVar[str] = "copy_out"
    title: ClassVar[str] = "copy the live tree, which cannot be renamed"
    undo_title: ClassVar[str] = "remove the copy"

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        old = self.layout.paths(ctx.run_id).old
        old.mkdir(exist_ok=True)
        try:
            files.mirror(self.layout.live, old, check=ctx.check)
        except Refused as error:
            # The app still writes. What is missing or torn here is copied after the stop, by `CopyIn`.
            return Done(notes=(f"the copy is completed after the stop: {error.cause}",))
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. Runs after `CopyIn` was undone, so the live tree is whole again."""
        files.remove_tree(self.layout.paths(ctx.run_id).old, ctx.check)
        return Done()


class CopyIn(Swap):
    """The swap by copying: bring the copy of the old tree up to date, then make the live tree like the new one."""

    name: ClassVar[str] = "copy_in"
    title: ClassVar[str] = "copy the new tree over the live one"
    undo_title: ClassVar[str] = "copy the old tree back"
    touches_live: ClassVar[bool] = True

    environment_link: str

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        paths = self.layout.paths(ctx.run_id)
        begun = paths.root / "copy-in-begun"
        sweep(paths.root)
        if not begun.exists():
            files.mirror(self.layout.live, paths.old, check=ctx.check)
            files.sync_filesystem(paths.root)
            # From here on the live tree may be half new: a resume must not take it for the old one.
            files.write_atomic(begun, b"")
            faults.point("copy_in.begun")
        # Two releases may have files of one size and time, as reproducible builds give them: bytes are compared.
        files.mirror(paths.tree, self.layout.live, check=ctx.check, verify=True)
        faults.point("copy_in.copied")
        files.sync_filesystem(self.layout.live)
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        paths = self.layout.paths(ctx.run_id)
        begun = paths.root / "copy-in-begun"
        notes: tuple[str, ...] = ()
        if begun.exists():
            notes = aside.set_aside(self.layout.live, paths.old, self.layout, ctx.run_id, self._is_ours, ctx.check)
            files.mirror(paths.old, self.layout.live, check=ctx.check, verify=True)
            files.sync_filesystem(self.layout.live)
            faults.point("copy_in.undone")
            begun.unlink()
        return Done(notes=notes)

    def _is_ours(self, path: PurePosixPath) -> bool:
        return path.parts[0] == self.environment_link or aside.is_cache(path)


def _inode(path: Path) -> int | None:
    try:
        return os.lstat(path).st_ino
    except FileNotFoundError:
        return None
