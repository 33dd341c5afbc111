"""What a killed compose leaves behind, recognised by labels and ids, and cleared away.

Compose gives a service a new image in five calls: it makes the new container under ``<id of the old one>_<name>``,
stops the old one, removes it, renames the new one, starts it. Killed in between, the next `up` meets two containers
with one number, or a name that is in use (https://github.com/docker/compose/issues/6704 has many of those). So before
each `up` the names are put in order: a container with such a name goes when the one that it was to replace is still
there, and gets that one's name when it is gone; then it has the volumes.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.container.facts import Container
from components.container.stack import Stack
from fsm import faults
from fsm.adapter import StepContext


def heal(stack: Stack, ctx: StepContext, services: Sequence[str] = ()) -> tuple[str, ...]:
    """Clear away the leftovers among the containers of some services; says what was done."""
    every = stack.containers(*(services or stack.services))
    taken = {each.name for each in every}
    notes = []
    for each in every:
        if each.intended_name != each.name and each.intended_name in taken:
            _docker(stack, ctx, "rm", "--force", each.id)
            faults.point("container.clear.removed")
            notes.append(f"removed {each.name}, which an interrupted `docker compose` had left")
        elif each.intended_name != each.name:
            _docker(stack, ctx, "rename", each.id, each.intended_name)
            faults.point("container.clear.renamed")
            taken.add(each.intended_name)
            notes.append(f"renamed {each.name} to {each.intended_name}: an interrupted `docker compose` had left it")
    return tuple(notes)


def orphaned(stack: Stack, dependants: Sequence[str]) -> list[Container]:
    """The dependants' containers that share the network of a container that is gone."""
    if not dependants:
        return []
    every = stack.docker.containers(stack.name)
    alive = {each.id for each in every}
    return [each for each in every if each.service in dependants and not set(each.shares) <= alive]


def _docker(stack: Stack, ctx: StepContext, *args: str) -> None:
    # Judged by what is there afterwards: a container that is gone meanwhile is no failure.
    ctx.run(["docker", "container", *args], env=stack.docker.environ)
