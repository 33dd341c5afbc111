"""Component type ``data_file``: one file, replaced by that of a release, with its version in a file beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Adapter, Done, Draft, Failed, Installed, Spec, Step, StepContext, StepResult, Target
from fsm.errors import PlanError
from fsm.formats import version_file
from fsm.formats.releases import Release
from fsm.kit.steps import Download
from fsm.lifecycle import State
from fsm.model import HostPath, Version
from fsm.system import files


# spec
class DataFileSpec(Spec):
    """What `fsm.toml` says: where the file is, and a command that can tell whether a file is a good one."""

    path: HostPath
    check: tuple[str, ...] = ()


# steps
class _OfFile(Step):
    path: Path

    def work(self, ctx: StepContext) -> Path:
        """What this run keeps, on the file's own file system."""
        return self.path.parent / f".{self.path.name}.fsm" / f"run-{ctx.run_id}"

    def pairs(self, ctx: StepContext) -> Iterator[tuple[Path, Path]]:
        """The file and its version file, each with its place among what is kept."""
        for live in (self.path, self.path.with_name(f"{self.path.name}.version")):
            yield live, self.work(ctx) / live.name


class Keep(_OfFile):
    """Give the old file a second name: no new disk, however large it is."""

    name: ClassVar[str] = "keep"
    phase: ClassVar[State] = State.BACKING_UP
    title: ClassVar[str] = "keep the old file"
    undo_title: ClassVar[str] = "remove what was kept"

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        self.work(ctx).mkdir(parents=True, exist_ok=True)
        for live, kept in self.pairs(ctx):
            if live.exists():
                link(live, kept)
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        files.remove_tree(self.work(ctx))
        return Done()


class Swap(_OfFile):
    """Write the new file in one rename, and its version last."""

    name: ClassVar[str] = "swap"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "put the new file into its place"
    undo_title: ClassVar[str] = "put the old file back"
    touches_live: ClassVar[bool] = True

    version: Version

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        (live, _), (stamp, _) = self.pairs(ctx)
        files.write_atomic(live, Path(ctx.results["download"]["path"]).read_bytes())
        files.write_atomic(stamp, f"{self.version}\n".encode())
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        for live, kept in self.pairs(ctx):
            if kept.exists():
                link(kept, live)
            else:
                live.unlink(missing_ok=True)
        files.sync_dir(self.path.parent)
        return Done()


class Try(Step):
    """Ask the configured command about the new file."""

    name: ClassVar[str] = "try"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "check the new file"

    check: tuple[str, ...]

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        asked = ctx.run(self.check)
        return Done() if asked.code == 0 else Failed(why=f"{self.check[0]} ended with {asked.code}: {asked.tail}")


# adapter
class DataFile(Adapter[DataFileSpec, Installed]):
    """The adapter of component type ``data_file``."""

    component_type: ClassVar[str] = "data_file"
    spec: ClassVar[type[Spec]] = DataFileSpec
    steps: ClassVar[tuple[type[Step], ...]] = (Keep, Download, Swap, Try)

    def inspect(self, target: Target, spec: DataFileSpec) -> Installed:
        """See `Adapter.inspect`."""
        where = version_file.VersionFile(spec.path.parent, f"{spec.path.name}.version")
        version, why = version_file.ask(where)
        return Installed(version=version, why_unknown=why, present=spec.path.exists())

    def draft(self, target: Target, spec: DataFileSpec, installed: Installed, release: Release) -> Draft:
        """See `Adapter.draft`."""
        if len(release.artifacts) != 1:
            why = f"release {release.version} has {len(release.artifacts)} files instead of one"
            raise PlanError(f"cannot update {target.name}", why, "set `artifact` in its source to pick one")
        (artifact,) = release.artifacts
        folder = str(spec.path.parent / f".{spec.path.name}.fsm" / "run-{run}" / "download")
        steps: list[Step] = [
            Keep(path=spec.path),
            Download(artifact=artifact, source=target.source, directory=folder),
            Swap(path=spec.path, version=release.version),
        ]
        steps += [Try(check=spec.check)] if spec.check else []
        return Draft(steps=tuple(steps), downloads=((artifact.name, artifact.size),))


# end
def link(name: Path, other: Path) -> None:
    """Have `other` be the same file as `name`, in one step, whatever it was before."""
    spare = other.with_name(f"{other.name}.link")
    spare.unlink(missing_ok=True)
    os.link(name, spare)
    spare.replace(other)
    spare.unlink(missing_ok=True)  # a rename of a file to another name of its own does nothing
