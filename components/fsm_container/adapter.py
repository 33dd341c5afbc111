"""The adapter of component type ``container``: what is asked of it is answered by the other modules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fsm.adapter import Backup, Draft, Finding, Installed, Spec, Step, StepContext, Target
from fsm.kit import KeepingAdapter, Probe, own_names, refuse_unless
from fsm.services.docker.inputs import inputs
from fsm_container import STEPS, doctor, inspect, limits, plan, verify
from fsm_container.inspect import ContainerInstalled
from fsm_container.layout import Layout
from fsm_container.spec import ContainerSpec

if TYPE_CHECKING:
    from fsm.formats.releases import Release


class ContainerAdapter(KeepingAdapter[ContainerSpec, ContainerInstalled]):
    """The adapter of component type ``container``."""

    component_type: ClassVar[str] = "container"
    spec: ClassVar[type[Spec]] = ContainerSpec
    steps: ClassVar[Sequence[type[Step]]] = STEPS

    installed: ClassVar[type[Installed]] = ContainerInstalled

    def relies_on(self, target: Target, spec: ContainerSpec) -> Sequence[Path]:
        """See `Adapter.relies_on`: what the Docker engine does is in these files."""
        return inputs(spec.directory, spec.files(), spec.env_files())

    def inspect(self, target: Target, spec: ContainerSpec) -> ContainerInstalled:
        """See `Adapter.inspect`."""
        return inspect.read(spec)

    def layout(self, target: Target, spec: ContainerSpec) -> Layout:
        """See `KeepingAdapter.layout`."""
        return Layout.of(target)

    def allows(self, target: Target, spec: ContainerSpec, release: Release) -> None:
        """See `Adapter.allows`."""
        limits.check(target, spec, release)

    def pre_check(
        self,
        target: Target,
        spec: ContainerSpec,
        installed: ContainerInstalled,
        release: Release,
        runner: StepContext,
    ) -> None:
        """See `Adapter.pre_check`."""
        asked: tuple[Any, ...] = release.manifest.pre_update_checks if release.manifest else ()
        checks = own_names((*asked, *spec.pre_checks))
        if checks:
            measured = verify.of_host(spec, Layout.of(target), runner, release.version)
            refuse_unless((Probe(each, measured) for each in checks), target.name)

    def draft(self, target: Target, spec: ContainerSpec, installed: ContainerInstalled, release: Release) -> Draft:
        """See `Adapter.draft`."""
        return plan.update(target, spec, installed, release)

    def backups(self, target: Target, spec: ContainerSpec) -> Sequence[Backup]:
        """See `Adapter.backups`."""
        return verify.backups(Layout.of(target))

    def draft_rollback(
        self, target: Target, spec: ContainerSpec, installed: ContainerInstalled, backup: Backup
    ) -> Draft:
        """See `Adapter.draft_rollback`."""
        return plan.rollback(target, spec, installed, backup)

    def doctor(self, target: Target, spec: ContainerSpec) -> Sequence[Finding]:
        """See `Adapter.doctor`."""
        return doctor.look(target, spec)
