"""Everything that needs the network, while the services run: the commit, and the commits of its submodules."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Done, Failed, RetryLater, StepContext, StepResult
from fsm.model import Seconds
from fsm.sources import GitSpec
from fsm.sources.git import complaint, remote_settings
from fsm.sources.remotes import masked
from fsm.system import faults, files
from fsm_git import submodules
from fsm_git.command import Git
from fsm_git.site import GitStep


class Fetch(GitStep):
    """Fetch the new commit into the checkout's repository, or into a new one beside it.

    Attributes:
        source: where from.
        ref: the branch or tag that led to the commit.
        new_tag: the tag to make here, which was not there before the run; None for a branch.
        submodule_hosts: hosts that submodules may come from beside the source's own.
        patience: seconds for one try.
    """

    name: ClassVar[str] = "download"
    title: ClassVar[str] = "fetch the new commit"
    undo_title: ClassVar[str] = "remove the refs to it"

    source: GitSpec
    ref: str
    new_tag: str | None
    submodule_hosts: tuple[str, ...]
    patience: Seconds

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
        failed = self._fetch(ctx, git, anew=bool(empty))
        if failed is None and self.site.submodules:
            failed = submodules.fetch(git, self.source, self.site.new, self.submodule_hosts, found, ctx)
        if failed is not None:
            return failed
        if self.new_tag is not None:
            git.must("make the tag", "update-ref", f"refs/tags/{self.new_tag}", self.site.layout.new_ref(ctx.run_id))
        files.sync_filesystem(found.common)
        faults.point("git.fetch.fetched")
        return Done(notes=notes)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. Objects stay: git's own housekeeping removes what no ref leads to."""
        if self.site.had_repository:
            self.site.unlocked(ctx, refs_only=True)
            git = self.site.git(ctx)
            git.must("remove a ref of ours", "update-ref", "-d", self.site.layout.new_ref(ctx.run_id))
            if self.new_tag is not None:
                git.must("remove the tag", "update-ref", "-d", f"refs/tags/{self.new_tag}")
            submodules.sweep(self.site.places(ctx))
            faults.point("git.fetch.dropped")
        return Done()

    def _make(self, ctx: StepContext) -> None:
        """A new repository, with the source as its ``origin``: whoever works in the checkout later expects one."""
        if self.site.had_repository or (self.site.layout.live / ".git").exists():
            return
        git = self.site.git(ctx)
        directory = git.hand_over(self.site.paths(ctx).repository)
        branch = self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else "main"
        git.must("make a repository", "init", "--quiet", f"--initial-branch={branch}")
        for key, value in (
            ("core.bare", "false"),
            ("remote.origin.url", self.source.url),
            ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
        ):
            git.must("set up the repository", "config", key, value)
        # With a work tree on its command line, `git init` writes that down; the repository is to move.
        git.run("config", "--unset-all", "core.worktree")
        directory.chmod(0o755)
        faults.point("git.fetch.made")

    def _fetch(self, ctx: StepContext, git: Git, *, anew: bool) -> Failed | RetryLater | None:
        """Fetch by the ref, which every server allows, then by the commit, where the ref has moved on."""
        new, ref = self.site.new, self.site.layout.new_ref(ctx.run_id)
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--force", *(["--refetch"] if anew else [])]
        said = ""
        for wanted in (self.ref, new):
            if not anew and git.commit(ref) == new and git.has(new):
                return None
            result = self._remote(git).run(
                "fetch", *options, "--", self.source.url, f"+{wanted}:{ref}", timeout=self.patience
            )
            faults.point("git.fetch.tried")
            if result.code == 0 and git.has(new):
                git.must("name the new commit", "update-ref", ref, self._object(git, ref))
                return None
            said = said or ("" if result.code == 0 else complaint(result.tail))
        if said:
            return RetryLater(why=f"cannot fetch {new[:12]} from {masked(self.source.url)}: {said}")
        return Failed(
            why=f"{masked(self.source.url)} no longer has {new[:12]}: {self.ref} was moved while the plan was made",
            todo="update again",
            blame="host",
        )

    def _object(self, git: Git, ref: str) -> str:
        """What the ref is to name: an annotated tag as itself, where it leads to the commit, else the commit."""
        there = git.commit(ref)
        return there if there and git.commit(f"{ref}^{{commit}}") == self.site.new else self.site.new

    def _remote(self, git: Git) -> Git:
        return Git(git.directory, git.work, git.owner, git.runner, remote_settings(self.source))


def empty_objects(objects: Path) -> list[Path]:
    """Loose objects without a byte: the file's name was durable before a power cut, its content was not."""
    found = []
    for directory in objects.glob("[0-9a-f][0-9a-f]"):
        with os.scandir(directory) as entries:
            found += [Path(entry.path) for entry in entries if entry.is_file() and entry.stat().st_size == 0]
    return found
