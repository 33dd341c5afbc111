"""Migration and checks of a Python app."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from fsm import kit
from fsm.adapter import Done, Failed, Step, StepContext, StepResult, Target
from fsm.formats.checkspec import Check
from fsm.kit import Probe, ended, first_failure, measured
from fsm.lifecycle import State
from fsm.model import Version
from fsm.services import open_service
from fsm.services.checks import CheckContext
from fsm.system import faults
from fsm_python_app.layout import Layout
from fsm_python_app.spec import Migration, PythonAppSpec


class Migrate(Step):
    """Run the configured migration in the new tree; the old tree is whole beside it."""

    name: ClassVar[str] = "migrate"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "run the migration"
    touches_live: ClassVar[bool] = True

    layout: Layout
    migration: Migration
    environment_link: str

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`. A migration may be run again after a crash: it must bear that."""
        live = self.layout.live
        done = ctx.run(self._argv(live), cwd=live)
        faults.point("migrate.ended")
        if done.code == 0:
            return Done()
        why = ended("the migration", done)
        if self.migration.optional:
            return Done(notes=(f"{why}; it is optional, so the update went on",))
        return Failed(why=why, todo="see the log, or ask the release's author")

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`: nobody knows what a migration has written."""
        return (self.layout.live,)

    def _argv(self, live: Path) -> list[str]:
        python = str(live / self.environment_link / "bin" / "python")
        program, *arguments = [part.replace("{python}", python) for part in self.migration.command]
        inside = live / program
        return [str(inside) if inside.exists() else program, *arguments]


class Verify(kit.Verify):
    """Perform every check of the release and of the host."""

    target: Target
    spec: PythonAppSpec
    checks: tuple[Check, ...]
    version: Version

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        asked = context(self.target, self.spec, ctx, self.version)
        why = first_failure(Probe(check, asked) for check in self.checks)
        return Failed(why=why, todo="the old version is restored; see the service's log") if why else Done()


def context(target: Target, spec: PythonAppSpec, ctx: StepContext, expected: Version | None) -> CheckContext:
    """What checks of this app measure."""
    return measured(
        ctx,
        path=spec.install_path,
        service=open_service(spec.service, name=target.name, state_dir=target.state_dir, user=target.user),
        installed=lambda: ctx.installed(target, spec),
        backups=lambda: ctx.backups(target, spec),
        expected=expected,
        settle=spec.settle_seconds,
    )
