"""Whether containers do what they should: running is not enough, and one that did its work and ended is no failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from fsm.adapter import StepContext
from fsm.model import Seconds
from fsm.services.docker.facts import Container
from fsm.system.exit_codes import exited
from fsm_container.stack import Stack

POLL: Final = (0.05, 0.3)
"""Seconds between two looks, at least and at most; between them it is as long as a look took: what starts needs the
processors."""

RESTARTS: Final = 3
"""So often may a container be started again before it counts as broken."""

LOG_LINES: Final = 5


class Verdict(NamedTuple):
    """How a container does."""

    state: Literal["ready", "waiting", "broken"]
    detail: str


def judge(container: Container, one_shot: bool | None) -> Verdict:
    """How one container does.

    Args:
        one_shot: whether it is to do something and end; None if that is not known: then its restart policy tells.
    """
    name = container.name
    if container.status == "running":
        if container.health in ("", "healthy"):
            return Verdict("ready", f"{name} runs{' and is healthy' if container.health else ''}")
        if container.health == "unhealthy":
            return Verdict("broken", f"{name} is unhealthy")
        return Verdict("waiting", f"{name} runs, but is not healthy yet")
    if container.status == "restarting":
        state: Literal["waiting", "broken"] = "broken" if container.restarts >= RESTARTS else "waiting"
        return Verdict(state, f"{name} {exited(container.exit_code)} and keeps restarting")
    if container.status == "exited":
        ends = container.restart_policy in ("no", "on-failure") if one_shot is None else one_shot
        if container.exit_code == 0 and ends:
            return Verdict("ready", f"{name} has finished")
        return Verdict("broken", f"{name} {exited(container.exit_code)}{_error(container)}")
    return Verdict("broken", f"{name} is {container.status}{_error(container)}")


def _error(container: Container) -> str:
    return f": {container.error}" if container.error else ""


def overall(containers: Sequence[Container], services: Sequence[str], one_shot: bool | None) -> Verdict:
    """How some services do, together: what is broken counts before what is waiting."""
    verdicts = [judge(each, one_shot) for each in containers]
    missing = [name for name in services if name not in {each.service for each in containers}]
    verdicts += [Verdict("broken", f"there is no container of {name}") for name in missing]
    order = ("broken", "waiting", "ready")
    worst = min(verdicts, key=lambda each: order.index(each.state))
    return worst if worst.state != "ready" else Verdict("ready", "; ".join(each.detail for each in verdicts))


def of_image(
    stack: Stack, image: str, one_shot: bool | None, seen: Sequence[Container] = ()
) -> tuple[list[Container], Verdict]:
    """How the updated services do, which are to be of one image; `seen` as for `Stack.again`."""
    containers = stack.again(seen)
    other = [each for each in containers if each.image != image]
    if other:
        return containers, Verdict("broken", f"{other[0].name} was not created from the new image")
    return containers, overall(containers, stack.services, one_shot)


def wait(
    ask: Callable[[Sequence[Container]], tuple[Sequence[Container], Verdict]], ctx: StepContext, limit: Seconds
) -> tuple[Sequence[Container], Verdict]:
    """Ask again until nothing is waiting any more, or until that many seconds have passed.

    Args:
        ask: gets what it found before.
    """
    containers: Sequence[Container] = ()
    # The shortest of them: while the engine looks after a container itself, a question about it has to wait.
    took = POLL[1]
    until = time.monotonic() + limit
    while True:
        begun = time.monotonic()
        containers, verdict = ask(containers)
        now = time.monotonic()
        if verdict.state != "waiting" or now >= until:
            return containers, verdict
        took = min(took, now - begun)
        ctx.sleep(max(POLL[0], took))


def told(stack: Stack, containers: Sequence[Container], one_shot: bool | None, ctx: StepContext) -> str:
    """The end of what the containers logged that are not ready, or were not all the time."""
    for each in containers:
        if each.restarts or judge(each, one_shot).state != "ready":
            # As a child of the run: its secrets are hidden in what that writes.
            done = stack.docker.run(ctx, "container", "logs", "--tail", str(LOG_LINES), each.id)
            said = " ".join(done.tail.split())[-500:]
            if said:
                return f"; its log ends with: {said}"
    return ""
