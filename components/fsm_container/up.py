"""Starting the services with the new image, and what shares their network with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, Final, Literal, NamedTuple

from fsm.adapter import Done, Failed, Step, StepContext, StepResult
from fsm.lifecycle import State
from fsm.model import Seconds
from fsm.services.docker.facts import Container
from fsm.services.docker.reference import parse
from fsm.services.docker.repair import freeing
from fsm.system import faults, files
from fsm.system.exit_codes import exited
from fsm_container.layout import KEPT, Layout
from fsm_container.leftovers import heal, orphaned
from fsm_container.pull import target_image
from fsm_container.ready import Verdict, of_image, told, wait
from fsm_container.stack import Stack

TRIES: Final = 2
"""A compose that was killed with its updater may finish its last call when ours has looked already."""


class Upped(NamedTuple):
    """What compose said.

    Attributes:
        code: its exit code.
        said: the end of its output, on one line.
        notes: what was done so that it could work, one sentence each.
        complaint: about the engine, where it would not let go of a port; empty in any other case.
    """

    code: int
    said: str
    notes: tuple[str, ...]
    complaint: str


def up(stack: Stack, ctx: StepContext, services: Sequence[str], *options: str, also: Sequence[Path] = ()) -> Upped:
    """`docker compose up -d --no-deps` of some services, with images that are here."""
    fixed = ["up", "--detach", "--no-deps", "--no-build", "--pull", "never", "--quiet-pull"]
    argv = stack.argv(*fixed, *options, *services, also=also)
    return run_start(stack, ctx, argv)


def run_start(stack: Stack, ctx: StepContext, argv: Sequence[str]) -> Upped:
    """Run a command that starts containers; once more where the engine had to let go of their ports first."""
    done, freed = freeing(
        stack.docker,
        ctx,
        lambda: ctx.run(argv, cwd=stack.directory, env=stack.docker.environ),
        lambda: [each.id for each in stack.containers()],
        unit=stack.engine_unit,
    )
    said = "; ".join(filter(None, (" ".join(done.tail.split())[-500:], freed.complaint)))
    return Upped(done.code, said, (freed.note,) if freed.note else (), freed.complaint)


def start_refused(stack: Stack, ctx: StepContext, containers: Sequence[Container]) -> tuple[str, ...]:
    """Start the containers that a boot could not start; says what was done for that."""
    refused = [each.id for each in containers if each.refused]
    return run_start(stack, ctx, stack.docker.argv("container", "start", *refused)).notes if refused else ()


def override(images: Mapping[str, str], place: Path) -> tuple[Path, ...]:
    """A compose file that gives services other images than their own files do; none where there are none.

    Args:
        images: by service.
        place: the run's directory.
    """
    if not images:
        return ()
    path = place / "override.yml"
    about = {service: {"image": image} for service, image in images.items()}
    files.write_atomic(path, json.dumps({"services": about}).encode(), mode=0o600)
    return (path,)


def scaled(numbers: Mapping[str, int]) -> list[str]:
    """Options that keep as many containers of a service as there are, where somebody wanted more than one."""
    return [part for name, number in numbers.items() if number > 1 for part in ("--scale", f"{name}={number}")]


def follow(stack: Stack, ctx: StepContext, dependants: Sequence[str]) -> str:
    """Make the containers anew that share the network of one that is gone; says what went wrong."""
    services = sorted({each.service for each in orphaned(stack, dependants)})
    if not services:
        return ""
    heal(stack, ctx, services)
    done = up(stack, ctx, services, "--force-recreate")
    faults.point("container.up.followed")
    still = sorted({each.service for each in orphaned(stack, dependants)})
    return f"{', '.join(still)} still share a network that is gone: {done.said}" if still else ""


class Up(Step):
    """Have compose make the containers anew, and wait until they are ready."""

    name: ClassVar[str] = "up"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "start the new image"
    touches_live: ClassVar[bool] = True
    downtime: ClassVar[Literal["begins", "ends"] | None] = "ends"

    stack: Stack
    dependants: tuple[str, ...]
    one_shot: bool | None
    start_timeout: Seconds
    scale: dict[str, int] = {}
    layout: Layout

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`. Compose's exit code is no judgement: what runs afterwards is."""
        image = target_image(ctx)
        also = self._also(ctx, image)
        notes: tuple[str, ...] = ()
        for _ in range(TRIES):
            notes += heal(self.stack, ctx)
            begun = ctx.deadline.remaining()
            done = up(self.stack, ctx, self.stack.services, *scaled(self.scale), also=also)
            faults.point("container.up.ended")
            notes += done.notes
            left = self.start_timeout - (begun - ctx.deadline.remaining())
            containers, verdict = wait(partial(of_image, self.stack, image, self.one_shot), ctx, left)
            if done.code == 0 or (containers and all(each.image == image for each in containers)):
                break
        if verdict.state != "ready":
            return self._failed(ctx, containers, verdict, done, image)
        wrong = follow(self.stack, ctx, self.dependants)
        return Failed(why=wrong, blame="host") if wrong else Done(notes=notes)

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return self.stack.docker.durable()

    def _also(self, ctx: StepContext, image: str) -> tuple[Path, ...]:
        """A kept image that the files name by a digest which this engine has forgotten is named by its tag."""
        if "take_kept" not in ctx.results:
            return ()
        about = self.stack.config()["services"]
        names = {name: about.get(name, {}).get("image", "") for name in self.stack.services}
        forgotten = [
            name
            for name, text in names.items()
            if (reference := parse(text)) is not None and reference.digest and self.stack.docker.image(text) is None
        ]
        found = self.stack.docker.image(image) if forgotten else None
        tags = found.tags if found else ()
        # The one that `Edit` has given it says which version it is; names of ours do not.
        tag = next((each for each in tags if not each.startswith(f"{KEPT}:")), next(iter(tags), ""))
        return override(dict.fromkeys(forgotten, tag), self.layout.run(ctx.run_id)) if tag else ()

    def _failed(
        self, ctx: StepContext, containers: Sequence[Container], verdict: Verdict, done: Upped, image: str
    ) -> Failed:
        """The release is to blame when its own container does not work; else the host is."""
        new = [each for each in containers if each.image == image]
        started = [each for each in new if each.started and not each.started.startswith("0001")]
        if started:
            why = f"the new version does not work: {verdict.detail}{told(self.stack, new, self.one_shot, ctx)}"
            return Failed(why=why, todo="the old version is restored; see the container's log")
        why = f"compose could not start the new version ({verdict.detail}); it {exited(done.code)}: {done.said}"
        todo = "restart the engine, then update again" if done.complaint else "fix the cause, then update again"
        return Failed(why=why, todo=todo, blame="host")
