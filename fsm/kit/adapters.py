"""The adapter of a component type that keeps the versions which its updates replace."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

from fsm.adapter import Adapter, Backup, Installed, Spec, Target
from fsm.kit.layout import BackupRecord, Layout

SpecT = TypeVar("SpecT", bound=Spec)
InstalledT = TypeVar("InstalledT", bound=Installed)


class KeepingAdapter(Adapter[SpecT, InstalledT]):
    """A component type that keeps old versions, where `layout` says.

    Class attributes:
        record: what the record of a backup of this type says.
    """

    record: ClassVar[type[BackupRecord]] = BackupRecord

    @abstractmethod
    def layout(self, target: Target, spec: SpecT) -> Layout:
        """Where everything of the updater's lies for a component."""

    def backups(self, target: Target, spec: SpecT) -> Sequence[Backup]:
        """See `Adapter.backups`."""
        return self.layout(target, spec).kept(self.record)

    def last_run(self, target: Target, spec: SpecT) -> int:
        """See `Adapter.last_run`."""
        return self.layout(target, spec).last_run()

    def leftovers(self, target: Target, spec: SpecT) -> Sequence[Path]:
        """See `Adapter.leftovers`."""
        return self.layout(target, spec).leftovers()
