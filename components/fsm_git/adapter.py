"""The adapter of component type ``git``: what is asked of it is answered by the other modules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from fsm import kit
from fsm.adapter import Backup, Draft, Finding, Installed, Spec, Step, StepContext, Target
from fsm.kit import KeepingAdapter, refuse_unless
from fsm_git import STEPS, doctor, inspect, limits, look, plan, services, verify
from fsm_git.finish import BackupRecord
from fsm_git.inspect import GitInstalled
from fsm_git.layout import Layout
from fsm_git.spec import GitCheckoutSpec

if TYPE_CHECKING:
    from fsm.formats.releases import Release


class GitCheckout(KeepingAdapter[GitCheckoutSpec, GitInstalled]):
    """The adapter of component type ``git``."""

    component_type: ClassVar[str] = "git"
    record: ClassVar[type[kit.BackupRecord]] = BackupRecord
    spec: ClassVar[type[Spec]] = GitCheckoutSpec
    installed: ClassVar[type[Installed]] = GitInstalled
    steps: ClassVar[Sequence[type[Step]]] = STEPS

    def place(self, target: Target, spec: GitCheckoutSpec) -> Path:
        """See `Adapter.place`."""
        return spec.path

    def inspect(self, target: Target, spec: GitCheckoutSpec) -> GitInstalled:
        """See `Adapter.inspect`."""
        return inspect.read(target, spec)

    def look(
        self, target: Target, spec: GitCheckoutSpec, installed: GitInstalled, release: Release | None
    ) -> GitInstalled:
        """See `Adapter.look`."""
        facts = look.look(target, spec, installed, None if release is None else release.ref)
        return installed.model_copy(update={"facts": facts})

    def layout(self, target: Target, spec: GitCheckoutSpec) -> Layout:
        """See `KeepingAdapter.layout`."""
        return Layout.of(target, spec)

    def pre_check(
        self, target: Target, spec: GitCheckoutSpec, installed: GitInstalled, release: Release, runner: StepContext
    ) -> None:
        """See `Adapter.pre_check`."""
        limits.refuse_engine(target, spec)
        units = services.of(target, spec)
        probes = (
            verify.probe(target, spec, runner, release.version, check, one)
            for check in spec.pre_checks
            for one in verify.about(check, units)
        )
        refuse_unless(probes, target.name)

    def draft(self, target: Target, spec: GitCheckoutSpec, installed: GitInstalled, release: Release) -> Draft:
        """See `Adapter.draft`."""
        return plan.update(target, spec, installed, release)

    def draft_rollback(self, target: Target, spec: GitCheckoutSpec, installed: GitInstalled, backup: Backup) -> Draft:
        """See `Adapter.draft_rollback`."""
        return plan.rollback(target, spec, installed, backup)

    def doctor(self, target: Target, spec: GitCheckoutSpec) -> Sequence[Finding]:
        """See `Adapter.doctor`."""
        return doctor.look(target, spec)
