"""What a component's adapter is asked, by the host and by steps: as the component's user, where it has one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from fsm.adapter import AnyAdapter, Backup, DataChanges, Finding, Installed, KeptData, Spec, Target
from fsm.engine.worker import Workers
from fsm.errors import WorkerFailed
from fsm.model import Seconds

if TYPE_CHECKING:
    from fsm.adapter import Release
    from fsm.engine.worker.calls import Calls

LIMIT: Final[Seconds] = 120.0
"""Seconds that a user's process has for an answer outside of runs; also a large tree is looked through by then."""


class Questions(NamedTuple):
    """Asks one adapter, each time as the user of the component that it is asked about.

    Attributes:
        adapter: of the component's type.
        workers: has the processes of users.
        poll: asked while one answers, raises when it is time to stop; None: after `LIMIT` seconds.
    """

    adapter: AnyAdapter
    workers: Workers
    poll: Callable[[], None] | None = None

    def inspect(self, target: Target, spec: Spec) -> Installed:
        """See `Adapter.inspect`. A process that is of no use leaves the version unknown, and is the reason why."""
        try:
            found: Installed = self._of(target).inspect(target, spec)
        except WorkerFailed as error:
            return self.adapter.installed(why_unknown=str(error))
        return found

    def look(self, target: Target, spec: Spec, installed: Installed, release: Release | None) -> Installed:
        """See `Adapter.look`."""
        found: Installed = self._of(target).look(target, spec, installed, release)
        return found

    def backups(self, target: Target, spec: Spec) -> Sequence[Backup]:
        """See `Adapter.backups`."""
        return self._of(target).backups(target, spec)

    def data_changes(self, target: Target, spec: Spec, backup: Backup) -> DataChanges | None:
        """See `Adapter.data_changes`."""
        found: DataChanges | None = self._of(target).data_changes(target, spec, backup)
        return found

    def kept_data(self, target: Target, spec: Spec) -> Sequence[KeptData]:
        """See `Adapter.kept_data`."""
        return self._of(target).kept_data(target, spec)

    def doctor(self, target: Target, spec: Spec) -> Sequence[Finding]:
        """See `Adapter.doctor`."""
        return self._of(target).doctor(target, spec)

    def last_run(self, target: Target, spec: Spec) -> int:
        """See `Adapter.last_run`."""
        return self._of(target).last_run(target, spec)

    def leftovers(self, target: Target, spec: Spec) -> Sequence[Path]:
        """See `Adapter.leftovers`."""
        return self._of(target).leftovers(target, spec)

    def _of(self, target: Target) -> AnyAdapter | Calls:
        if target.user is None:
            return self.adapter
        from fsm.engine.worker.calls import Calls  # noqa: PLC0415 - only where a component has a user

        return Calls(self.workers, self.adapter, target.user, self.poll or _within(LIMIT))


def _within(seconds: Seconds) -> Callable[[], None]:
    until = time.monotonic() + seconds

    def poll() -> None:
        if time.monotonic() >= until:
            raise WorkerFailed("cannot look at the component", f"it took longer than {seconds:g} s", "try again")

    return poll
