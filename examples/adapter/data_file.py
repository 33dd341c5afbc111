"""Component type ``data_file``: one file, replaced by that of a release, with its version in a file beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from fsm import Backup, Done, Draft, Failed, Installed, Release, Spec, Step, StepContext, StepResult, Target, kit
from fsm.adapter import HostPath, State, Version, VersionFile
from fsm.kit import Download, Layout, Retention, Retire, Tidy, link


# spec
class DataFileSpec(Spec):
    """What `fsm.toml` says: where the file is, a command that can tell a good file, how long old ones are kept."""

    path: HostPath
    check: tuple[str, ...] = ()
    retention: Retention = Retention()


# steps
def pairs(live: Path, run: Path) -> Iterator[tuple[Path, Path]]:
    """The file and its version file, each with its place in the run's directory."""
    for path in (live, live.with_name(f"{live.name}.version")):
        yield path, run / path.name


class Keep(kit.Keep):
    """Give the old file a second name: no new disk, however large it is."""

    path: Path

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        run = self.layout.make_run(ctx.run_id)
        for live, kept in pairs(self.path, run):
            if live.exists():
                link(live, kept)
        if self.path.exists():
            kit.write_record(run, kit.BackupRecord(run=ctx.run_id, version=self.version))
        return Done()


class Swap(Step):
    """Put the new file into its place in one rename, and write its version last."""

    name: ClassVar[str] = "swap"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "put the new file into its place"
    undo_title: ClassVar[str] = "put the old file back"
    touches_live: ClassVar[bool] = True

    path: Path
    layout: Layout
    version: Version
    backup: Path | None = None

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        kit.sweep_foreign(self.path.parent)
        (live, _), (stamp, _) = pairs(self.path, self.layout.run(ctx.run_id))
        link(self.backup / live.name if self.backup else Path(ctx.results["download"]["path"]), live)
        kit.write_atomic(stamp, f"{self.version}\n".encode())
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        kit.sweep_foreign(self.path.parent)
        for live, kept in pairs(self.path, self.layout.run(ctx.run_id)):
            if kept.exists():
                link(kept, live)
            else:
                live.unlink(missing_ok=True)
        return Done()


class Verify(kit.Verify):
    """Ask the configured command about the new file."""

    check: tuple[str, ...]

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        asked = ctx.run(self.check)
        return Done() if asked.code == 0 else Failed(why=kit.ended(self.check[0], asked))


# adapter
class DataFile(kit.KeepingAdapter[DataFileSpec, Installed]):
    """The adapter of component type ``data_file``."""

    component_type: ClassVar[str] = "data_file"
    spec: ClassVar[type[Spec]] = DataFileSpec
    steps: ClassVar[tuple[type[Step], ...]] = (Keep, Download, Swap, Verify, Retire, Tidy)

    def layout(self, target: Target, spec: DataFileSpec) -> Layout:
        """See `KeepingAdapter.layout`."""
        return Layout(root=spec.path.with_name(f".{spec.path.name}.fsm"))

    def inspect(self, target: Target, spec: DataFileSpec) -> Installed:
        """See `Adapter.inspect`."""
        version, why = kit.read_version(VersionFile(spec.path.parent, f"{spec.path.name}.version"))
        return Installed(version=version, why_unknown=why, present=spec.path.exists())

    def draft(self, target: Target, spec: DataFileSpec, installed: Installed, release: Release) -> Draft:
        """See `Adapter.draft`."""
        layout, file = self.layout(target, spec), kit.artifact_for_host(release)
        swap = Swap(path=spec.path, layout=layout, version=release.version)
        download = Download(artifact=file, source=target.source, directory=layout.download, mode=0o644)
        return Draft(
            steps=self._steps(spec, installed, swap, download),
            downloads=((file.name, file.size),),
            disk_need=((spec.path.parent, file.size or 0),),
        )

    def draft_rollback(self, target: Target, spec: DataFileSpec, installed: Installed, backup: Backup) -> Draft:
        """See `Adapter.draft_rollback`."""
        layout, version = self.layout(target, spec), backup.version or Version("0")
        swap = Swap(path=spec.path, layout=layout, version=version, backup=backup.path)
        return Draft(steps=self._steps(spec, installed, swap))

    def _steps(self, spec: DataFileSpec, installed: Installed, swap: Swap, *download: Step) -> tuple[Step, ...]:
        old = None if installed.version is None else str(installed.version)
        return (
            Keep(path=spec.path, layout=swap.layout, version=old),
            *download,
            swap,
            *([Verify(check=spec.check)] if spec.check else []),
            Retire(layout=swap.layout, from_version=old),
            Tidy(layout=swap.layout, retention=spec.retention),
        )
