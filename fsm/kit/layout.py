"""Where the updater keeps things for one component: a directory for each run, and one for each old version.

::

    <root>/
        run-7/                 one run: what it needs until it has ended
            download/          what was downloaded
            record.json        written last: what is needed for the way back is there
        backups/1.1.0@7/       run-7, once its update is done: what `fsm rollback` goes back to
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, Field

from fsm.adapter import Backup
from fsm.kit.directories import make_directory, remove_empty, sweep
from fsm.model import Model, Version
from fsm.system import files, regular

RECORD: Final = "record.json"
DOWNLOAD: Final = "download"

_RECORD_LIMIT: Final = 4 << 20
"""Bytes; a record that is larger is none of ours."""


def _a_time(text: str) -> str:
    """Retention compares it with the present: whoever may write a record may not stop that."""
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time without an offset")
    return text


class BackupRecord(Model):
    """``record.json``: what a backup is of. Component types subclass it with what their way back needs.

    Attributes:
        run: the run that replaced this version.
        version: what was replaced; None if that was not known.
        made_at: when; ISO 8601 with an offset, by default now.
    """

    run: int
    version: str | None
    made_at: Annotated[str, AfterValidator(_a_time)] = Field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )


RecordT = TypeVar("RecordT", bound=BackupRecord)


def write_record(directory: Path, record: BackupRecord, mode: int = 0o644) -> None:
    """Write the record of a backup: the last thing, and durable."""
    files.write_atomic(directory / RECORD, record.model_dump_json(indent=2).encode(), mode)


def read_record(directory: Path, model: type[RecordT]) -> RecordT | None:
    """The record of a backup; None if it is missing or damaged: nobody can go back to such a one."""
    try:
        return model.model_validate_json(regular.read_beneath(directory, RECORD, _RECORD_LIMIT))
    except (OSError, ValueError):
        return None


class Layout(Model):
    """The paths of one component; frozen in plans. Component types subclass it with paths of their own.

    Attributes:
        root: everything that the updater keeps for this component; on the file system of what it swaps by renames.
    """

    root: Path

    @property
    def backups(self) -> Path:
        """The old versions."""
        return self.root / "backups"

    @property
    def aside(self) -> Path:
        """What versions wrote that were rolled back, by the numbers of their runs."""
        return self.root / "aside"

    @property
    def download(self) -> str:
        """Where `Download` puts a run's file: the number is filled in when the run has one."""
        return str(self.root / "run-{run}" / DOWNLOAD)

    def run(self, run: int) -> Path:
        """The directory of a run in progress."""
        return self.root / f"run-{run}"

    def make_run(self, run: int, mode: int = 0o711) -> Path:
        """Make the directory of a run; what a killed updater left half written there goes."""
        place = self.run(run)
        for directory in (self.root, place):
            make_directory(directory, mode)
        sweep(self.root, place)
        return place

    def remove_run(self, run: int, check: Callable[[], None], *empty: Path) -> None:
        """Remove the directory of a run that is undone, then what is empty: some more directories, and our own."""
        files.remove_tree(self.run(run), check)
        remove_empty(*empty, self.backups, self.aside, self.root)

    def backup(self, version: object, run: int) -> Path:
        """The directory of the version that a finished run replaced."""
        return self.backups / f"{version or 'unknown'}@{run}"

    def records(self, model: type[RecordT]) -> list[tuple[Path, RecordT]]:
        """The backups that are whole, with their records, newest first."""
        found = [
            (path, record)
            for path in self._backups()
            if self.is_whole(path) and (record := read_record(path, model)) is not None
        ]
        return sorted(found, key=lambda pair: pair[1].run, reverse=True)

    def is_whole(self, backup: Path) -> bool:
        """Whether a backup has all that it needs beside its record; component types say what that is."""
        return True

    def kept(self, model: type[RecordT]) -> list[Backup]:
        """The backups that are whole, as the library tells of them, newest first."""
        return [
            Backup(version=Version.parse(record.version), path=path, run_id=record.run, made_at=record.made_at)
            for path, record in self.records(model)
        ]

    def sweep_backups(self, check: Callable[[], None]) -> None:
        """Remove what no backup is: downloads, and all of one without a record.

        A crash left such a one half made or half removed, or there was nothing that the run replaced.
        """
        for path in self._backups():
            files.remove_tree(path / DOWNLOAD if (path / RECORD).exists() else path, check)

    def last_run(self, *more: Path) -> int:
        """The highest number of a run of which something is left, here or in some more directories."""
        return files.highest_number(self.root, self.backups, self.aside, *more)

    def leftovers(self) -> list[Path]:
        """The directories of runs that have not ended."""
        return sorted(self.root.glob("run-*"))

    def _backups(self) -> Iterator[Path]:
        yield from sorted(self.backups.iterdir()) if self.backups.is_dir() else ()
