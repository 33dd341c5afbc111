"""After the checks: the old tree becomes a backup, and what retention no longer covers is removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Backup, Done, Step, StepContext, StepResult
from fsm.errors import DeadlineExceeded, Refused
from fsm.kit.retention import expired
from fsm.lifecycle import State
from fsm.model import Version
from fsm.system import faults, files, inventory
from fsm_python_app.environment import discard, linked, links
from fsm_python_app.keep import BackupRecord, read_record
from fsm_python_app.layout import Layout, RunPaths, make_directory
from fsm_python_app.leftovers import sweep
from fsm_python_app.spec import Retention


class Retire(Step):
    """Turn the run's directory into the backup of the old version: one rename."""

    name: ClassVar[str] = "retire"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "keep the old tree as a backup"
    undo_title: ClassVar[str] = "take the old tree back from the backups"
    touches_live: ClassVar[bool] = True

    layout: Layout
    from_version: str | None
    to_version: Version
    restored: Path | None = None

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        paths, kept = self.layout.run(ctx.run_id), self._kept(ctx)
        self._note_files(paths, kept)
        if paths.root.exists() and not kept.exists():
            make_directory(kept.parent, 0o711)
            paths.root.rename(kept)
            faults.point("retire.renamed")
        for parent in (kept.parent, self.layout.work):
            files.sync_dir(parent)
        return Done(data={"backup": str(kept)}, notes=self._notes(ctx, kept))

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        paths, kept = self.layout.run(ctx.run_id), self._kept(ctx)
        before = paths.root / "installed.before.json"
        sweep(self.layout.work)
        if kept.exists() and not paths.root.exists():
            kept.rename(paths.root)
            files.sync_dir(kept.parent)
            files.sync_dir(self.layout.work)
        if before.exists():
            former = before.read_bytes()
            if former:
                files.write_atomic(self.layout.installed, former)
            else:
                self.layout.installed.unlink(missing_ok=True)
        # A first installation leaves no backup; what is undone next needs the directory all the same.
        make_directory(paths.root, 0o711)
        return Done()

    def _kept(self, ctx: StepContext) -> Path:
        return self.layout.backups / f"{self.from_version or 'unknown'}@{ctx.run_id}"

    def _note_files(self, paths: RunPaths, kept: Path) -> None:
        """Remember which files the installed release brought, and what was remembered before, for the undo.

        Nothing before is remembered as an empty file: a second call must not take the first one's list for the former.
        """
        here = paths if paths.root.exists() else RunPaths(root=kept)
        sweep(here.root, self.layout.work)
        before = here.root / "installed.before.json"
        if not before.exists():
            files.write_atomic(before, self.layout.installed.read_bytes() if self.layout.installed.exists() else b"")
        listed = self._listed(here.new_inventory)
        record = {"version": str(self.to_version), "files": listed}
        files.write_atomic(self.layout.installed, json.dumps(record).encode())
        faults.point("retire.noted")

    def _listed(self, new: Path) -> list[str]:
        if self.restored is not None:
            return _file_list(self.restored / "installed.before.json")[1]
        return [entry.path for entry in inventory.load(new)] if new.exists() else []

    def _notes(self, ctx: StepContext, kept: Path) -> tuple[str, ...]:
        unlisted = ctx.results.get("unpack", {})
        number = unlisted.get("unlisted_count", 0)
        if not number:
            return ()
        names = unlisted["unlisted"]
        more = f" and {number - 5} more" if number > 5 else ""
        plural = "s stay" if number != 1 else " stays"
        where = RunPaths(root=kept).old_version
        return (f"{number} local file{plural} in the backup at {where}: {', '.join(names[:5])}{more}",)


class Tidy(Step):
    """Remove what is no longer needed. Nothing here can fail an update that has been verified."""

    name: ClassVar[str] = "tidy"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "remove versions that retention no longer covers"
    touches_live: ClassVar[bool] = True

    layout: Layout
    retention: Retention
    environment_link: str

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        notes = []
        try:
            self._finish_backup(ctx)
            rule, kept = self.retention, records(self.layout)
            for path, record in expired(kept, rule.count, rule.days, keep_run=ctx.run_id, provisional=ctx.provisional):
                if record.archive is not None:
                    Path(record.archive).unlink(missing_ok=True)
                # Without its record nobody can roll back to a tree that a crash left half removed.
                RunPaths(root=path).record.unlink(missing_ok=True)
                files.remove_tree(path, ctx.check)
                faults.point("tidy.removed")
                notes.append(f"removed the backup of {record.version} from {record.made_at}, as retention says")
            self._unused_environments(ctx)
        except (OSError, Refused, DeadlineExceeded) as error:
            notes.append(f"could not remove everything that is no longer needed: {error}")
        return Done(notes=tuple(notes))

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. What was removed does not come back; what is half removed goes."""
        with suppress(OSError, Refused):
            for path in self.layout.backups.iterdir() if self.layout.backups.is_dir() else ():
                if not RunPaths(root=path).record.exists():
                    files.remove_tree(path, ctx.check)
        return Done()

    def _finish_backup(self, ctx: StepContext) -> None:
        """The download and a copy of the new tree are no part of a backup; one without an old version is none."""
        for path in self.layout.backups.iterdir() if self.layout.backups.is_dir() else ():
            paths = RunPaths(root=path)
            files.remove_tree(paths.download, ctx.check)
            if paths.old.is_dir():
                files.remove_tree(paths.tree, ctx.check)
            if not paths.old_version.is_dir() or not paths.record.exists():
                files.remove_tree(path, ctx.check)

    def _unused_environments(self, ctx: StepContext) -> None:
        used: set[str] = set()
        for tree in (self.layout.live, *(RunPaths(root=path).old_version for path, _ in records(self.layout))):
            used |= {linked(tree, self.environment_link), *links(tree)}
        for env in self.layout.envs.iterdir() if self.layout.envs.is_dir() else ():
            if env.name not in used:
                discard(env, ctx.check)
                faults.point("tidy.environment_removed")


def installed_list(layout: Layout) -> tuple[str, list[str]]:
    """Version and files of the installed release; empty when the updater did not install it."""
    return _file_list(layout.installed)


def _file_list(path: Path) -> tuple[str, list[str]]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return str(record["version"]), list(record["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", []


def records(layout: Layout) -> Iterator[tuple[Path, BackupRecord]]:
    """The kept versions that are whole, newest first."""
    found = [
        (path, record)
        for path in (layout.backups.iterdir() if layout.backups.is_dir() else ())
        if (record := read_record(RunPaths(root=path).record)) and RunPaths(root=path).old_version.is_dir()
    ]
    yield from sorted(found, key=lambda pair: pair[1].run, reverse=True)


def backups(layout: Layout) -> list[Backup]:
    """The kept versions as the library tells of them, newest first."""
    return [
        Backup(version=Version.parse(record.version), path=path, run_id=record.run, made_at=record.made_at)
        for path, record in records(layout)
    ]
