"""Migration and checks of a Python app."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Done, Failed, Step, StepContext, StepResult
from fsm.errors import Refused
from fsm.formats.checkspec import Check
from fsm.lifecycle import State
from fsm.model import Version
from fsm.services import open_service
from fsm.services.checks import CheckContext, perform
from fsm.system import faults
from fsm_python_app import finish, inspect
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
        why = f"the migration exited with {done.code}: {' '.join(done.tail.split())[-300:]}"
        if self.migration.optional:
            return Done(notes=(f"{why}; it is optional, so the update went on",))
        return Failed(why=why, todo="see the log, or ask the release's author")

    def _argv(self, live: Path) -> list[str]:
        python = str(live / self.environment_link / "bin" / "python")
        program, *arguments = [part.replace("{python}", python) for part in self.migration.command]
        inside = live / program
        return [str(inside) if inside.exists() else program, *arguments]


class Verify(Step):
    """Perform every check of the release and of the host."""

    name: ClassVar[str] = "verify"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "check that the new version works"
    touches_live: ClassVar[bool] = True

    spec: PythonAppSpec
    checks: tuple[Check, ...]
    version: Version
    state_dir: Path

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        return run_checks(self.checks, context(self.spec, self.state_dir, ctx, self.version))


def context(spec: PythonAppSpec, state_dir: Path, ctx: StepContext, expected: Version | None) -> CheckContext:
    """What checks of this app measure."""
    return CheckContext(
        path=spec.install_path if spec.install_path.exists() else spec.install_path.parent,
        service=open_service(spec.service, name=ctx.component, state_dir=state_dir),
        installed=lambda: inspect.read(spec),
        backups=lambda: finish.backups(Layout(live=spec.install_path)),
        expected=expected,
        runner=ctx,
        sleep=ctx.sleep,
        remaining=ctx.deadline.remaining,
        settle=spec.settle_seconds,
        now=lambda: datetime.now(UTC),
    )


def run_checks(checks: tuple[Check, ...], measured: CheckContext) -> StepResult:
    """Perform checks in order until one fails."""
    for check in checks:
        outcome = perform(check, measured)
        if not outcome.ok:
            return Failed(
                why=f"{check.type} failed: {outcome.message}", todo="the old version is put back; see the service's log"
            )
    return Done()


def refuse_unless(checks: tuple[Check, ...], measured: Callable[[], CheckContext], name: str) -> None:
    """Perform pre-checks.

    Raises:
        Refused: one of them failed.
    """
    for check in checks:
        outcome = perform(check, measured())
        if not outcome.ok:
            raise Refused(
                f"cannot update {name}", f"{check.type} failed: {outcome.message}", "fix the cause, then update again"
            )
