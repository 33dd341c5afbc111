"""After the checks: what was replaced becomes a backup, and old images go when retention no longer covers them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from fsm import kit
from fsm.adapter import StepContext
from fsm.services.docker.reference import parse
from fsm.system import faults
from fsm.system.processes import boot_id
from fsm_container.layout import KEPT, Layout, Record
from fsm_container.replace import old_beside
from fsm_container.spec import ContainerSpec
from fsm_container.stack import Stack
from fsm_container.up import start_refused


class Retire(kit.Retire):
    """Turn the run's directory into the backup of the old version."""

    title: ClassVar[str] = "keep the old image as a backup"
    undo_title: ClassVar[str] = "take the old image back from the backups"


class Tidy(kit.Tidy):
    """Remove old images that retention no longer covers."""

    title: ClassVar[str] = "remove images that retention no longer covers"
    record: ClassVar[type[kit.BackupRecord]] = Record

    stack: Stack
    layout: Layout
    spec: ContainerSpec

    def tidy(self, ctx: StepContext) -> Iterator[str]:
        """See `kit.Tidy.tidy`. What was verified before a boot need not have come back with it."""
        if ctx.results.get("verify", {}).get("boot") != boot_id():
            yield from start_refused(self.stack, ctx, self.stack.containers())
        yield from super().tidy(ctx)
        self._remove_images(ctx)
        # A set that goes back after this makes copies of them instead.
        for file in (*self.stack.files, *self.stack.env_files):
            old_beside(file, self.layout.component).unlink(missing_ok=True)

    def _remove_images(self, ctx: StepContext) -> None:
        """Names of ours that no backup needs; with the last of them the image goes, unless a container has it."""
        records = [record for _, record in self.layout.records(Record)]
        needed = {saved.kept for record in records for saved in record.services}
        images = {saved.image for record in records for saved in record.services}
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
            self.stack.docker.untag(ctx, *names)
            faults.point("container.tidy.untagged")
