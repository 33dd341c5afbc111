"""What the engine has a component's user do: steps, programs and questions, with answers that are held to models."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import TypeAdapter

from fsm.adapter import (
    AnyAdapter,
    Backup,
    CommandResult,
    DataChanges,
    Finding,
    Installed,
    KeptData,
    Spec,
    Step,
    StepResult,
    Target,
    User,
)
from fsm.engine.worker.hearing import Deaf, Hearing
from fsm.engine.worker.pool import Workers, place_of
from fsm.engine.worker.process import Worker
from fsm.engine.worker.protocol import believed, nonsense, shown, unpack_result
from fsm.errors import WorkerFailed
from fsm.model import Model, Seconds

if TYPE_CHECKING:
    from fsm.adapter import Release

MOST_RUNS: Final = 10**9
"""A higher number of a run is nobody's: it would leave the journal no room."""

_MANY: Final = 1000

ValueT = TypeVar("ValueT")


class Calls:
    """Calls of one adapter, each in a worker of a user.

    Args:
        workers: has them.
        adapter: of the component's type.
        user: as whom it is called.
        poll: asked again and again whether to go on.
    """

    def __init__(self, workers: Workers, adapter: AnyAdapter, user: User, poll: Callable[[], None]) -> None:
        self._workers = workers
        self._adapter = adapter
        self._user = user
        self._poll = poll

    def step(self, verb: str, step: Step, context: Mapping[str, Any], hearing: Hearing, begun: Begun) -> StepResult:
        """Do or undo a step.

        Args:
            verb: ``do``, ``undo``, ``keep_down`` or ``keep_up``.
            step: the frozen one.
            context: what the step sees of the run.
            hearing: hears what happens.
            begun: told of the worker before it is called.
        """
        request = {"step": step.name, "args": step.model_dump(mode="json"), "context": dict(context)}
        return self._call(verb, request, unpack_result, hearing, begun)

    def run(
        self,
        argv: Sequence[str],
        cwd: Path | None,
        env: Mapping[str, str] | None,
        timeout: Seconds,
        context: Mapping[str, Any],
        hearing: Hearing,
        begun: Begun,
    ) -> CommandResult:
        """Run a program; see `StepContext.run`."""
        request = {
            "argv": list(argv),
            "cwd": None if cwd is None else str(cwd),
            "env": None if env is None else dict(env),
            "timeout": timeout,
            "context": dict(context),
        }
        return self._call("run", request, lambda value: believed(CommandResult, value), hearing, begun)

    def inspect(self, target: Target, spec: Spec) -> Installed:
        """See `Adapter.inspect`."""
        return self._ask("inspect", target, spec, self._installed)

    def look(self, target: Target, spec: Spec, installed: Installed, release: Release | None) -> Installed:
        """See `Adapter.look`."""
        known = {"installed": _plain(installed), "release": None if release is None else _plain(release)}
        return self._ask("look", target, spec, self._installed, **known)

    def backups(self, target: Target, spec: Spec) -> Sequence[Backup]:
        """See `Adapter.backups`."""
        return self._ask("backups", target, spec, _backups)

    def data_changes(self, target: Target, spec: Spec, backup: Backup) -> DataChanges | None:
        """See `Adapter.data_changes`."""
        return self._ask("data_changes", target, spec, _changes, backup=_plain(backup))

    def kept_data(self, target: Target, spec: Spec) -> Sequence[KeptData]:
        """See `Adapter.kept_data`."""
        return self._ask("kept_data", target, spec, _kept_data)

    def doctor(self, target: Target, spec: Spec) -> Sequence[Finding]:
        """See `Adapter.doctor`; it can speak of its own component only."""
        return self._ask("doctor", target, spec, lambda value: _findings(value, target.name))

    def last_run(self, target: Target, spec: Spec) -> int:
        """See `Adapter.last_run`."""
        found = self._ask("last_run", target, spec, lambda value: believed(int, value))
        return found if 0 <= found <= MOST_RUNS else 0

    def leftovers(self, target: Target, spec: Spec) -> Sequence[Path]:
        """See `Adapter.leftovers`."""
        return self._ask("leftovers", target, spec, _paths)

    def _installed(self, value: str) -> Installed:
        found: Installed = believed(self._adapter.installed, value)
        return found.model_copy(update={"why_unknown": shown(found.why_unknown)})

    def _ask(self, verb: str, target: Target, spec: Spec, read: Callable[[str], ValueT], **more: Any) -> ValueT:
        request = {"target": _plain(target), "spec": _plain(spec), **more}
        try:
            return self._call(verb, request, read, Deaf(), _silent)
        except OSError as error:
            raise WorkerFailed(
                f"cannot look at {target.name} as the user {self._user.name}",
                str(error),
                "let that user reach the component's tree, or name another one by `run_as`",
            ) from error

    def _call(
        self,
        verb: str,
        request: Mapping[str, Any],
        read: Callable[[str], ValueT],
        hearing: Hearing,
        begun: Begun,
    ) -> ValueT:
        with self._workers.lend(self._user, self._adapter) as worker:
            worker.be_ready(self._poll, hearing)
            begun(worker)
            asked = {"verb": verb, "adapter": place_of(self._adapter), **request}
            value = worker.call(asked, self._poll, hearing)
            try:
                return read(value)
            except ValueError as error:
                worker.end()
                raise nonsense(self._user.name, shown(str(error), 300)) from None


Begun = Callable[[Worker], None]
"""Told of a worker before it is called."""


def _silent(worker: Worker) -> None:
    """Nobody has to know of a worker that only looks: it ends with the engine."""


def _plain(model: Model) -> Any:
    return json.loads(model.model_dump_json())


def _backups(value: str) -> list[Backup]:
    found = believed(TypeAdapter(list[Backup]), value)[:_MANY]
    return [each.model_copy(update={"made_at": shown(each.made_at, 60)}) for each in found]


def _changes(value: str) -> DataChanges | None:
    found: DataChanges | None = believed(TypeAdapter(DataChanges | None), value)
    return found and found.model_copy(update={"names": tuple(shown(name) for name in found.names)})


def _kept_data(value: str) -> list[KeptData]:
    found = believed(TypeAdapter(list[KeptData]), value)[:_MANY]
    return [each.model_copy(update={"made_at": shown(each.made_at, 60), "id": shown(each.id, 40)}) for each in found]


def _findings(value: str, subject: str) -> list[Finding]:
    found = believed(TypeAdapter(list[Finding]), value)[:_MANY]
    return [
        each.model_copy(update={"subject": subject, "message": shown(each.message), "todo": shown(each.todo)})
        for each in found
    ]


def _paths(value: str) -> list[Path]:
    return [Path(shown(path)) for path in believed(TypeAdapter(list[str]), value)[:_MANY]]
