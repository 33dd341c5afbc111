"""The backup: what the exchange of trees alone would not protect, written once, verified, never overwritten."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final

from fsm import kit
from fsm.adapter import Done, Failed, StepContext, StepResult
from fsm.kit import read_record, sweep_foreign, write_record
from fsm.system import archive, faults, files, inventory
from fsm.system.characters import printable
from fsm_python_app.layout import Layout, RunPaths, patterns
from fsm_python_app.listing import LISTED

_TRIES: Final = 10


class BackupRecord(kit.BackupRecord):
    """What the backup of an app is of.

    Attributes:
        service_active: whether it ran.
        files: entries of the live tree.
        preserved: copies that were made; the first thousand.
        preserved_count: how many there are; unknown to older records, which name all.
        archive: the whole tree in one file, if that was asked for.
    """

    service_active: bool
    files: int
    preserved: tuple[str, ...]
    preserved_count: int | None = None
    archive: str | None = None


class Keep(kit.Keep):
    """Inventory of the live tree, copies of the preserved files, and, if asked for, an archive elsewhere."""

    title: ClassVar[str] = "back up the preserved files and list the live tree"
    undo_title: ClassVar[str] = "remove the backup of this run"

    layout: Layout
    preserve: tuple[str, ...]
    service_active: bool
    skip: str
    archive_dir: Path | None = None

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        paths = self.layout.paths(ctx.run_id)
        record = read_record(paths.root, BackupRecord)
        return self._verify(paths, self._make(ctx, paths) if record is None else record)

    def _make(self, ctx: StepContext, paths: RunPaths) -> BackupRecord:
        self._make_work(ctx, paths)
        listed = self._inventory(ctx, paths)
        preserved, number = self._copy(ctx, paths)
        archive = self._archive(ctx)
        inventory.write(inventory.scan(paths.preserved, check=ctx.check), paths.preserved_inventory)
        files.sync_filesystem(paths.root)
        faults.point("keep.synced")
        record = BackupRecord(
            run=ctx.run_id,
            version=self.version,
            service_active=self.service_active,
            files=listed,
            preserved=tuple(preserved),
            preserved_count=number,
            archive=None if archive is None else str(archive),
        )
        write_record(paths.root, record)
        faults.point("keep.recorded")
        return record

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. An archive in another directory stays: it costs nothing to keep and was asked for."""
        self.layout.remove_run(ctx.run_id, ctx.check, self.layout.envs)
        return Done()

    def _make_work(self, ctx: StepContext, paths: RunPaths) -> None:
        """The work directory holds copies of secrets: nobody else may look into it."""
        self.layout.make_run(ctx.run_id)
        if paths.preserved.exists():
            files.remove_tree(paths.preserved)
        paths.preserved.mkdir(mode=0o700)
        faults.point("keep.begun")

    def _inventory(self, ctx: StepContext, paths: RunPaths) -> int:
        """List the live tree; how many entries it has."""
        live = self.layout.live
        if not live.is_dir():
            return 0
        found = inventory.scan(live, skip=lambda path: str(path) == self.skip, check=ctx.check)
        return inventory.write(found, paths.live_inventory)

    def _copy(self, ctx: StepContext, paths: RunPaths) -> tuple[list[str], int]:
        """The app still runs, so a file may go while its turn comes; sockets and the like cannot be kept at all.

        Returns:
            The first names of copies, and how many there are.
        """
        live = self.layout.live
        copied, number = [], 0
        for path in patterns(self.preserve).find(live) if live.is_dir() else ():
            ctx.check()
            if _copy_moving(live, paths.preserved, path):
                number += 1
                if number <= LISTED:
                    copied.append(printable(path))
        faults.point("keep.copied")
        return copied, number

    def _archive(self, ctx: StepContext) -> Path | None:
        """All of the live tree, while the app still runs: only what rested meanwhile can be compared."""
        live = self.layout.live
        if self.archive_dir is None or not live.is_dir():
            return None
        self.archive_dir.mkdir(parents=True, exist_ok=True)
        sweep_foreign(self.archive_dir)
        dest = self.archive_dir / f"{ctx.component}.{self.version or 'unknown'}.run-{ctx.run_id}.tar.zst"
        before = inventory.take(live, check=ctx.check)
        archive.write_tar_zst(live, dest, check=ctx.check)
        after = inventory.take(live, check=ctx.check).entries
        steady = {name for name, entry in before.entries.items() if after.get(name) == entry}
        archive.verify_tar_zst(dest, before, steady=steady, check=ctx.check)
        return dest

    def _verify(self, paths: RunPaths, record: BackupRecord) -> Done | Failed:
        """Read the copies back and compare them with what they were when they were made.

        The live files may change until the stop; a copy that differs from those is no damage.
        """
        damaged = inventory.differences(inventory.read(paths.preserved_inventory), inventory.scan(paths.preserved))
        if damaged:
            names = [*damaged.removed, *damaged.changed, *damaged.added]
            shown = ", ".join(printable(name) for name in names[:3])
            return Failed(why=f"the backup of {shown} is damaged", todo="check the disk", blame="host")
        return Done(data={"preserved": list(record.preserved[:LISTED]), "archive": record.archive})


def _copy_moving(source: Path, dest: Path, path: PurePosixPath) -> bool:
    """Copy what a running program may replace or remove meanwhile. Whether there was something that can be copied."""
    for _ in range(_TRIES):
        try:
            files.copy_within(source, dest, path)
            return os.path.lexists(dest / path)
        except OSError as error:
            if error.errno not in files.GONE:
                raise
            if not os.path.lexists(source / path):
                return False
    # Whoever makes and removes it at this rate does not want it kept; what is there at the stop is carried over.
    return False
