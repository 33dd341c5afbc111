"""After the checks: the old commit can be rolled back to, and what is no longer needed goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Backup, Done, StepContext, StepResult
from fsm.errors import DeadlineExceeded, Refused, StepFailed, Transient
from fsm.lifecycle import State
from fsm.model import Model, Version
from fsm.sources.git import commit_version
from fsm.system import faults, files
from fsm_git.command import Git
from fsm_git.layout import Layout
from fsm_git.site import GitStep
from fsm_git.stage import remove_stage


class KeptCommit(Model):
    """`kept/<run>.json`: a commit that can be rolled back to.

    Attributes:
        run: the run that replaced it.
        commit: all digits.
        version: as it was called then.
        made_at: when it was replaced, UTC.
        ref: what keeps it in the repository.
        images: names of images that were built from it, each with our own name for it.
    """

    run: int
    commit: str
    version: Version
    made_at: str
    ref: str
    images: dict[str, str] = {}


class Retire(GitStep):
    """Write down that the old commit can be rolled back to."""

    name: ClassVar[str] = "retire"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "keep the old commit for a rollback"
    undo_title: ClassVar[str] = "forget it again"
    touches_live: ClassVar[bool] = True

    version: Version | None

    def act(self, ctx: StepContext) -> StepResult:
        """See `GitStep.act`."""
        layout, old = self.site.layout, self.site.old
        if old is None:
            return Done()
        layout.kept.mkdir(mode=0o711, exist_ok=True)
        files.sweep_temporaries(layout.kept)
        record = KeptCommit(
            run=ctx.run_id,
            commit=old,
            version=self.version or commit_version(old),
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            ref=layout.kept_ref(ctx.run_id),
            images=ctx.results.get("keep_images", {}).get("kept", {}),
        )
        files.write_atomic(layout.record(ctx.run_id), record.model_dump_json(indent=2).encode())
        faults.point("git.retire.recorded")
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        if self.site.layout.kept.is_dir():
            files.sweep_temporaries(self.site.layout.kept)
        self.site.layout.record(ctx.run_id).unlink(missing_ok=True)
        return Done()


class Tidy(GitStep):
    """Remove the run's directory with its copies of secrets, and commits beyond those to be kept.

    Nothing here can fail an update that has been verified.
    """

    name: ClassVar[str] = "tidy"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "remove the copies of this run and the oldest kept commits"
    touches_live: ClassVar[bool] = True

    keep: int

    def act(self, ctx: StepContext) -> StepResult:
        """See `GitStep.act`."""
        notes: list[str] = []
        layout, git = self.site.layout, self.site.git(ctx)
        try:
            notes += self.site.unlocked(ctx)
            for _, record in records(layout):
                if record.run != ctx.run_id:  # a set's member could not remove its own
                    files.remove_tree(layout.run(record.run).root, ctx.check)
            # A set that goes back takes this run's record out of them: as long as it may, that does not count.
            for path, record in list(records(layout))[self.keep + ctx.provisional :]:
                path.unlink()
                faults.point("git.tidy.forgotten")
                notes.append(f"{record.version} from {record.made_at} is no longer kept")
            self._drop_refs(git, ctx)
            remove_stage(self, ctx)
            if not ctx.provisional:  # else what was saved may still have to be put back
                files.remove_tree(self.site.paths(ctx).root, ctx.check)
            faults.point("git.tidy.removed")
            with suppress(OSError):  # something is kept in it
                layout.kept.rmdir()
        except (OSError, Refused, StepFailed, DeadlineExceeded, Transient) as error:
            notes.append(f"could not remove everything that is no longer needed: {error}")
        return Done(notes=tuple(notes))

    def _drop_refs(self, git: Git, ctx: StepContext) -> None:
        """Drop the refs of ours that no record names: those of this run's new commit, and of forgotten ones."""
        layout = self.site.layout
        known = {record.ref for _, record in records(layout)}
        listed = git.ask("for-each-ref", "--format=%(refname)", f"refs/fsm/{layout.component}/").out.decode().split()
        for ref in listed:
            if ref.startswith(f"refs/fsm/{layout.component}/") and ref not in known:
                git.run("update-ref", "-d", ref)
                faults.point("git.tidy.ref_dropped")


def records(layout: Layout) -> Iterator[tuple[Path, KeptCommit]]:
    """The kept commits, newest first."""
    found = []
    for path in layout.kept.glob("*.json") if layout.kept.is_dir() else ():
        with suppress(OSError, ValueError):  # a record that cannot be read is none
            found.append((path, KeptCommit.model_validate(json.loads(path.read_text(encoding="utf-8")))))
    yield from sorted(found, key=lambda pair: pair[1].run, reverse=True)


def backups(layout: Layout) -> list[Backup]:
    """The kept commits as the library tells of them, newest first."""
    return [
        Backup(version=record.version, path=path, run_id=record.run, made_at=record.made_at)
        for path, record in records(layout)
    ]
