"""Turns what pydantic found into one line for the person who wrote the manifest.

The first problem in the document's order is shown: its place, what is wrong, what is expected. What is expected comes
from the JSON Schema of the key, so that the message and the published schema cannot differ.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fsm.errors import ManifestError
from fsm.formats.artifacts import Artifact
from fsm.formats.checkspec import ManifestCheck
from fsm.formats.manifest.schema import Manifest
from fsm.formats.manifest.steps import ManifestStep
from fsm.formats.manifest.words import dotted, expected, quoted, shown, suggestion, unquoted_types
from fsm.formats.yamldoc import Document, Path, Place, refusal
from fsm.model import Model, Version


def members(union: Any, tag: str) -> dict[str, type[Model]]:
    """The models of a discriminated union, by the value of their tag."""
    return {get_args(model.model_fields[tag].annotation)[0]: model for model in get_args(get_args(union)[0])}


ACTIONS: Final = members(ManifestStep, "action")
CHECKS: Final = members(ManifestCheck, "type")

_LISTS: Final = {
    "pre_update_checks": ("type", CHECKS),
    "update_steps": ("action", ACTIONS),
    "post_update_checks": ("type", CHECKS),
    "rollback_steps": ("action", ACTIONS),
}
"""Lists of tagged entries: the key that holds the tag, and the models by tag."""


class _Spot(NamedTuple):
    """Where in the document a problem is: at a value, or at a key that should not be there."""

    path: Path
    of_key: bool = False


def explained(error: ValidationError, document: Document) -> ManifestError:
    """The error as one line: the first problem in the document's order, and how many more there are."""

    def place(entry: ErrorDetails) -> Place:
        spot = _spot(entry)
        return document.position(spot.path, of_key=spot.of_key)

    # A default that is made of other fields is not made when those are wrong; that is no problem of its own.
    found = [entry for entry in error.errors(include_url=False) if entry["type"] != "default_factory_not_called"]
    first = min(found, key=place)  # only this one is put into words: a hostile file has thousands
    path = _spot(first).path
    why, todo = _words(first, path, document)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return refusal(document.where, place(first), f"{dotted(path)} {why}", todo + more)


def _spot(entry: ErrorDetails) -> _Spot:
    loc = entry["loc"]
    listed = bool(loc) and loc[0] in _LISTS
    path = loc[:2] + loc[3:] if listed else loc  # the third part is the tag of the union's member
    match entry["type"]:
        case "extra_forbidden":
            return _Spot(path, of_key=True)
        case "union_tag_not_found" | "union_tag_invalid":
            return _Spot((*path, _LISTS[str(path[0])][0]))
        case "manifest":
            return _Spot((*path, *entry["ctx"]["path"]))
        case _:
            return _Spot(path)


def _words(entry: ErrorDetails, path: Path, document: Document) -> tuple[str, str]:
    """What is wrong, and what to do."""
    context = entry.get("ctx", {})
    match entry["type"]:
        case "extra_forbidden":
            return "is not a known key", suggestion(path[-1], _model(path, document).model_fields)
        case "missing":
            return "is missing", f"write {_wanted(path, document)}"
        case "union_tag_not_found":
            return "is missing", f"write one of {', '.join(sorted(_LISTS[str(path[0])][1]))}"
        case "union_tag_invalid":
            return _unknown_tag(path, document)
        case "too_long":
            return f"has {context['actual_length']} entries", f"at most {context['max_length']} are allowed"
        case "string_too_long":
            return f"has more than {context['max_length']} characters", "make it shorter"
        case "manifest":
            return context["what"], context["todo"] or f"write {_wanted(path, document)}"
        case _:
            return _wrong_value(path, document)


def _unknown_tag(path: Path, document: Document) -> tuple[str, str]:
    tag, models = _LISTS[str(path[0])]
    value = document.value(path)
    if value == "command" and tag == "type":
        return 'is "command"', "remove it; commands come only from the host's configuration"
    hint = suggestion(value, models)
    known = f" known here: {', '.join(sorted(models))}" if hint.endswith("?") else ""
    return f"is {shown(value, document.written(path))}, which is not a known {tag}", hint + known


def _wrong_value(path: Path, document: Document) -> tuple[str, str]:
    value, written = document.value(path), document.written(path)
    wanted, types = _wanted(path, document), _types(path, document)
    if "string" in types and written is not None and value is not None:
        todo = f"put it in quotes: {quoted(written)}"
    elif isinstance(value, str) and types & unquoted_types(value):
        todo = f"write {wanted}, without quotes"
    else:
        todo = f"write {wanted}"
    return f"is {shown(value, written)}", todo


def _model(path: Path, document: Document) -> type[Model]:
    """The model that the last key of a path belongs to."""
    if len(path) < 3:
        return Manifest
    if path[0] == "artifacts":
        return Artifact
    tag, models = _LISTS[str(path[0])]
    return models[document.value((*path[:2], tag))]


def _field_schema(path: Path, document: Document) -> dict[str, Any]:
    """The part of the published schema that is about the last key of a path."""
    whole = Manifest.model_json_schema()
    model = _model(path, document)
    part: dict[str, Any] = whole if model is Manifest else whole["$defs"][model.__name__]
    schema: dict[str, Any] = part["properties"][path[-1]]
    return schema


def _types(path: Path, document: Document) -> set[str]:
    """The types of JSON Schema that the value at a path may have; none for an entry of a list."""
    if isinstance(path[-1], int):
        return set()
    schema = _field_schema(path, document)
    return {part["type"] for part in (schema, *schema.get("anyOf", ())) if "type" in part}


def _wanted(path: Path, document: Document) -> str:
    if isinstance(path[-1], int):
        return f"a mapping with the key {_LISTS[str(path[0])][0] if path[0] in _LISTS else 'name'}"
    annotation = _model(path, document).model_fields[path[-1]].annotation
    if Version in (annotation, *get_args(annotation)):
        return "a version like 1.4.0, 2.0.0rc1 or 3.0.0-poc"
    return expected(_field_schema(path, document))
