"""The reference of the library, from signatures and docstrings; nothing is said here that they do not say."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any, Final, ForwardRef, NamedTuple

import fsm
from fsm import adapter, aio, errors, kit, step
from fsm.engine import progress
from fsm.model import Model
from tools import reference_json

SECTION: Final = re.compile(r"^(Args|Attributes|Class attributes|Returns|Raises):\n", re.MULTILINE)
ENTRY: Final = re.compile(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", re.MULTILINE)
CONSTRAINED: Final = re.compile(r"Annotated\[(\w+),.*\]")
TEXT: Final = re.compile(r"\bText\b")
"""A text that may be empty, `fsm.model.Text`: that it is null in JSON is no matter of a program."""
DESCRIBED: Final = (Model, step.Step, adapter.Adapter)
"""Bases whose members are not repeated for each class that has them."""

WAYS: Final = ("starts at once; gives a `Running`", "is awaited", "is called")
"""How the verbs of `AsyncUpdater` are used."""

ELSEWHERE: Final = "See `"
"""A member whose docstring begins so repeats what its base says."""

RESULTS: Final = (
    fsm.UpdateResult,
    fsm.RunReport,
    fsm.StepReport,
    fsm.ComponentStatus,
    fsm.InSet,
    fsm.CheckResult,
    fsm.Plan,
    fsm.PlannedStep,
    fsm.Finding,
)
CONTRACT: Final = (
    adapter.Adapter,
    adapter.Target,
    adapter.User,
    adapter.Spec,
    adapter.Installed,
    adapter.Draft,
    adapter.Backup,
    adapter.DataChanges,
    adapter.KeptData,
    adapter.Finding,
    adapter.Release,
    adapter.Artifact,
    adapter.VersionFile,
    adapter.Registry,
)
STEPS: Final = (step.Step, step.StepContext, step.Done, step.RetryLater, step.Failed, step.CommandResult, step.Deadline)


class Part(NamedTuple):
    """A section of a docstring: its title, empty for the prose that comes first, and its text."""

    title: str
    text: str


def updater() -> str:
    """The façade: making one, then every verb."""
    return _page(_class(fsm.Updater, level=3, listed=False))


def asynchronous() -> str:
    """The façade for asyncio: which verbs start at once, which are awaited; what they take is that of `Updater`."""
    groups: dict[str, list[str]] = {}
    for name, member in _members(aio.AsyncUpdater):
        groups.setdefault(_way(member), []).append(f"`{name}`")
    rows = [f"| {way} | {', '.join(groups[way])} |" for way in WAYS if way in groups]
    return _page([*_text(aio.AsyncUpdater), "| how | verbs |", "|---|---|", *rows, "", *_class(aio.Running, level=3)])


def _way(member: Any) -> str:
    """How an asyncio program calls a verb."""
    function = _function(member)
    if str(inspect.signature(function).return_annotation).startswith("Running["):  # type: ignore[arg-type]
        return WAYS[0]
    return WAYS[1] if inspect.iscoroutinefunction(function) else WAYS[2]


def results() -> str:
    """What the verbs return: each class, and where its fields are."""
    printed = {kind.__name__ for shape in reference_json.SHAPES for kind in reference_json.parts(type(shape.example))}
    rows = []
    for kind in RESULTS:
        assert kind.__name__ in printed, f"{kind.__name__} has its fields on no page"
        rows.append(f"| [`{kind.__name__}`](json.md#{kind.__name__.lower()}) | {_summary(kind)} |")
    return _page(
        [
            "| class | what it is |",
            "|---|---|",
            *rows,
            "",
            *_class(fsm.Outcome, level=3),
            *_class(fsm.StepStatus, level=3),
            *_class(fsm.BlockedBy, level=3),
        ]
    )


def events() -> str:
    """What observers are called with."""
    return _page([*_class(progress.ProgressEvent, level=3), *_class(progress.EventKind, level=3)])


def exceptions() -> str:
    """Every error, what it leads to, and what it means; indented below the error that it is a kind of."""
    rows = ["| error | leads to | meaning |", "|---|---|---|"]
    return _page([*rows, *_errors(errors.FsmError, 0), ""])


def _errors(kind: type[errors.FsmError], depth: int) -> Iterator[str]:
    lead = "&emsp;" * depth
    yield f"| {lead}`{kind.__name__}` | {kind.leads_to.value if depth else '–'} | {_summary(kind)} |"
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _errors(below, depth + 1)


def contract() -> str:
    """What an adapter is, and what it is given and gives."""
    return _page([line for kind in CONTRACT for line in _class(kind, level=3)])


def steps() -> str:
    """What a step is, what it is given and what it returns."""
    return _page([line for kind in STEPS for line in _class(kind, level=3)])


def shared() -> str:
    """What component types share, below the headings that the kit's own docstring has."""
    lines: list[str] = []
    for purpose, names in re.findall(r"^\| ([^|]+) \| (`.*`) \|$", kit.__doc__ or "", re.MULTILINE):
        lines += [f"### {purpose[0].upper()}{purpose[1:]}", ""]
        found = [(name, getattr(kit, name)) for name in names.strip("`").split("`, `")]
        lines += _routines(4, "", [(name, each) for name, each in found if inspect.isroutine(each)])
        lines += [line for _, each in found if inspect.isclass(each) for line in _class(each, level=4)]
    return _page(lines)


def _page(lines: Sequence[str] | Iterator[str]) -> str:
    return "\n" + "\n".join(lines).rstrip("\n") + "\n\n"


def _class(kind: type[Any], *, level: int, listed: bool = True) -> Iterator[str]:
    """One class: what it is, its fields, then its members; each below a heading of its own if they are not listed."""
    yield f"{'#' * level} `{kind.__name__}`"
    yield ""
    yield from _text(kind)
    yield from _routines(level + 1, f"{kind.__name__}.", list(_members(kind)), listed=listed)


def _routines(level: int, prefix: str, members: Sequence[tuple[str, Any]], *, listed: bool = True) -> Iterator[str]:
    """Functions or members: first, as a list, those that a line or two tell all about; then each of the others."""
    short = {name: line for name, member in members if listed and (line := _line(name, member))}
    yield from (*short.values(), "") if short else ()
    for name, member in members:
        if name not in short:
            yield f"{'#' * level} `{prefix}{name}`"
            yield ""
            yield from ("```python", _signature(name, member), "```", "")
            yield from _text(_function(member) or member)


def _line(name: str, member: Any) -> str:
    """A member as an entry of a list; empty if its signature or what there is to say is longer."""
    (text, *more), signature = parts(inspect.getdoc(_function(member) or member) or ""), _signature(name, member)
    if more or "\n\n" in text.text or "\n" in signature:
        return ""
    if isinstance(member, property):
        return f"- `{name}` (`{signature.partition(': ')[2]}`): {_plain(text.text)}"
    return f"- `{signature.removeprefix('def ')}`: {_plain(text.text)}"


def _members(kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class, or a base of ours, says something about."""
    seen: set[str] = set()
    for each in kind.__mro__:
        if (each in DESCRIBED and each is not kind) or not each.__module__.startswith("fsm"):
            continue
        for name, member in vars(each).items():
            if name.startswith("_") or name in seen or _function(member) is None:
                continue
            seen.add(name)
            if kind is aio.AsyncUpdater or not (inspect.getdoc(_function(member)) or "").startswith(ELSEWHERE):
                yield name, member


def _function(member: Any) -> FunctionType | None:
    """The function behind a method, a class method or a property; None for what is none of them."""
    inner = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
    return inner if isinstance(inner, FunctionType) else None


def _signature(name: str, member: Any) -> str:
    """How a method is called, or what a property is; on several lines where one would be long."""
    function = _function(member) or member
    found = inspect.signature(function)
    returns = "" if found.return_annotation is found.empty else f" -> {_bare(found.return_annotation)}"
    if isinstance(member, property):
        return f"{name}: {_bare(found.return_annotation)}"
    given = list(_given(list(found.parameters.values())))
    prefix = "@classmethod\n" if isinstance(member, classmethod) else ""
    prefix += "async def" if inspect.iscoroutinefunction(function) else "def"
    line = f"{prefix} {name}({', '.join(given)}){returns}"
    if len(line) <= 110:
        return line
    return "\n".join([f"{prefix} {name}(", *(f"    {each}," for each in given), f"){returns}"])


def _given(parameters: list[inspect.Parameter]) -> Iterator[str]:
    """The parameters as they are written, with the star before those that must be named; without self."""
    starred = False
    for each in parameters:
        if each.name in ("self", "cls"):
            continue
        if each.kind is each.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        stars = "*" * (each.kind is each.VAR_POSITIONAL) + "**" * (each.kind is each.VAR_KEYWORD)
        default = "" if each.default is each.empty else f" = {_value(each)}"
        yield f"{stars}{each.name}: {_bare(each.annotation)}{default}"


def _value(given: inspect.Parameter) -> str:
    """A default as the source has it: modes in octal, functions by name."""
    if given.name == "mode":
        return oct(given.default)
    return given.default.__name__ if isinstance(given.default, FunctionType) else repr(given.default)


def _bare(annotation: Any) -> str:
    """An annotation as it is written; of one with constraints, what they constrain: its docstring has them in words."""
    text = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else str(annotation)
    return TEXT.sub("str", CONSTRAINED.sub(r"\1", text))


def _summary(kind: type[Any]) -> str:
    return _plain((inspect.getdoc(kind) or "").split("\n\n")[0])


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def _text(documented: Callable[..., Any] | type[Any] | None) -> Iterator[str]:
    """A docstring: its prose as it is, its sections as lists; a model's fields as a table."""
    for part in parts(inspect.getdoc(documented) or ""):
        if not part.title:
            yield part.text.replace("``", "`")
        elif part.title == "Returns":
            yield f"Returns: {_plain(part.text)}"
        else:
            if part.title == "Raises":
                yield "Raises:"
                yield ""
            for names, meaning in ENTRY.findall(part.text):
                shown = ", ".join(f"`{name}`{_kind(documented, name)}" for name in names.split(", "))
                yield f"- {shown}: {' '.join(meaning.split()).replace('``', '`')}"
        yield ""


def _kind(documented: Any, name: str) -> str:
    """The type of a field, as the class has it; empty for what is no field."""
    for each in getattr(documented, "__mro__", ()):
        if name in (found := vars(each).get("__annotations__", {})):
            return f" (`{_bare(found[name])}`)"
    return ""


def parts(text: str) -> Iterator[Part]:
    """The sections of a docstring, in order."""
    pieces = SECTION.split(text)
    if pieces[0].strip():
        yield Part("", pieces[0].strip())
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        inside, _, after = body.partition("\n\n")
        yield Part(title, inside)
        if after.strip():
            yield Part("", after.strip())
