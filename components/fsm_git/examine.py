"""Whether the checkout can go to the new commit: found out while the services run and nothing has changed."""

from __future__ import annotations

from typing import ClassVar, Literal

from fsm.adapter import Done, Failed, StepContext, StepResult
from fsm_git import changes, checkout_facts, submodule_changes
from fsm_git.blobs import GITLINK
from fsm_git.changes import Change
from fsm_git.command import Git
from fsm_git.keep import keep
from fsm_git.site import GitStep, Site


class Examine(GitStep):
    """Compare the two commits with each other and with what is in the checkout.

    Attributes:
        rewritten: as configured; ``back`` where going back is what was asked for.
        local_changes: as configured.
        required: paths that the new commit must have.
    """

    name: ClassVar[str] = "examine"
    title: ClassVar[str] = "compare the new commit with the checkout"

    rewritten: Literal["refuse", "reset", "back"]
    local_changes: Literal["refuse", "save"]
    required: tuple[str, ...]

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`. It reads only, but for a list that it has git write."""
        notes = self.site.unlocked(ctx)
        git, site = self.site.git(ctx), self.site
        if site.old is not None and git.commit(site.layout.kept_ref(ctx.run_id)) is None:
            if not git.has(site.old):
                return self._lost()
            keep(git, site, ctx)
        failed = self._missing(git) or self._ancestry(git)
        if failed:
            return failed
        differing = site.differing(git)
        if site.old is not None:
            every = submodule_changes.local_changes(git, site.old, site.ours, submodules=site.submodules)
            changed = [path for path in every if not site.ours(path)]
            failed = refuse_unsaved(site, git, differing, changed, self.local_changes)
        elif self.local_changes == "refuse":
            failed = self._differ(changes.in_the_way(site.layout.live, differing, site.ours))
        if failed:
            return failed
        changes.prove(git, site.old, site.new)
        return Done(notes=(*notes, *self._rewritten_note(git, ctx), *checkout_facts.notes(git, site.new)))

    def _lost(self) -> Failed:
        return Failed(
            why=f"the installed commit {self.site.old} cannot be read, and {self.site.new[:12]} did not bring it:"
            " nobody could go back to it",
            todo="`git fsck` in the checkout names what is damaged; reset it by hand to a commit that is whole",
            blame="host",
        )

    def _missing(self, git: Git) -> Failed | None:
        for path in self.required:
            if not git.ok("cat-file", "-e", f"{self.site.new}:{path}"):
                return Failed(
                    why=f"{self.site.new[:12]} has no {path}, which `required` names",
                    todo="the commit is broken; nothing was stopped",
                )
        return None

    def _ancestry(self, git: Git) -> Failed | None:
        """Why a new commit that does not follow from the installed one is refused."""
        if self.rewritten != "refuse" or self._follows(git):
            return None
        return Failed(
            why=f"the installed {str(self.site.old)[:12]} is not an ancestor of {self.site.new[:12]}: upstream was"
            " rewritten, or somebody committed here",
            todo='look at both; rewritten = "reset" goes to the new commit and keeps the old one under a ref',
            blame="host",
        )

    def _follows(self, git: Git) -> bool:
        site = self.site
        return site.old is None or git.ok("merge-base", "--is-ancestor", site.old, site.new)

    def _rewritten_note(self, git: Git, ctx: StepContext) -> tuple[str, ...]:
        if self.rewritten != "reset" or self._follows(git):
            return ()
        ref = self.site.layout.kept_ref(ctx.run_id)
        return (f"{self.site.new[:12]} does not follow from {str(self.site.old)[:12]}, which is kept as {ref}",)

    def _differ(self, blocking: list[str]) -> Failed | None:
        if not blocking:
            return None
        return Failed(
            why=f"the checkout has no repository, and {changes.named(blocking)} differ from {self.site.new[:12]}",
            todo='name in `preserve` what is yours, or set local_changes = "save" to have them set aside',
            blame="host",
        )


def refuse_changes(changed: list[str]) -> Failed:
    """The answer to local changes that nobody has a place for."""
    return _not_kept(
        f"tracked files were changed here: {changes.named(changed)}",
        'commit or revert them, name them in `preserve`, or set local_changes = "save"',
    )


def refuse_unsaved(
    site: Site, git: Git, differing: list[Change], changed: list[str], local_changes: Literal["refuse", "save"]
) -> Failed | None:
    """The answer to what is here, would be overwritten, and has no place where it is kept.

    Args:
        site: the checkout, which has a commit.
        git: its repository.
        differing: what distinguishes that commit from the new one.
        changed: what differs here from that commit, and is not preserved.
        local_changes: as configured.
    """
    live = site.layout.live
    if changed and local_changes == "refuse":
        return refuse_changes(changes.for_people(live, changed))
    submodules = submodule_changes.in_index(git).keys() & changed if changed else set[str]()
    moving = {change.path for change in differing if GITLINK in (change.old_mode, change.new_mode)}
    dirty = submodule_changes.dirty(git, submodules | moving if site.submodules else submodules, site.ours)
    if dirty:
        return _not_kept(
            f"files were changed in a submodule, which cannot be saved as a patch: {changes.named(dirty)}",
            "commit or revert them there",
        )
    blocking = changes.in_the_way(live, differing, site.ours, (path for path in changed if path not in submodules))
    if blocking:
        return _not_kept(
            f"the new commit brings files that would overwrite untracked ones: {changes.named(blocking)}",
            "move them away, or name them in `preserve` to keep them as they are",
        )
    return None


def _not_kept(why: str, todo: str) -> Failed:
    return Failed(why=why, todo=todo, blame="host")
