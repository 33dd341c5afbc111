"""After the checks: the old commit can be rolled back to, and what is no longer needed goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from fsm import kit
from fsm.adapter import Done, StepContext, StepResult
from fsm.kit import make_directory, remove_empty, sweep, write_record
from fsm.sources.git import commit_version
from fsm.system import faults, files
from fsm_git.command import Git
from fsm_git.inspect import Commit
from fsm_git.layout import Layout
from fsm_git.site import Site
from fsm_git.stage import remove_stage


class BackupRecord(kit.BackupRecord):
    """A commit that can be rolled back to.

    Attributes:
        commit: all digits.
        ref: what keeps it in the repository.
        images: names of images that were built from it, each with our own name for it.
    """

    commit: Commit
    ref: str
    images: dict[str, str] = {}


class Retire(kit.Retire):
    """Write down that the old commit can be rolled back to. The run's directory is no part of that: it goes."""

    title: ClassVar[str] = "keep the old commit for a rollback"
    undo_title: ClassVar[str] = "forget it again"

    layout: Layout
    commit: str | None

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        if self.commit is None:
            return Done()
        backup = self.backup(ctx)
        make_directory(backup.parent, 0o711)
        make_directory(backup, 0o711)
        sweep(backup)
        record = BackupRecord(
            run=ctx.run_id,
            commit=self.commit,
            version=self.from_version or str(commit_version(self.commit)),
            ref=self.layout.kept_ref(ctx.run_id),
            images=ctx.results.get("keep_images", {}).get("kept", {}),
        )
        write_record(backup, record)
        faults.point("git.retire.recorded")
        return Done(data={"backup": str(backup)})

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        files.remove_tree(self.backup(ctx), ctx.check)
        return Done()


class Tidy(kit.Tidy):
    """Remove the run's directory with its copies of secrets, and commits beyond those to be kept."""

    title: ClassVar[str] = "remove the copies of this run, and commits that retention no longer covers"
    record: ClassVar[type[kit.BackupRecord]] = BackupRecord

    layout: Layout
    site: Site

    def places(self, ctx: StepContext) -> Sequence[Path]:
        """See `kit.Tidy.places`."""
        return self.site.durable(ctx)

    def tidy(self, ctx: StepContext) -> Iterator[str]:
        """See `kit.Tidy.tidy`."""
        layout, git = self.layout, self.site.git(ctx)
        yield from self.site.unlocked(ctx)
        for _, record in layout.records(BackupRecord):
            if record.run != ctx.run_id:  # a set's member could not remove its own
                files.remove_tree(layout.run(record.run), ctx.check)
        yield from super().tidy(ctx)
        remove_stage(self.site, ctx)
        if not ctx.provisional:  # else what was saved may still have to be put back
            files.remove_tree(layout.run(ctx.run_id), ctx.check)
        faults.point("git.tidy.removed")
        remove_empty(layout.backups)
        # Last: where git cannot, the copies of secrets are gone all the same.
        self._drop_refs(git)

    def _drop_refs(self, git: Git) -> None:
        """Drop the refs of ours that no record names: those of this run's new commit, and of forgotten ones."""
        ours = f"refs/fsm/{self.layout.component}/"
        known = {record.ref for _, record in self.layout.records(BackupRecord)}
        for ref in git.ask("for-each-ref", "--format=%(refname)", ours).out.decode().split():
            if ref.startswith(ours) and ref not in known:
                git.must(f"drop {ref}", "update-ref", "-d", ref)
                faults.point("git.tidy.ref_dropped")
