"""After the checks: what was replaced becomes a backup, and old images go when retention no longer covers them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from fsm.adapter import Done, Step, StepContext, StepResult
from fsm.errors import Refused, StepFailed, Transient
from fsm.kit.retention import expired
from fsm.lifecycle import State
from fsm.system import faults, files
from fsm.system.processes import boot_id
from fsm_container.layout import KEPT, Layout
from fsm_container.reference import parse
from fsm_container.replace import old_beside
from fsm_container.spec import ContainerSpec
from fsm_container.stack import Stack
from fsm_container.up import start_refused


class Retire(Step):
    """Turn the run's directory into the backup of the old version: one rename."""

    name: ClassVar[str] = "retire"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "keep the old image as a backup"
    undo_title: ClassVar[str] = "take the old image back from the backups"
    touches_live: ClassVar[bool] = True

    layout: Layout
    from_version: str | None

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        return self._move(self.layout.run(ctx.run_id), self._backup(ctx))

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        return self._move(self._backup(ctx), self.layout.run(ctx.run_id))

    def _backup(self, ctx: StepContext) -> Path:
        return self.layout.backup(self.from_version, ctx.run_id)

    def _move(self, source: Path, dest: Path) -> Done:
        if source.exists() and not dest.exists():
            source.rename(dest)
            faults.point("container.retire.renamed")
        files.sync_dir(self.layout.root)
        return Done(data={"backup": str(dest)})


class Tidy(Step):
    """Remove old images that retention no longer covers. Nothing here can fail an update that has been verified."""

    name: ClassVar[str] = "tidy"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "remove images that retention no longer covers"
    touches_live: ClassVar[bool] = True

    stack: Stack
    layout: Layout
    spec: ContainerSpec

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`. What was verified before a boot need not have come back with it."""
        notes: list[str] = []
        try:
            if ctx.results.get("verify", {}).get("boot") != boot_id():
                notes += start_refused(self.stack, ctx, self.stack.containers())
            rule, kept = self.spec.retention, self.layout.backups()
            for path, record in expired(kept, rule.count, rule.days, keep_run=ctx.run_id, provisional=ctx.provisional):
                # Without its record nobody can roll back to an image that is half removed.
                (path / "record.json").unlink(missing_ok=True)
                files.remove_tree(path, ctx.check)
                faults.point("container.tidy.removed")
                notes.append(f"the image of {record.version} from {record.made_at} is no longer kept")
            self._remove_images(ctx)
            # A set that goes back after this makes copies of them instead.
            for file in (*self.stack.files, *self.stack.env_files):
                old_beside(file, self.layout.component).unlink(missing_ok=True)
        except (OSError, Refused, StepFailed, Transient) as error:
            notes.append(f"could not remove everything that is no longer needed: {error}")
        return Done(notes=tuple(notes))

    def _remove_images(self, ctx: StepContext) -> None:
        """Names of ours that no backup needs; with the last of them the image goes, unless a container has it."""
        needed = {saved.kept for _, record in self.layout.backups() for saved in record.services}
        images = {saved.image for _, record in self.layout.backups() for saved in record.services}
        for name in self._kept_names():
            if name in needed:
                continue
            image = self.stack.docker.image(name)
            if image is None:
                continue
            if image.id in images or self.stack.docker.used(image.id):
                self._remove(ctx, [name] if len(image.tags) > 1 else [])
                continue
            others = [each for each in (*image.tags, *image.digests) if each != name]
            # A name that somebody else gave it keeps the image.
            theirs = [each for each in others if not self._ours(each)]
            self._remove(ctx, [name] if theirs else [*others, name])

    def _kept_names(self) -> list[str]:
        found = self.stack.docker.names(KEPT)
        return [name for name in found if name.startswith(f"{KEPT}:{self.layout.mark}")]

    def _ours(self, name: str) -> bool:
        reference = parse(name)
        return reference is not None and self.spec.owns(reference.repository)

    def _remove(self, ctx: StepContext, names: list[str]) -> None:
        if names:
            ctx.run(["docker", "image", "rm", *names], env=self.stack.docker.environ)
            faults.point("container.tidy.untagged")
