"""Proof that the new version works: the very image, up and healthy, for a while, and every check that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Literal

from fsm import kit
from fsm.adapter import Backup, Done, Failed, StepContext, StepResult
from fsm.errors import StepFailed
from fsm.formats.checkspec import Check
from fsm.kit import Probe, first_failure, measured
from fsm.model import Version
from fsm.services import Runner, ServiceStatus
from fsm.services.checks import CheckContext
from fsm.services.docker.client import Docker
from fsm.services.docker.facts import Container
from fsm.system.processes import boot_id
from fsm_container import inspect
from fsm_container.inspect import Host
from fsm_container.layout import Layout, Record
from fsm_container.pull import target_image
from fsm_container.ready import Verdict, of_image, overall, told, wait
from fsm_container.spec import ContainerSpec
from fsm_container.stack import Stack
from fsm_container.up import start_refused

WATCH: Final = 1.0
"""Seconds between two looks at containers that are to stay as they are."""


class Services:
    """The services as a manager that checks ask; starting and stopping is what steps do.

    Args:
        name: the component's name.
        stack: the project, with its name.
    """

    restarts = True

    def __init__(self, name: str, stack: Stack, one_shot: bool | None) -> None:
        self.name = name
        self._stack = stack
        self._one_shot = one_shot

    def status(self) -> ServiceStatus:
        """Whether all of them are ready."""
        containers = self._stack.containers()
        verdict = overall(containers, self._stack.services, self._one_shot)
        # The process of each counts: when one of them is another one, so is the sum.
        pid = sum(each.pid for each in containers)
        return ServiceStatus(active=verdict.state == "ready", pid=pid, detail=verdict.detail)

    def start(self, ctx: Runner) -> None:
        """Refused: only a run starts containers."""
        raise StepFailed(f"cannot start {self.name}", "a check never starts anything", "`docker compose up -d`")

    def stop(self, ctx: Runner) -> None:
        """Refused: only a run stops containers."""
        raise StepFailed(f"cannot stop {self.name}", "a check never stops anything", "`docker compose stop`")

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that the first container wrote."""
        return "".join(self._stack.docker.logs(each.id, lines) for each in self._stack.containers()[:1])

    def container_running(self, name: str) -> bool:
        """Whether a container of these services runs, by its own name or by its service's."""
        return any(each.running for each in self._stack.containers() if name in (each.name, each.service))


class Verify(kit.Verify):
    """Ask whether the containers are of the new image, ready, stay so, and pass every check."""

    stack: Stack
    layout: Layout
    spec: ContainerSpec
    one_shot: bool | None
    checks: tuple[Check, ...]
    version: Version

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        image = target_image(ctx)
        look = partial(of_image, self.stack, image, self.one_shot)
        containers, verdict = wait(look, ctx, self.spec.start_timeout)
        notes: tuple[str, ...] = ()
        if verdict.state != "ready" and any(each.refused for each in containers):
            # They ran when the power was cut; the release is not to blame for what the engine made of that.
            notes = start_refused(self.stack, ctx, containers)
            containers, verdict = wait(look, ctx, self.spec.start_timeout)
        if verdict.state == "ready":
            containers, verdict = self._settle(look, ctx, containers)
        if verdict.state != "ready":
            if {each.service for each in containers if each.image == image} != set(self.stack.services):
                # `up` has seen to that they are there: it is somebody who has taken them away.
                why = f"what is running was changed by somebody else: {verdict.detail}"
                return Failed(why=why, todo="the old version is restored; update again", blame="host")
            said = told(self.stack, containers, self.one_shot, ctx)
            why = f"the new version does not work: {verdict.detail}{said}"
            blame: Literal["release", "host"] = "host" if any(each.refused for each in containers) else "release"
            return Failed(why=why, todo="the old version is restored", blame=blame)
        asked = context(self.spec, self.stack, self.layout, ctx, self.version, self.one_shot, tuple(containers))
        why = first_failure(Probe(check, asked) for check in self.checks)
        if why:
            return Failed(why=why, todo="the old version is restored")
        return Done(data={"boot": boot_id()}, notes=(*notes, verdict.detail))

    def _settle(
        self, look: Callable[[], tuple[list[Container], Verdict]], ctx: StepContext, first: Sequence[Container]
    ) -> tuple[Sequence[Container], Verdict]:
        """Watch for a while that they are neither ended nor started again; a job that is done needs no watching."""
        lives = sorted(each.life for each in first)
        left = self.spec.settle_seconds if any(each.running for each in first) else 0.0
        while left > 0:
            ctx.sleep(min(WATCH, left))
            left -= WATCH
            containers, verdict = look()
            if verdict.state != "broken" and sorted(each.life for each in containers) != lives:
                verdict = Verdict("broken", f"{containers[0].name} was started again within its first seconds")
            if verdict.state != "ready":
                return containers, verdict
        return first, overall(first, self.stack.services, self.one_shot)


def context(
    spec: ContainerSpec,
    stack: Stack,
    layout: Layout,
    ctx: StepContext,
    expected: Version | None,
    one_shot: bool | None,
    seen: tuple[Container, ...] | None = None,
) -> CheckContext:
    """What checks of these services measure.

    Args:
        seen: the containers, where they were looked at a moment ago.
    """
    return measured(
        ctx,
        path=data_root(stack.docker) or spec.directory,
        service=Services(ctx.component, stack, one_shot),
        installed=lambda: inspect.of_host(
            spec, Host(stack, {}, tuple(stack.containers()) if seen is None else seen, stack.read()), compare=False
        ),
        backups=lambda: backups(layout),
        expected=expected,
        settle=min(spec.settle_seconds, 2.0),
    )


def of_host(spec: ContainerSpec, layout: Layout, ctx: StepContext, expected: Version | None) -> CheckContext:
    """The same before there is a plan.

    Raises:
        Unsupported, Transient, StepFailed: the project cannot be looked at.
    """
    stack, _ = inspect.open_stack(spec)
    return context(spec, stack, layout, ctx, expected, spec.one_shot)


def data_root(docker: Docker) -> Path | None:
    """Where the engine keeps images, where that is a directory of this host."""
    return docker.engine().data_root


def backups(layout: Layout) -> list[Backup]:
    """The versions whose images are kept, newest first; where there was no container, no image was replaced."""
    whole = {path for path, record in layout.records(Record) if record.services}
    return [each for each in layout.kept(Record) if each.path in whole]
