"""Between stop and start: carry the preserved files over, and exchange the trees by one rename.

Every step here finds out from the trees themselves how far it came: a directory keeps its inode through a rename, so
"is the live directory the one that was staged?" has an answer after any crash. The inodes are journaled by `Prepare`
before anything moves.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import ClassVar

from fsm.adapter import Done, Failed, Step, StepContext, StepResult
from fsm.errors import Refused
from fsm.kit import sweep
from fsm.lifecycle import State
from fsm.system import faults, files
from fsm_python_app import aside
from fsm_python_app.layout import Layout, patterns


class _Swap(Step):
    phase: ClassVar[State] = State.UPDATING
    layout: Layout


class Prepare(_Swap):
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


class CarryOver(_Swap):
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


class Exchange(_Swap):
    """The swap: one atomic exchange of the live tree and the new one."""

    name: ClassVar[str] = "exchange"
    title: ClassVar[str] = "exchange the live tree and the new one"
    undo_title: ClassVar[str] = "exchange them back"
    touches_live: ClassVar[bool] = True

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        return self._set(ctx, "new")

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        return self._set(ctx, "old")

    def _set(self, ctx: StepContext, wanted: str) -> StepResult:
        live, tree = self.layout.live, self.layout.paths(ctx.run_id).tree
        inodes = ctx.results["prepare"]
        found = _inode(live)
        if found not in (inodes["new"], inodes["old"]):
            return Failed(
                why=f"{live} is neither the old tree nor the new one: somebody else replaced it during the update",
                todo=f"compare it with {tree}, and put the right one in its place",
                blame="host",
            )
        if found != inodes[wanted]:
            files.exchange(live, tree)
            faults.point("exchange.done")
        _sync(live, tree)
        return Done()


class MoveOut(_Swap):
    """First half of the swap on a file system without an exchange."""

    name: ClassVar[str] = "move_out"
    title: ClassVar[str] = "move the live tree aside"
    undo_title: ClassVar[str] = "move the old tree back"
    touches_live: ClassVar[bool] = True

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        return _move(self.layout.live, self.layout.paths(ctx.run_id).old, ctx.results["prepare"]["old"])

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        return _move(self.layout.paths(ctx.run_id).old, self.layout.live, ctx.results["prepare"]["old"])


class MoveIn(_Swap):
    """Second half of the swap on a file system without an exchange; all of it where nothing was installed."""

    name: ClassVar[str] = "move_in"
    title: ClassVar[str] = "move the new tree into its place"
    undo_title: ClassVar[str] = "move the new tree out again"
    touches_live: ClassVar[bool] = True

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        return _move(self.layout.paths(ctx.run_id).tree, self.layout.live, ctx.results["prepare"]["new"])

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        return _move(self.layout.live, self.layout.paths(ctx.run_id).tree, ctx.results["prepare"]["new"])


class CopyOut(_Swap):
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


class CopyIn(_Swap):
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


def _move(source: Path, dest: Path, inode: int | None) -> StepResult:
    """Have the directory with that inode at `dest`, coming from `source`."""
    if _inode(dest) == inode:
        _sync(source, dest)
        return Done()
    if _inode(source) != inode:
        # Nothing was moved yet (or nothing was ever there): an undo has nothing to do.
        return Done() if inode is None else _lost(source, dest)
    if dest.exists():
        return Failed(why=f"cannot move {source} to {dest}: something is there already", blame="host")
    source.rename(dest)
    faults.point("move.done")
    _sync(source, dest)
    return Done()


def _lost(source: Path, dest: Path) -> Failed:
    return Failed(
        why=f"the tree is neither at {source} nor at {dest}: somebody else moved it during the update",
        todo=f"put it at {dest}",
        blame="host",
    )


def _sync(*paths: Path) -> None:
    """Make the renames durable, on both sides."""
    for parent in {path.parent for path in paths}:
        files.sync_dir(parent)
    faults.point("swap.synced")
