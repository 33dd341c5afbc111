"""The new commit in a worktree of its own, and what is made of it there: all before the stop."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Done, Failed, StepContext, StepResult
from fsm.kit import ended
from fsm.system import faults, files
from fsm_git import submodules
from fsm_git.site import GitStep, Site
from fsm_git.spec import Build


class Stage(GitStep):
    """Check the new commit out beside the checkout, with copies of the preserved files that a build may need."""

    name: ClassVar[str] = "stage"
    title: ClassVar[str] = "check the new commit out in a worktree of its own"
    undo_title: ClassVar[str] = "remove that worktree"

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`."""
        paths, live = self.site.paths(ctx), self.site.layout.live
        notes = self.site.unlocked(ctx)
        self._remove(ctx)
        git = self.site.git(ctx)
        git.hand_over(paths.stage.parent)
        add = ("worktree", "add", "--quiet", "--detach", "--force", str(paths.stage), self.site.new)
        git.must("check out the new commit", *add)
        faults.point("git.stage.added")
        if self.site.submodules:
            staged = replace(git, directory=paths.stage / ".git", work=paths.stage)
            submodules.write(staged, self.site.new, self.site.places(ctx), paths.stage.parent)
        if live.is_dir():
            files.carry(live, paths.stage, files.Patterns(self.site.preserve), check=ctx.check)
        faults.point("git.stage.carried")
        return Done(notes=notes)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        self._remove(ctx)
        faults.point("git.stage.removed")
        return Done()

    def _remove(self, ctx: StepContext) -> None:
        remove_stage(self.site, ctx)


def remove_stage(site: Site, ctx: StepContext) -> None:
    """Remove the worktree and git's note of it, and of those that earlier runs could not remove.

    ``git worktree prune`` would remove those of other people as well.
    """
    paths = site.paths(ctx)
    ours = paths.stage_name.removesuffix(str(ctx.run_id))
    files.remove_tree(paths.stage.parent, ctx.check)
    dot_git = site.dot_git(ctx)
    if dot_git.exists():
        notes = site.places(ctx).common / "worktrees"
        for name in os.listdir(notes) if notes.is_dir() else ():
            if name.startswith(ours) and not name[len(ours) :].strip("0123456789"):
                files.remove_tree(notes / name, ctx.check)
        if notes.is_dir() and not os.listdir(notes):
            notes.rmdir()


class BuildCommand(GitStep):
    """Run the configured build in the new tree."""

    name: ClassVar[str] = "build"
    title: ClassVar[str] = "build the new commit"

    build: Build

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`. It starts from a fresh worktree, but may find what it made before it was killed."""
        stage = self.site.paths(ctx).stage
        failed = run_build(ctx, self.build, stage)
        if failed:
            return failed
        for product in self.build.products:
            if not os.path.lexists(stage / product):
                return Failed(
                    why=f"the build made no {product}, which `products` names", todo="correct the build or the key"
                )
        faults.point("git.build.built")
        return Done(data={"products": inodes(stage, self.build.products)})


def run_build(ctx: StepContext, build: Build, tree: Path) -> Failed | None:
    """Run the build command; why it failed, or None."""
    result = ctx.run(build.command or (), cwd=tree, env=build.env, timeout=build.timeout)
    faults.point("git.build.ended")
    if result.code == 0:
        return None
    return Failed(
        why=ended("the build", result),
        todo="see the log; the commit is broken, or this host lacks what its build needs",
    )


def inodes(tree: Path, names: tuple[str, ...]) -> dict[str, int | None]:
    """The inode of each entry, by which a resume knows it again wherever it was moved."""
    return {name: inode(tree / name) for name in names}


def inode(path: Path) -> int | None:
    """The inode of an entry; None if there is none."""
    try:
        return os.lstat(path).st_ino
    except FileNotFoundError:
        return None
