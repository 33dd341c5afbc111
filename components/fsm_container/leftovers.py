"""What a killed compose leaves behind among the containers of this project: names, and networks that are gone."""

from __future__ import annotations

from collections.abc import Sequence

from fsm.adapter import StepContext
from fsm.services.docker.facts import Container
from fsm.services.docker.repair import put_in_order
from fsm_container.stack import Stack


def heal(stack: Stack, ctx: StepContext, services: Sequence[str] = ()) -> tuple[str, ...]:
    """Clear away the leftovers among the containers of some services; says what was done."""
    wanted = services or stack.services
    every = [(ident, name) for ident, name, service in stack.docker.names_of(stack.name) if service in wanted]
    return put_in_order(stack.docker, ctx, every)


def orphaned(stack: Stack, dependants: Sequence[str]) -> list[Container]:
    """The dependants' containers that share the network of a container that is gone."""
    if not dependants:
        return []
    every = stack.docker.containers(stack.name)
    alive = {each.id for each in every}
    return [each for each in every if each.service in dependants and not set(each.shares) <= alive]
