"""What a build makes in the tree and git does not know: moved in by renames, and the old ones kept for the way back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from fsm.adapter import Done, StepContext, StepResult
from fsm.system import faults, files
from fsm_git.site import GitStep
from fsm_git.spec import Build
from fsm_git.stage import inode, inodes, run_build


class Products(GitStep):
    """Have the products of the build in the checkout; those of the old commit are set aside in the run's directory.

    Each move is one rename of something that is known by its inode, so that a resume sees how far it came. What the
    live products were is noted by `NoteProducts` before anything moves.
    """

    name: ClassVar[str] = "products"
    title: ClassVar[str] = "put the products of the build in place"
    undo_title: ClassVar[str] = "put the old products back"
    touches_live: ClassVar[bool] = True

    build: Build

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`."""
        paths, live = self.site.paths(ctx), self.site.layout.live
        old: dict[str, Any] = ctx.results["note_products"]["old"]
        new: dict[str, Any] = ctx.results.get("build", {}).get("products", {})
        for name in self.build.products:
            if old[name] is not None:
                _move(live / name, paths.old_products / name, old[name])
            if new.get(name) is not None:
                _move(paths.stage / name, live / name, new[name])
            faults.point("git.products.moved")
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        paths, live = self.site.paths(ctx), self.site.layout.live
        old: dict[str, Any] = ctx.results.get("note_products", {}).get("old", {})
        new: dict[str, Any] = ctx.results.get("build", {}).get("products", {})
        for name in self.build.products:
            if new.get(name) is not None:
                _move(live / name, paths.stage / name, new[name])
            elif self.build.where == "checkout" and name in old and inode(live / name) != old[name]:
                # Whatever the build in the checkout made of it, half or whole.
                files.remove_tree(live / name, ctx.check)
            if old.get(name) is not None:
                _move(paths.old_products / name, live / name, old[name])
            faults.point("git.products.moved_back")
        return Done()


class NoteProducts(GitStep):
    """Write down which products are there, while nothing has moved."""

    name: ClassVar[str] = "note_products"
    title: ClassVar[str] = "note which products are there"

    build: Build

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`. Never runs again once a later step has started."""
        return Done(data={"old": inodes(self.site.layout.live, self.build.products)})


class BuildHere(GitStep):
    """Run the configured build in the checkout itself, where it works nowhere else."""

    name: ClassVar[str] = "build_here"
    title: ClassVar[str] = "build in the checkout"
    touches_live: ClassVar[bool] = True

    build: Build

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`. What it makes is undone as far as `products` names it."""
        failed = run_build(ctx, self.build, self.site.layout.live)
        if failed:
            return failed
        faults.point("git.build.built_here")
        return Done()


def _move(source: Path, dest: Path, number: int) -> None:
    """Have the entry with that inode at `dest`, coming from `source`; nothing happens where it is neither."""
    if inode(dest) == number or inode(source) != number:
        return
    dest.parent.mkdir(parents=True, exist_ok=True)
    os.rename(source, dest)
    files.sync_dir(dest.parent)
    files.sync_dir(source.parent)
