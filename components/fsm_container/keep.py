"""The backup: the files as they are, and names of our own for the images that run, so that nothing prunes them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from fsm import kit
from fsm.adapter import Done, Failed, StepContext, StepResult
from fsm.errors import Transient
from fsm.kit import remove_empty, write_record
from fsm.services.docker.facts import Container, Image, without_leftovers
from fsm.system import faults, files, regular
from fsm_container.inspect import newest
from fsm_container.layout import Layout, Record, SavedFile, SavedService
from fsm_container.splice import digest
from fsm_container.stack import FILE_LIMIT, Stack


class Keep(kit.Keep):
    """Copy the compose and env files, and give the images that run now a name of ours."""

    title: ClassVar[str] = "keep the compose files and the images that run now"
    undo_title: ClassVar[str] = "remove the copies of this run"

    stack: Stack
    layout: Layout
    wanted: str
    wanted_by_digest: str
    dependants: tuple[str, ...]

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        place = self.layout.run(ctx.run_id)
        record = self.layout.record(ctx.run_id)
        if record is None:
            record = self._make(ctx, place)
        damaged = [str(saved.path) for saved in record.files if not _whole(place, saved)]
        if damaged:
            return Failed(why=f"the backup of {', '.join(damaged)} is damaged", todo="check the disk", blame="host")
        images = {saved.service: saved.image for saved in record.services}
        return Done(data={"images": images, "known": record.known})

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return (*super().durable(ctx), *self.stack.docker.durable())

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. A name that is an image's last one stays while a container needs it; `Tidy` has it then."""
        docker = self.stack.docker
        for number, _ in enumerate(self.stack.services):
            kept = self.layout.kept_name(ctx.run_id, number)
            image = docker.image(kept)
            if image is not None and len(image.tags) > 1:
                docker.untag(ctx, kept, prune=False)
                faults.point("container.keep.untagged")
        undone = super().undo(ctx)
        remove_empty(self.layout.root.parent)
        return undone

    def _make(self, ctx: StepContext, place: Path) -> Record:
        self.layout.root.parent.mkdir(mode=0o700, exist_ok=True)
        files.remove_tree(place, ctx.check)
        self.layout.make_run(ctx.run_id, 0o700)
        saved = tuple(self._copy(place, number, path) for number, path in enumerate(self._paths()))
        faults.point("container.keep.copied")
        every = without_leftovers(self.stack.containers())
        # One question for all of them; the old ones are here as a rule, so that it is also known to be answered.
        here = self.stack.docker.images(*{each.image for each in every}, self.wanted_by_digest, self.wanted)
        services = self._services(ctx, every, {image.id: image for image in here})
        faults.point("container.keep.tagged")
        was = next((image.id for image in here if image.has(self.wanted)), None)
        record = Record(
            run=ctx.run_id,
            version=self.version,
            files=saved,
            services=services,
            wanted=self.wanted,
            wanted_by_digest=self.wanted_by_digest,
            wanted_was=was,
            known=self._known(here),
            dependants=self.dependants,
        )
        files.sync_filesystem(place)
        write_record(place, record, mode=0o600)
        faults.point("container.keep.recorded")
        return record

    def _known(self, here: list[Image]) -> bool:
        """Whether the new image is here already, and not only because another run in progress has just pulled it."""
        found = next((image for image in here if image.has(self.wanted_by_digest)), None)
        pulled = found is not None and any(not each.known and each.wants(found) for each in self.layout.elsewhere())
        return found is not None and not pulled

    def _paths(self) -> tuple[Path, ...]:
        return (*self.stack.files, *self.stack.env_files)

    def _copy(self, place: Path, number: int, path: Path) -> SavedFile:
        name = f"{number}.{path.name}"
        if not os.path.lexists(path):
            return SavedFile(path=path, sha256=None, copy_name=name)
        files.copy_entry(path, place / name, durable=True)
        return SavedFile(path=path, sha256=digest(_copied(place, name)), copy_name=name)

    def _services(
        self, ctx: StepContext, every: list[Container], images: Mapping[str, Image]
    ) -> tuple[SavedService, ...]:
        """Each service's containers; one that has none was never started, and has nothing to go back to."""
        by_service = {each.service: each for each in newest(every)}
        found = []
        for number, service in enumerate(self.stack.services):
            if service in by_service:
                mine = [each for each in every if each.service == service]
                one = by_service[service]
                found.append(self._service(ctx, one, mine, (number, images.get(one.image))))
        return tuple(found)

    def _service(
        self, ctx: StepContext, one: Container, every: list[Container], numbered: tuple[int, Image | None]
    ) -> SavedService:
        number, image = numbered
        kept = self.layout.kept_name(ctx.run_id, number)
        if image is not None:
            why = self.stack.docker.tag(ctx, one.image, kept)
            if why:
                raise Transient(f"cannot keep the image {one.reference}", why, "see whether the Docker engine runs")
        return SavedService(
            service=one.service,
            containers=tuple(sorted(each.id for each in every)),
            image=one.image,
            reference=one.reference,
            kept=kept,
            digests=image.digests if image else (),
            running=any(each.meant_to_run for each in every),
            healthy=any(each.health == "healthy" for each in every),
            finished=all(each.finished for each in every),
        )


def _whole(place: Path, saved: SavedFile) -> bool:
    if saved.sha256 is None:
        return True
    try:
        return digest(_copied(place, saved.copy_name)) == saved.sha256
    except FileNotFoundError:
        return False


def _copied(place: Path, name: str) -> bytes:
    return regular.read_beneath(place, name, FILE_LIMIT)
