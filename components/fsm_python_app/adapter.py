"""The adapter of component type ``python_app``: what is asked of it is answered by the other modules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fsm import kit
from fsm.adapter import (
    Backup,
    DataChanges,
    Draft,
    Finding,
    Installed,
    KeptData,
    Spec,
    Step,
    StepContext,
    Target,
)
from fsm.formats.version_file import VersionFile
from fsm.kit import (
    KeepingAdapter,
    Probe,
    own_names,
    refuse_unless,
)
from fsm_python_app import STEPS, data, data_plan, doctor, inspect, limits, look, plan, verify
from fsm_python_app.keep import BackupRecord
from fsm_python_app.layout import Layout
from fsm_python_app.look import Looked
from fsm_python_app.spec import PythonAppSpec

if TYPE_CHECKING:
    from fsm.formats.releases import Release


class PythonApp(KeepingAdapter[PythonAppSpec, Looked]):
    """The adapter of component type ``python_app``."""

    component_type: ClassVar[str] = "python_app"
    record: ClassVar[type[kit.BackupRecord]] = BackupRecord
    spec: ClassVar[type[Spec]] = PythonAppSpec
    installed: ClassVar[type[Installed]] = Looked
    steps: ClassVar[Sequence[type[Step]]] = STEPS

    def place(self, target: Target, spec: PythonAppSpec) -> Path | None:
        """See `Adapter.place`."""
        return spec.install_path

    def inspect(self, target: Target, spec: PythonAppSpec) -> Looked:
        """See `Adapter.inspect`."""
        return Looked(**dict(inspect.read(spec)))

    def look(self, target: Target, spec: PythonAppSpec, installed: Looked, release: Release | None) -> Looked:
        """See `Adapter.look`."""
        look.sweep(spec)
        return look.look(target, spec, installed, for_release=release is not None)

    def layout(self, target: Target, spec: PythonAppSpec) -> Layout:
        """See `KeepingAdapter.layout`."""
        return Layout.of(spec.install_path)

    def allows(self, target: Target, spec: PythonAppSpec, release: Release) -> None:
        """See `Adapter.allows`."""
        limits.check(target, spec, release)

    def pre_check(
        self, target: Target, spec: PythonAppSpec, installed: Looked, release: Release, runner: StepContext
    ) -> None:
        """See `Adapter.pre_check`."""
        asked: tuple[Any, ...] = release.manifest.pre_update_checks if release.manifest else ()
        measured = verify.context(target, spec, runner, release.version)
        refuse_unless((Probe(each, measured) for each in own_names((*asked, *spec.pre_checks))), target.name)

    def draft(self, target: Target, spec: PythonAppSpec, installed: Looked, release: Release) -> Draft:
        """See `Adapter.draft`."""
        return plan.update(target, spec, installed, release, limits.pick(target, spec, release))

    def draft_rollback(self, target: Target, spec: PythonAppSpec, installed: Looked, backup: Backup) -> Draft:
        """See `Adapter.draft_rollback`."""
        return plan.rollback(target, spec, installed, backup)

    def data_changes(self, target: Target, spec: PythonAppSpec, backup: Backup) -> DataChanges | None:
        """See `Adapter.data_changes`."""
        return data.changes(spec, backup)

    def kept_data(self, target: Target, spec: PythonAppSpec) -> Sequence[KeptData]:
        """See `Adapter.kept_data`."""
        return data.kept(spec)

    def draft_bring_back(self, target: Target, spec: PythonAppSpec, installed: Looked, kept: KeptData) -> Draft:
        """See `Adapter.draft_bring_back`."""
        return data_plan.bring_back(target, spec, installed, kept)

    def doctor(self, target: Target, spec: PythonAppSpec) -> Sequence[Finding]:
        """See `Adapter.doctor`."""
        return doctor.examine(target, spec)

    def version_file(self, target: Target, spec: PythonAppSpec) -> VersionFile | None:
        """See `Adapter.version_file`."""
        return None if spec.version.file is None else VersionFile(spec.install_path, spec.version.file)
