"""What every step of a plan knows: which checkout, from which commit to which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from fsm.adapter import StepContext
from fsm.errors import StepFailed
from fsm.kit import HostStep
from fsm.lifecycle import State
from fsm.model import Model, Seconds
from fsm_git import changes, locks, submodule_changes
from fsm_git.changes import Change
from fsm_git.command import Git
from fsm_git.layout import Layout, RunPaths
from fsm_git.repository import Places, owner_of_repository, places


class Site(Model):
    """One checkout and what is to become of it; frozen in the plan.

    Attributes:
        layout: where everything lies.
        had_repository: whether there is a repository before the run.
        present: whether the checkout's directory is there before the run.
        old: the commit that is checked out before the run; None if there is none.
        new: the commit that will be.
        preserve: patterns of files that are not git's business.
        submodules: whether they are updated.
        lock_wait: seconds to wait for a lock of git.
    """

    layout: Layout
    had_repository: bool
    present: bool
    old: str | None
    new: str
    preserve: tuple[str, ...]
    submodules: bool
    lock_wait: Seconds

    def paths(self, ctx: StepContext) -> RunPaths:
        """The paths of a run."""
        return self.layout.paths(ctx.run_id)

    def dot_git(self, ctx: StepContext) -> Path:
        """The repository: a new one is made in the run's directory, and takes its place with the reset."""
        own = self.layout.live / ".git"
        return own if self.had_repository or own.exists() else self.paths(ctx).repository

    def places(self, ctx: StepContext) -> Places:
        """Where the repository keeps things.

        Raises:
            StepFailed: it is gone.
        """
        found = places(self.dot_git(ctx))
        if found is None:
            raise StepFailed(
                f"cannot work on {self.layout.live}",
                f"{self.dot_git(ctx)} is no longer a repository",
                "put it back, then run `fsm resume`",
            )
        return found

    def git(self, ctx: StepContext) -> Git:
        """Git on the repository, as its owner."""
        dot_git = self.dot_git(ctx)
        return Git(dot_git, self.layout.live, owner_of_repository(dot_git, self.layout.live), ctx)

    def differing(self, git: Git) -> list[Change]:
        """What distinguishes the old commit from the new one, also in the submodules that are checked out."""
        found = changes.between(git, self.old, self.new)
        return submodule_changes.with_submodules(git, found) if self.submodules else found

    def unlocked(self, ctx: StepContext, *only: str) -> tuple[str, ...]:
        """Wait for locks, or those of some refs only, and remove those that nobody owns; returns notes."""
        return locks.settle(self.places(ctx), self.layout.live, self.lock_wait, ctx, only=only)

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """The places of all that a run writes."""
        dot_git = self.dot_git(ctx)
        found = places(dot_git)
        return (self.layout.live, self.layout.root, dot_git if found is None else found.common)

    def ours(self, path: str) -> bool:
        """Whether a path is preserved, and so not git's business."""
        return changes.ours(self.preserve, self.layout.live, path)


OURS: Final = "refs/fsm"
"""The directory of the updater's own refs."""


class GitStep(HostStep):
    """A step on a checkout. What git itself cannot do is the host's trouble: no commit is to blame for a bad disk."""

    phase: ClassVar[State] = State.UPDATING

    site: Site

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`: git and builds sync some of what they write, and no directory."""
        return self.site.durable(ctx)
