"""What a component's adapter is asked, by the host and by steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fsm.adapter import AnyAdapter, Backup, Finding, Installed, Release, Spec, Target


class Questions:
    """Asks one adapter, each time as the user of the component that it is asked about.

    Args:
        adapter: of the component's type.
    """

    def __init__(self, adapter: AnyAdapter) -> None:
        self._adapter = adapter

    def inspect(self, target: Target, spec: Spec) -> Installed:
        """See `Adapter.inspect`."""
        found: Installed = self._adapter.inspect(target, spec)
        return found

    def look(self, target: Target, spec: Spec, installed: Installed, release: Release | None) -> Installed:
        """See `Adapter.look`."""
        found: Installed = self._adapter.look(target, spec, installed, release)
        return found

    def backups(self, target: Target, spec: Spec) -> Sequence[Backup]:
        """See `Adapter.backups`."""
        return self._adapter.backups(target, spec)

    def doctor(self, target: Target, spec: Spec) -> Sequence[Finding]:
        """See `Adapter.doctor`."""
        return self._adapter.doctor(target, spec)

    def last_run(self, target: Target, spec: Spec) -> int:
        """See `Adapter.last_run`."""
        return self._adapter.last_run(target, spec)

    def leftovers(self, target: Target, spec: Spec) -> Sequence[Path]:
        """See `Adapter.leftovers`."""
        return self._adapter.leftovers(target, spec)
