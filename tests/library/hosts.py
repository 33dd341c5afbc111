"""Hosts with components in memory, for tests of the façade."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from fsm.adapter import Adapter, Backup, Draft, Installed, Registry, Spec, Step, Target
from fsm.formats.releases import Release
from fsm.model import HostPath, Version
from fsm.updater import Updater
from tests.world import STEPS


class NoteSpec(Spec):
    """Where a note's version is written."""

    path: HostPath


class Notes(Adapter[NoteSpec, Installed]):
    """A component whose version is in a file that a test writes; its steps are those of the world in memory."""

    component_type: ClassVar[str] = "note"
    spec: ClassVar[type[Spec]] = NoteSpec
    steps: ClassVar[tuple[type[Step], ...]] = STEPS

    def inspect(self, target: Target, spec: NoteSpec) -> Installed:
        """See `Adapter.inspect`."""
        if not spec.path.exists():
            return Installed(present=False, why_unknown="there is no note")
        return Installed(version=Version.parse(spec.path.read_text()))

    def draft(self, target: Target, spec: NoteSpec, installed: Installed, release: Release) -> Draft:
        """See `Adapter.draft`."""
        return Draft(steps=tuple(step() for step in STEPS), notes=("a note",))

    def backups(self, target: Target, spec: NoteSpec) -> list[Backup]:
        """See `Adapter.backups`."""
        return [Backup(version=Version("0.9"), path=spec.path, run_id=1, made_at="2026-01-01T00:00:00+00:00")]

    def draft_rollback(self, target: Target, spec: NoteSpec, installed: Installed, backup: Backup) -> Draft:
        """See `Adapter.draft_rollback`."""
        return Draft(steps=tuple(step() for step in STEPS))


REGISTRY = Registry.of(Notes())


def publish(root: Path, version: str) -> None:
    """A release that the directory source shows."""
    folder = root / "releases" / version
    folder.mkdir(parents=True)
    (folder / "note.txt").write_text(version)
    import hashlib

    (folder / "note.txt.sha256").write_text(hashlib.sha256(version.encode()).hexdigest())


def data(root: Path, *names: str, **more: dict[str, Any]) -> dict[str, Any]:
    """A configuration with these components."""
    source = {"type": "directory", "allow_unsigned": True, "path": str(root / "releases")}
    tables = {
        name: {"type": "note", "path": str(root / name), "source": source, **more.get(name, {})} for name in names
    }
    return {"fsm": {"state_dir": str(root / "state")}, "components": tables}


def updater(root: Path, *names: str, **more: dict[str, Any]) -> Updater:
    """As a new process would make it."""
    return Updater.from_data(data(root, *(names or ("a",)), **more), registry=REGISTRY)
