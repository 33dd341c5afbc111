"""Puts what pydantic found into words, on one line.

`first_problem` needs nothing but the error. `advice` looks at the data and its model as well, for files that people
write: it names the key as they wrote it, and says what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fsm.model import MEANINGS

_SHOULD: Final = re.compile(r"^(?:Input|[A-Z][a-z]+) should ")


class Problem(NamedTuple):
    """The first thing that a validation found; as text with its place, on one line.

    Attributes:
        loc: where, as pydantic tells it: with the tags of unions.
        kind: pydantic's name of it.
        why: what is wrong, beginning with a small letter.
    """

    loc: tuple[str | int, ...]
    kind: str
    why: str

    def __str__(self) -> str:
        return f"{dotted(self.loc)}: {self.why}".removeprefix(": ")[:300]


def first_problem(error: ValidationError) -> Problem:
    """The first problem in plain words, e.g. ``must be the name of a unit``."""
    found = error.errors(include_url=False, include_input=False)[0]
    return Problem(found["loc"], found["type"], _in_words(found))


def _in_words(problem: ErrorDetails) -> str:
    if problem["type"] == "string_pattern_mismatch":
        return f"must be {MEANINGS.get(problem['ctx']['pattern'], 'of another form')}"
    text = str(problem["msg"]).removeprefix("Value error, ").replace(" after validation", "")
    plain = _SHOULD.sub("must ", text)
    return plain[:1].lower() + plain[1:]


def advice(error: ValidationError, model: Any, data: Any) -> tuple[str, str, str]:
    """The first problem as (key, what is wrong, what to do).

    Args:
        error: from validating `data` as `model`.
        model: the model at the top, or a type with models in it.
        data: plain data, as it was read.
    """
    problems = error.errors(include_url=False)
    first = problems[0]
    path, models, value = _walk(first["loc"], model, data)
    key = dotted(path)
    more = f" ({len(problems) - 1} more after that)" if len(problems) > 1 else ""
    match first["type"]:
        case "extra_forbidden":
            known = {name for candidate in models for name in candidate.model_fields}
            return key, "is not a known key", suggestion(str(path[-1]), known) + more
        case "missing":
            return key, "is missing", f"add it{more}"
        case "union_tag_not_found" | "union_tag_invalid":
            tag = first["ctx"]["discriminator"].strip("'")
            known_tags = first["ctx"].get("expected_tags") or "the known ones"
            given = value.get(tag) if isinstance(value, dict) else None
            wrong = "is missing" if given is None else f"is {given!r}, which is not known"
            return f"{key}.{tag}" if key else tag, wrong, f"write one of {known_tags}{more}"
        case _:
            text = first_problem(error).why
            return key, text if text.startswith("must ") else f"is wrong: {text}", f"correct it{more}"


def first_path(error: ValidationError, model: Any, data: Any) -> tuple[str | int, ...]:
    """Where in the data the first problem is, for those who know on which line that stands.

    Args:
        error: from validating `data` as `model`.
        model: the model at the top, or a type with models in it.
        data: plain data, as it was read.
    """
    return _walk(first_problem(error).loc, model, data)[0]


def _walk(loc: Iterable[str | int], model: Any, data: Any) -> tuple[tuple[Any, ...], set[Any], Any]:
    """The path as it stands in the data (pydantic puts a union's tag into it), the models there, and the value."""
    path: list[str | int] = []
    models = set(_models(model))
    value = data
    loc = tuple(loc)
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(value, dict) and (part in value or last) and not _is_tag(part, value, last):
            path.append(part)
            if not last or part in value:
                models = models if last else _below(models, str(part))
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            path.append(part)
            value = value[part]
    return tuple(path), models, value


def _is_tag(part: str | int, value: dict[str, Any], last: bool) -> bool:
    return not last and part not in value and part in value.values()


def _below(models: set[type[BaseModel]], name: str) -> set[type[BaseModel]]:
    fields = [model.model_fields[name].annotation for model in models if name in model.model_fields]
    return {found for annotation in fields for found in _models(annotation)}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def dotted(path: Iterable[str | int]) -> str:
    """A path as people write it: ``components.core.checks[1].url``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def suggestion(word: str, known: Iterable[str]) -> str:
    """A did-you-mean where a known word is close, else the list of all."""
    import difflib  # noqa: PLC0415 - only for an error message

    words = sorted(known)
    close = difflib.get_close_matches(word[:60], words, n=1)
    return f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(words)}"
