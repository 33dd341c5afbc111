"""What engine and worker say to each other: JSON, one message a line; and what of an answer is believed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from fsm import errors
from fsm.adapter import Done, Failed, RetryLater, StepResult
from fsm.engine.worker.bug import Bug
from fsm.errors import FsmError, Transient, WorkerFailed
from fsm.model import Model, Seconds
from fsm.system.shell import Child

LINE: Final = 8 << 20
"""Bytes that one message may have."""

DEPTH: Final = 32
"""How deep the values may be nested that a step returns."""

SHOWN: Final = 2000
"""Characters of a text from a worker that are shown."""

TRUSTED_KINDS: Final = frozenset(
    {"Refused", "ConfigError", "UsageError", "ManifestError", "ArchiveError", "IntegrityError", "TrustError"}
    | {"SourceError", "NotReady", "PlanError", "Unsupported"}
    | {"Transient", "StepFailed", "CommandFailed", "DeadlineExceeded", "WorkerFailed"}
)
"""The errors that a worker may raise in the engine. That somebody asked to stop, the engine knows better."""

_Length = Annotated[Seconds, Field(ge=0, allow_inf_nan=False)]


class Ready(Model):
    """The worker is there, and of the same version."""

    said: Literal["ready"] = "ready"
    version: str


class Started(Model):
    """A child of the worker's runs; it waits for an answer before it goes on, so that the journal knows it."""

    said: Literal["started"] = "started"
    child: Child


class Progress(Model):
    """How far the step is."""

    said: Literal["progress"] = "progress"
    done: int
    total: int | None
    unit: str


class Fault(Model):
    """A fault point was reached; the worker waits for an answer, which does not come where a test kills the engine."""

    said: Literal["fault"] = "fault"
    name: str


class Result(Model):
    """The end of a call that went well; `value` is JSON once more, so that it is validated as what it is."""

    said: Literal["result"] = "result"
    value: str


class Raised(Model):
    """The end of a call that did not.

    Attributes:
        kind: the class of `fsm.errors`, ``OSError``, or the name of an exception that is a bug.
        bug: whether it is one.
        where: file and line of a bug.
    """

    said: Literal["raised"] = "raised"
    kind: str
    what: str = ""
    why: str = ""
    todo: str = ""
    after: _Length | None = None
    bug: bool = False
    where: str = ""


Said = Ready | Started | Progress | Fault | Result | Raised

_SAID: Final[TypeAdapter[Said]] = TypeAdapter(Annotated[Said, Field(discriminator="said")])


ValueT = TypeVar("ValueT")


def pack(message: Model | Mapping[str, Any]) -> bytes:
    """A message as it is sent."""
    plain = message.model_dump(mode="json") if isinstance(message, Model) else message
    return json.dumps(plain, separators=(",", ":")).encode() + b"\n"


def unpack(line: bytes) -> Said:
    """A message of a worker.

    Raises:
        ValueError: it is none.
    """
    return _SAID.validate_json(line)


def shown(text: str, limit: int = SHOWN) -> str:
    """A text of somebody else's on one line, without what a terminal would obey; cut where it is too long."""
    safe = "".join(each if each.isprintable() else " " for each in text[: 4 * limit])
    line = " ".join(safe.split())
    return line if len(line) <= limit else f"{line[:limit]}..."


def legible(text: str) -> str:
    """A text without what JSON has no place for: bytes of a file's name that are no text become escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def describe(error: Exception, where: str) -> Raised:
    """What a worker says of an exception.

    Args:
        error: what ended the call.
        where: file and line, for one that is a bug.
    """
    if isinstance(error, FsmError):
        known = next(each.__name__ for each in type(error).__mro__ if each.__module__ == errors.__name__)
        after = error.after if isinstance(error, Transient) else None
        what, why, todo = legible(error.what), legible(error.why), legible(error.todo)
        return Raised(kind=known, what=what, why=why, todo=todo, after=after)
    if isinstance(error, OSError):
        return Raised(kind="OSError", what=legible(str(error)))
    return Raised(kind=type(error).__name__, what=legible(str(error)), bug=True, where=where)


def exception_of(raised: Raised) -> Exception:
    """The exception that a worker tells of, as the engine raises it.

    Raises:
        ValueError: it is none that a worker may raise.
    """
    what = shown(raised.what)
    if raised.bug:
        found: Bug = type(raised.kind if raised.kind.isidentifier() else "Error", (Bug,), {})(what)
        found.where = shown(raised.where)
        return found
    if raised.kind == "OSError":
        return OSError(what)
    if raised.kind not in TRUSTED_KINDS:
        raise ValueError(f"it raised {shown(raised.kind, 60)}, which only the updater does")
    texts = (what, shown(raised.why), shown(raised.todo))
    if raised.kind == "Transient":
        return Transient(*texts, after=raised.after)
    error: FsmError = getattr(errors, raised.kind)(*texts)
    return error


def pack_result(result: StepResult) -> str:
    """What a step returned, as the value of a `Result`.

    Raises:
        TypeError: that is no result, or has data that is no JSON: a bug of the adapter.
    """
    if isinstance(result, Done):
        try:
            data = json.dumps(result.data, ensure_ascii=False)
            data.encode()
        except (TypeError, ValueError) as error:
            raise TypeError(f"it returned data that is not valid JSON: {error}") from error
        return json.dumps({"kind": "Done", "data": data, "notes": [legible(note) for note in result.notes]})
    if isinstance(result, RetryLater):
        return json.dumps({"kind": "RetryLater", "why": legible(result.why), "after": result.after})
    if isinstance(result, Failed):
        texts = {"why": legible(result.why), "todo": legible(result.todo)}
        return json.dumps({"kind": "Failed", **texts, "blame": result.blame})
    raise TypeError(f"it returned {type(result).__name__}, not a StepResult")


class _Done(Model):
    kind: Literal["Done"]
    data: str
    notes: Annotated[tuple[str, ...], Field(max_length=1000)]


class _RetryLater(Model):
    kind: Literal["RetryLater"]
    why: str
    after: _Length | None


class _Failed(Model):
    kind: Literal["Failed"]
    why: str
    todo: str
    blame: Literal["release", "host"]


_DATA: Final[TypeAdapter[dict[str, Any]]] = TypeAdapter(dict[str, Any])
_RESULT: Final[TypeAdapter[_Done | _RetryLater | _Failed]] = TypeAdapter(
    Annotated[_Done | _RetryLater | _Failed, Field(discriminator="kind")]
)


def unpack_result(value: str) -> StepResult:
    """What a worker says that a step returned.

    Raises:
        ValueError: that is no result.
    """
    found = believed(_RESULT, value)
    if isinstance(found, _RetryLater):
        return RetryLater(why=shown(found.why), after=found.after)
    if isinstance(found, _Failed):
        return Failed(why=shown(found.why), todo=shown(found.todo), blame=found.blame)
    data = believed(_DATA, found.data)
    _check_depth(data)
    return Done(data=data, notes=tuple(shown(note) for note in found.notes))


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise ValueError("its data is nested too deeply")


def believed(model: TypeAdapter[ValueT] | type[ValueT], value: str) -> ValueT:
    """What a worker answers, held to a model.

    Raises:
        ValueError: it does not fit.
    """
    adapter = model if isinstance(model, TypeAdapter) else TypeAdapter(model)
    try:
        return adapter.validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise ValueError(shown(f"{where}: {first['msg']}", 300)) from error


def unreachable(name: str, error: OSError) -> WorkerFailed:
    """The error about a worker that could not even be started.

    Args:
        name: of its user.
        error: what the system says.
    """
    return WorkerFailed(
        f"cannot act as the user {name}",
        f"{sys.executable} cannot be run as that user: {error.strerror or error}",
        "install fsm-updater where every user may read it, e.g. in /opt/fsm",
    )


def failed(name: str, why: str) -> WorkerFailed:
    """The error about a worker that is of no use.

    Args:
        name: of its user.
        why: what was found.
    """
    return WorkerFailed(f"cannot act as the user {name}", why, "see the component's log, and try again")


def nonsense(name: str, what: str) -> WorkerFailed:
    """The error about a worker whose answer is none.

    Args:
        name: of its user.
        what: is wrong with it.
    """
    return failed(name, f"its process answered what is no answer: {what}")
