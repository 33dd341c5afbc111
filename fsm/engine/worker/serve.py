"""A worker at work: steps and questions of adapters, one after the other, until the engine closes the line."""

from __future__ import annotations

import gc
import json
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from fsm.adapter import AnyAdapter, Backup, DataChanges, Finding, Installed, KeptData, Spec, Step, Target
from fsm.engine.performing import perform
from fsm.engine.worker.context import Line, WorkerContext
from fsm.engine.worker.protocol import LINE, Ready, Result, describe, legible, pack_result
from fsm.errors import ConfigError, PlanError, StepFailed
from fsm.registry import named
from fsm.system import faults
from fsm.version import __version__


def serve(connection: socket.socket, first: str) -> None:
    """Answer calls.

    Args:
        connection: to the engine.
        first: the adapter that is loaded before anything is asked, so that the first call need not wait for it.
    """
    line = Line(connection)
    adapter = _adapter(first)
    gc.enable()
    line.tell(Ready(version=__version__))
    _answer(line, line.hear())
    # The engine has work of its own now; later a service may be down while this process works.
    warm(adapter)
    while True:
        _answer(line, line.hear())


def warm(adapter: AnyAdapter) -> None:
    """Have ready what calls would make when they come: models make their validators at their first use."""
    for model in (adapter.spec, adapter.installed, *adapter.steps):
        model.model_rebuild()


def _answer(line: Line, call: Mapping[str, Any]) -> None:
    try:
        value = _VERBS[call["verb"]](line, call)
        if len(value) > LINE // 2:
            raise StepFailed(f"cannot answer {call['verb']}", f"the answer has {len(value) >> 20} MiB")
        said: Any = Result(value=value)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        said = describe(error, f"{Path(frame.filename).name}:{frame.lineno}")
        if said.bug:
            traceback.print_exc(file=sys.stderr)
            sys.stderr.flush()
    line.tell(said)


@cache
def _adapter(place: str) -> AnyAdapter:
    """The adapter of a class, named ``module:Class`` as in an entry point.

    Raises:
        ConfigError: there is none of that name that this process could load.
    """
    module, _, name = place.partition(":")
    try:
        made: AnyAdapter = getattr(import_module(module), name)()
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"cannot load the adapter {place}",
            f"another process must be able to import it and to make it without arguments: {error}",
            "install it as a package, where every user may read it",
        ) from error
    return made


def _step(line: Line, call: Mapping[str, Any]) -> str:
    adapter = _adapter(call["adapter"])
    kind = named(adapter.steps, call["step"])
    if kind is None:
        raise PlanError(f"cannot take the step {call['step']!r}", "the adapter does not know it")
    step: Step = kind.model_validate_json(json.dumps(call["args"]))
    context = WorkerContext(line, adapter, call["context"])
    faults.install(context.reached if call["faults"] else None)
    return pack_result(perform(step, call["verb"], context))


def _run(line: Line, call: Mapping[str, Any]) -> str:
    """A program alone, for a step that is the updater's own."""
    context = WorkerContext(line, _adapter(call["adapter"]), call["context"])
    cwd = None if call["cwd"] is None else Path(call["cwd"])
    result = context.run(call["argv"], cwd=cwd, env=call["env"], timeout=call["timeout"])
    return result.model_dump_json()


def _asked(call: Mapping[str, Any]) -> tuple[AnyAdapter, Target, Spec]:
    adapter = _adapter(call["adapter"])
    target = Target.model_validate_json(json.dumps(call["target"]))
    return adapter, target, adapter.spec.model_validate_json(json.dumps(call["spec"]))


def _inspect(line: Line, call: Mapping[str, Any]) -> str:
    adapter, target, spec = _asked(call)
    return _text(adapter.inspect(target, spec))


def _look(line: Line, call: Mapping[str, Any]) -> str:
    adapter, target, spec = _asked(call)
    from fsm.formats.releases import Release  # noqa: PLC0415 - only for this question

    installed = adapter.installed.model_validate_json(json.dumps(call["installed"]))
    release = None if call["release"] is None else Release.model_validate_json(json.dumps(call["release"]))
    return _text(adapter.look(target, spec, installed, release))


def _text(found: Installed) -> str:
    return found.model_copy(update={"why_unknown": legible(found.why_unknown)}).model_dump_json()


def _backups(line: Line, call: Mapping[str, Any]) -> str:
    adapter, target, spec = _asked(call)
    return TypeAdapter(list[Backup]).dump_json(list(adapter.backups(target, spec))).decode()


def _data_changes(line: Line, call: Mapping[str, Any]) -> str:
    adapter, target, spec = _asked(call)
    backup = Backup.model_validate_json(json.dumps(call["backup"]))
    found = adapter.data_changes(target, spec, backup)
    return TypeAdapter(DataChanges | None).dump_json(found).decode()


def _kept_data(line: Line, call: Mapping[str, Any]) -> str:
    adapter, target, spec = _asked(call)
    return TypeAdapter(list[KeptData]).dump_json(list(adapter.kept_data(target, spec))).decode()


def _doctor(line: Line, call: Mapping[str, Any]) -> str:
    adapter, target, spec = _asked(call)
    found = [
        each.model_copy(update={"message": legible(each.message), "todo": legible(each.todo)})
        for each in adapter.doctor(target, spec)
    ]
    return TypeAdapter(list[Finding]).dump_json(found).decode()


def _last_run(line: Line, call: Mapping[str, Any]) -> str:
    adapter, target, spec = _asked(call)
    return json.dumps(adapter.last_run(target, spec))


def _leftovers(line: Line, call: Mapping[str, Any]) -> str:
    adapter, target, spec = _asked(call)
    return json.dumps([legible(str(path)) for path in adapter.leftovers(target, spec)])


_VERBS: Final[Mapping[str, Callable[[Line, Mapping[str, Any]], str]]] = {
    "do": _step,
    "undo": _step,
    "keep_down": _step,
    "keep_up": _step,
    "run": _run,
    "inspect": _inspect,
    "look": _look,
    "backups": _backups,
    "data_changes": _data_changes,
    "kept_data": _kept_data,
    "doctor": _doctor,
    "last_run": _last_run,
    "leftovers": _leftovers,
}
"""What a worker can be asked to do."""
