"""What a fetch changes in the checkout's repository, wherever the commit comes from."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar

from fsm.adapter import Done, Failed, RetryLater, StepContext, StepResult
from fsm.system import faults, files
from fsm_git import submodules
from fsm_git.command import Git
from fsm_git.repository import Places, empty_objects, places
from fsm_git.site import OURS, GitStep


class Bring(GitStep):
    """Have the new commit in the checkout's repository, or in a new one beside it.

    Attributes:
        url: of the source; a new repository has it as its ``origin``.
        ref: the branch or tag that led to the commit.
        new_tag: the tag to make here, which was not there before the run; None for a branch.
    """

    undo_title: ClassVar[str] = "remove the refs to it"

    url: str
    ref: str
    new_tag: str | None

    @abstractmethod
    def bring(self, ctx: StepContext, git: Git, found: Places, *, anew: bool) -> Failed | RetryLater | None:
        """Bring the commit and those of its submodules, and have the run's ref name it.

        Args:
            ctx: the step's.
            git: the repository.
            found: where it keeps things.
            anew: whether objects are missing that seem to be there.
        """

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`."""
        self._make(ctx)
        notes = self.site.unlocked(ctx)
        found, git = self.site.places(ctx), self.site.git(ctx)
        empty = empty_objects(found.common / "objects")
        for path in empty:
            path.unlink(missing_ok=True)
            faults.point("git.fetch.emptied")
        if empty:
            notes += (f"{len(empty)} empty objects, as a power cut leaves them, were removed and are fetched again",)
        failed = self.bring(ctx, git, found, anew=bool(empty))
        if failed is not None:
            return failed
        if self.new_tag is not None:
            git.must("make the tag", "update-ref", f"refs/tags/{self.new_tag}", self.site.layout.new_ref(ctx.run_id))
        faults.point("git.fetch.fetched")
        return Done(notes=notes)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. Objects stay: git's own housekeeping removes what no ref leads to."""
        tag = None if self.new_tag is None else f"refs/tags/{self.new_tag}"
        if self.site.had_repository:
            self.site.unlocked(ctx, OURS, *([] if tag is None else [tag]))
            git = self.site.git(ctx)
            git.must("remove a ref of ours", "update-ref", "-d", self.site.layout.new_ref(ctx.run_id))
            if tag is not None:
                git.must("remove the tag", "update-ref", "-d", tag)
            submodules.sweep(self.site.places(ctx))
            faults.point("git.fetch.dropped")
        return Done()

    def _make(self, ctx: StepContext) -> None:
        """A new repository, with the source as its ``origin``: whoever works in the checkout later expects one."""
        if self.site.had_repository or (self.site.layout.live / ".git").exists():
            return
        git, directory = self.site.git(ctx), self.site.paths(ctx).repository
        if places(directory) is not None:
            return
        files.remove_tree(directory, ctx.check)
        making = directory.with_name(f"{directory.name}.fsm-new")
        files.remove_tree(making, ctx.check)
        git = replace(git, directory=git.hand_over(making))
        branch = self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else "main"
        git.must("make a repository", "init", "--quiet", f"--initial-branch={branch}")
        for key, value in (
            ("core.bare", "false"),
            ("remote.origin.url", self.url),
            ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
        ):
            git.must("set up the repository", "config", key, value)
        # With a work tree on its command line, `git init` writes that down; the repository is to move.
        git.run("config", "--unset-all", "core.worktree")
        making.chmod(0o755)
        files.sync_filesystem(making)
        making.rename(directory)
        faults.point("git.fetch.made")
