"""The last steps of an update: the new version is proved, the old one becomes a backup, and old backups go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Done, Step, StepContext, StepResult
from fsm.errors import Refused, StepFailed, Transient
from fsm.kit.directories import make_directory, remove_empty
from fsm.kit.layout import RECORD, BackupRecord, Layout
from fsm.kit.retention import Retention
from fsm.lifecycle import State
from fsm.system import faults, files


class Verify(Step):
    """Prove that the new version works; subclasses perform their checks in `do`."""

    name: ClassVar[str] = "verify"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "check that the new version works"
    touches_live: ClassVar[bool] = True
    by_updater: ClassVar[bool] = True  # it asks services, and engines

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`: it writes nothing."""
        return ()


class Retire(Step):
    """Turn the run's directory into the backup of the old version: one rename."""

    name: ClassVar[str] = "retire"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "keep the old version as a backup"
    undo_title: ClassVar[str] = "take the old version back from the backups"
    touches_live: ClassVar[bool] = True

    layout: Layout
    from_version: str | None

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return (self.layout.root,)

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        run, backup = self.layout.run(ctx.run_id), self.backup(ctx)
        make_directory(backup.parent, 0o711)
        self._move(run, backup)
        return Done(data={"backup": str(backup)})

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        run = self.layout.run(ctx.run_id)
        self._move(self.backup(ctx), run)
        # `Tidy` removes what is no backup; what is undone next needs the directory all the same.
        make_directory(run, 0o711)
        return Done()

    def backup(self, ctx: StepContext) -> Path:
        """Where this run's backup is."""
        return self.layout.backup(self.from_version, ctx.run_id)

    def _move(self, source: Path, dest: Path) -> None:
        if source.exists() and not dest.exists():
            source.rename(dest)
            faults.point("retire.renamed")
        for parent in (source.parent, dest.parent):
            if parent.is_dir():
                files.sync_dir(parent)


class Tidy(Step):
    """Remove what is no longer needed. Nothing here can fail an update that has been verified.

    Component types that have more to remove override `tidy`; those whose records say more set `record`.
    """

    name: ClassVar[str] = "tidy"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "remove versions that retention no longer covers"
    touches_live: ClassVar[bool] = True
    record: ClassVar[type[BackupRecord]] = BackupRecord

    layout: Layout
    retention: Retention

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        notes: list[str] = []
        try:
            for note in self.tidy(ctx):
                notes.append(note)
        except (OSError, Refused, StepFailed, Transient) as error:
            notes.append(f"could not remove everything that is no longer needed: {error}")
        try:
            files.sync_places(self.places(ctx))
        except OSError as error:
            notes.append(f"what was removed may be back after a power cut: {error}")
        return Done(notes=tuple(notes))

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`: it syncs by itself, for that cannot fail the update either."""
        return ()

    def places(self, ctx: StepContext) -> Sequence[Path]:
        """Where it removes something: what a power cut brings back would be nobody's to remove."""
        return (self.layout.root,)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. What was removed does not come back; what is half removed goes."""
        with suppress(OSError, Refused):
            self.layout.sweep_backups(ctx.check)
            files.sync_places(self.places(ctx))
        return Done()

    def tidy(self, ctx: StepContext) -> Iterator[str]:
        """Remove it; yields what people should hear of, one sentence each."""
        self.layout.sweep_backups(ctx.check)
        for path, record in self.retention.expired(self.layout.records(self.record), ctx):
            self.forget(record)
            # Without its record nobody can go back to a version that a crash left half removed.
            (path / RECORD).unlink(missing_ok=True)
            files.remove_tree(path, ctx.check)
            faults.point("tidy.removed")
            yield f"{record.version or 'an unknown version'} from {record.made_at} is no longer kept"
        remove_empty(self.layout.backups)

    def forget(self, record: BackupRecord) -> None:
        """Remove what belongs to a backup and lies elsewhere; comes before its record goes, and may come again."""
