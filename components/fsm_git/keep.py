"""Before anything else: the old commit gets a ref of ours, and the run a directory that nobody else can look into."""

from __future__ import annotations

from typing import ClassVar

from fsm.adapter import Done, Failed, StepContext, StepResult
from fsm.kit import sweep
from fsm.lifecycle import State
from fsm.system import faults, files
from fsm_git.command import Git
from fsm_git.site import OURS, GitStep, Site


def keep(git: Git, site: Site, ctx: StepContext) -> None:
    """Give the installed commit its ref. A commit that a power cut emptied has to be fetched again first."""
    git.must("keep the installed commit", "update-ref", site.layout.kept_ref(ctx.run_id), str(site.old))
    faults.point("git.keep.kept")


class Keep(GitStep):
    """Keep the old commit, whatever happens to the branch and to the reflog."""

    name: ClassVar[str] = "keep"
    phase: ClassVar[State] = State.BACKING_UP
    title: ClassVar[str] = "keep the installed commit under a ref"
    undo_title: ClassVar[str] = "remove the ref and the run's directory"

    reserve: int

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`."""
        layout, paths = self.site.layout, self.site.paths(ctx)
        # Git may run as another user, who has to come through here.
        layout.make_run(ctx.run_id)
        faults.point("git.keep.begun")
        free = files.disk_free(paths.root)
        if free < self.reserve:
            return Failed(
                why=f"{free >> 20} MiB are free at {layout.live}, {self.reserve >> 20} MiB are to stay free",
                todo="free some disk space, then update again",
                blame="host",
            )
        notes: tuple[str, ...] = ()
        if self.site.old is not None:
            notes = self.site.unlocked(ctx)
            git = self.site.git(ctx)
            if git.commit("HEAD") != self.site.old:
                return Failed(
                    why="HEAD has moved since the plan was made",
                    todo="somebody is working in the checkout; update again when they are done",
                    blame="host",
                )
            if git.has(self.site.old):
                keep(git, self.site, ctx)
        return Done(notes=notes)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        layout = self.site.layout
        if self.site.had_repository and self.site.old is not None:
            self.site.unlocked(ctx, OURS)
            self.site.git(ctx).must("remove a ref of ours", "update-ref", "-d", layout.kept_ref(ctx.run_id))
            faults.point("git.keep.dropped")
        sweep(layout.saved)
        layout.remove_run(ctx.run_id, ctx.check, layout.saved)
        return Done()
