"""A component type whose seven steps do nothing: what is left is what the engine itself costs."""

from __future__ import annotations

from typing import ClassVar

from fsm.adapter import Adapter, Done, Draft, Installed, Registry, Spec, Step, StepContext, StepResult, Target
from fsm.engine.plan import Plan, freeze
from fsm.formats.releases import Release
from fsm.lifecycle import State
from fsm.model import Version


class _Nothing(Step):
    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        return Done(data={"did": "nothing"})


class Save(_Nothing):
    """First."""

    name: ClassVar[str] = "save"
    phase: ClassVar[State] = State.BACKING_UP
    title: ClassVar[str] = "save nothing"


class Fetch(_Nothing):
    """Second."""

    name: ClassVar[str] = "fetch"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "fetch nothing"


class Unpack(_Nothing):
    """Third."""

    name: ClassVar[str] = "unpack"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "unpack nothing"


class Stop(_Nothing):
    """Fourth."""

    name: ClassVar[str] = "stop"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "stop nothing"
    touches_live: ClassVar[bool] = True


class Swap(_Nothing):
    """Fifth."""

    name: ClassVar[str] = "swap"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "swap nothing"
    touches_live: ClassVar[bool] = True


class Start(_Nothing):
    """Sixth."""

    name: ClassVar[str] = "start"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "start nothing"
    touches_live: ClassVar[bool] = True


class Verify(_Nothing):
    """Seventh."""

    name: ClassVar[str] = "verify"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "verify nothing"
    touches_live: ClassVar[bool] = True


class Trivial(Adapter[Spec, Installed]):
    """The adapter of component type ``trivial``."""

    component_type: ClassVar[str] = "trivial"
    spec: ClassVar[type[Spec]] = Spec
    steps: ClassVar[tuple[type[Step], ...]] = (Save, Fetch, Unpack, Stop, Swap, Start, Verify)

    def inspect(self, target: Target, spec: Spec) -> Installed:
        """See `Adapter.inspect`."""
        return Installed(version=Version("1"))

    def draft(self, target: Target, spec: Spec, installed: Installed, release: Release) -> Draft:
        """See `Adapter.draft`."""
        return Draft(steps=tuple(step() for step in self.steps))


REGISTRY = Registry.of(Trivial())


def plan(component: str) -> Plan:
    """The frozen plan of a run for a component."""
    draft = Draft(steps=tuple(step() for step in Trivial.steps))
    return freeze(component, "trivial", draft, from_version=Version("1"), to_version=Version("2"))
