"""After the checks: the old tree becomes a backup, and what retention no longer covers is removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from fsm import kit
from fsm.adapter import Done, StepContext, StepResult
from fsm.kit import sweep
from fsm.model import Version
from fsm.system import faults, files, inventory
from fsm_python_app import installed
from fsm_python_app.environment import discard, linked, links
from fsm_python_app.keep import BackupRecord
from fsm_python_app.layout import Layout, RunPaths
from fsm_python_app.listing import shown


class Retire(kit.Retire):
    """Turn the run's directory into the backup of the old version, and remember which files the new one brought.

    Attributes:
        to_version: what is installed now.
        restored: the backup that it was taken out of; None after an update.
        takes_data: whether the preserved files are those of that backup.
    """

    title: ClassVar[str] = "keep the old tree as a backup"
    undo_title: ClassVar[str] = "take the old tree back from the backups"

    layout: Layout
    to_version: Version
    restored: Path | None = None
    takes_data: bool = False

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        backup = self.backup(ctx)
        self._note_files(self.layout.paths(ctx.run_id), backup)
        retired = super().do(ctx)
        assert isinstance(retired, Done), "a rename ends or raises"
        return retired.model_copy(update={"notes": self._notes(ctx, backup)})

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        sweep(self.layout.root)
        undone = super().undo(ctx)
        former = installed.read(self.layout.run(ctx.run_id) / "installed.before.json")
        if former is not None:
            if former:
                files.write_atomic(self.layout.installed, former)
            else:
                self.layout.installed.unlink(missing_ok=True)
        return undone

    def _note_files(self, paths: RunPaths, kept: Path) -> None:
        """Remember which files the installed release brought, and what was remembered before, for the undo.

        Nothing before is remembered as an empty file: a second call must not take the first one's list for the former.
        """
        here = paths if paths.root.exists() else RunPaths(root=kept)
        sweep(here.root, self.layout.root)
        before = here.root / "installed.before.json"
        if not before.exists():
            files.write_atomic(before, installed.read(self.layout.installed) or b"")
        brought = self._brought(here.new_inventory)
        files.write_atomic(self.layout.installed, installed.encode(str(self.to_version), brought))
        faults.point("retire.noted")

    def _brought(self, new: Path) -> installed.Brought:
        if self.restored is not None:
            return installed.brought(self.restored / "installed.before.json")
        return installed.listed(inventory.read(new)) if new.exists() else {}

    def _notes(self, ctx: StepContext, kept: Path) -> tuple[str, ...]:
        if self.takes_data:
            old = RunPaths(root=kept).old_version
            return (
                f"preserved files are again what they were when {self.to_version} was stopped; the newer ones are kept"
                f" in {old}, `fsm data {ctx.component} bring-back {ctx.run_id}` brings them back",
            )
        unlisted = ctx.results.get("unpack", {})
        number = unlisted.get("unlisted_count", 0)
        if not number:
            return ()
        plural = "s stay" if number != 1 else " stays"
        where = RunPaths(root=kept).old_version
        return (f"{number} local file{plural} in the backup at {where}: {shown(unlisted['unlisted'], number)}",)


class Tidy(kit.Tidy):
    """Remove old versions, and what only they needed."""

    record: ClassVar[type[kit.BackupRecord]] = BackupRecord

    layout: Layout
    environment_link: str

    def tidy(self, ctx: StepContext) -> Iterator[str]:
        """See `kit.Tidy.tidy`."""
        self._finish_backups(ctx)
        yield from super().tidy(ctx)
        self._unused_environments(ctx)

    def forget(self, record: kit.BackupRecord) -> None:
        """See `kit.Tidy.forget`."""
        assert isinstance(record, BackupRecord), "`record` says so"
        if record.archive is not None:
            Path(record.archive).unlink(missing_ok=True)

    def _finish_backups(self, ctx: StepContext) -> None:
        """A copy of the new tree is no part of a backup; one without an old version is none."""
        for path in self.layout.backups.iterdir() if self.layout.backups.is_dir() else ():
            paths = RunPaths(root=path)
            if paths.old.is_dir():
                files.remove_tree(paths.tree, ctx.check)
            if not paths.old_version.is_dir():
                files.remove_tree(path, ctx.check)

    def _unused_environments(self, ctx: StepContext) -> None:
        used: set[str] = set()
        for tree in (
            self.layout.live,
            *(RunPaths(root=path).old_version for path, _ in self.layout.records(BackupRecord)),
        ):
            used |= {linked(tree, self.environment_link), *links(tree)}
        for env in self.layout.envs.iterdir() if self.layout.envs.is_dir() else ():
            if env.name not in used:
                discard(env, ctx.check)
                faults.point("tidy.environment_removed")
