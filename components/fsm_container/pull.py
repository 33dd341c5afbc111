"""The new image: fetched, or taken from those that are kept, before anything changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Done, Failed, RetryLater, Step, StepContext, StepResult
from fsm.errors import Transient
from fsm.lifecycle import State
from fsm.services.docker.reference import parse
from fsm.system import faults
from fsm.system.exit_codes import exited
from fsm_container.layout import Layout
from fsm_container.spec import ContainerSpec
from fsm_container.stack import Stack


class Pull(Step):
    """Fetch the image by its digest, so that it is the one that was planned, whatever its tag says by now."""

    name: ClassVar[str] = "download"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "pull the new image"
    undo_title: ClassVar[str] = "remove the pulled image"

    stack: Stack
    layout: Layout
    spec: ContainerSpec
    by_digest: str
    platform: str

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        docker = self.stack.docker
        # An image that an interrupted run of this step has fetched is found after the pull.
        known = ctx.results["keep"].get("known", True)
        image = docker.image(self.by_digest) if known else None
        if image is None:
            pulled = docker.run(ctx, "image", "pull", "--quiet", self.by_digest)
            faults.point("container.pull.pulled")
            image = docker.image(self.by_digest)
            if image is None:
                return self._missing(pulled.code, pulled.tail)
        if image.platform != self.platform:
            return Failed(why=f"{self.by_digest} is for {image.platform}, this engine is {self.platform}")
        if self.spec.healthcheck == "required" and not image.has_healthcheck:
            return Failed(
                why=f"{self.by_digest} has no healthcheck, and the configuration requires one",
                todo='publish it with one, or set healthcheck = "optional"',
            )
        return Done(data={"image": image.id})

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return self.stack.docker.durable()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. An image that was here before stays, and so does one that somebody uses or wants by now."""
        record, docker = self.layout.record(ctx.run_id), self.stack.docker
        image = docker.image(self.by_digest)
        if image is None or record is None or record.known or docker.used(image.id):
            return Done()
        if any(each.wants(image) for each in self.layout.elsewhere()):
            return Done()
        ours = [
            name
            for name in (*image.tags, *image.digests)
            if (reference := parse(name)) is not None and self.spec.owns(reference.repository)
        ]
        if ours:
            docker.untag(ctx, *ours)
            faults.point("container.pull.removed")
        return Done()

    def _missing(self, code: int, tail: str) -> StepResult:
        if not self.stack.docker.answers():
            raise Transient("cannot reach the Docker engine", "it does not answer", "start it")
        said = " ".join(tail.split())[-300:]
        return RetryLater(why=f"cannot pull {self.by_digest}: docker {exited(code)}: {said}", after=2.0)


class TakeKept(Step):
    """Find the image of a kept version; no network is needed for it."""

    name: ClassVar[str] = "take_kept"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "find the kept image"

    stack: Stack
    image: str

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        if self.stack.docker.image(self.image) is None:
            return Failed(why=f"the image {self.image} no longer exists", todo="update to that version", blame="host")
        return Done(data={"image": self.image})


def target_image(ctx: StepContext) -> str:
    """The id of the image that this run is about."""
    found = ctx.results.get("download") or ctx.results["take_kept"]
    return str(found["image"])
