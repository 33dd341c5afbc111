"""Tables of configuration keys, from the models that read the configuration: a key, its form, default and meaning.

The meaning is the model's own docstring (`Attributes:`), so that page and program cannot differ.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fsm.adapter import Registry
from fsm.formats import checkspec
from fsm.formats.trust import TrustSpec
from fsm.host.config import ComponentKeys, Settings
from fsm.kit import Retention
from fsm.lifecycle import State
from fsm.release.description import ArtifactRule, ComponentRule, Description
from fsm.services import CommandSpec, ComposeSpec, ProcessSpec, SystemdSpec
from fsm.sources.base import SourceOptions
from fsm.sources.specs import DirectorySpec, GitHubSpec, GitSpec, HttpSpec
from fsm.versions import Version


def of_types(registry: Registry) -> dict[str, type[BaseModel]]:
    """The blocks of the component types: ``config-TYPE``, and ``config-TYPE-MODEL`` for each table inside of it."""
    blocks: dict[str, type[BaseModel]] = {}
    for name in registry.types:
        spec = registry.get(name).spec
        blocks[f"config-{name}"] = spec
        blocks |= {f"config-{name}-{model.__name__}": model for model in _own_tables(spec)}
    return blocks


def _own_tables(spec: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models of a spec's keys that its own package defines; shared ones have blocks of their own."""
    package = spec.__module__.partition(".")[0]
    for field in spec.model_fields.values():
        for model in _models(field.annotation):
            if model.__module__.partition(".")[0] == package:
                yield from (model, *_own_tables(model))


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for inner in get_args(kind):
        yield from _models(inner)


TABLES: Final[dict[str, type[BaseModel]]] = {
    "config-trust": TrustSpec,
    "config-fsm": Settings,
    "config-component": ComponentKeys,
    **of_types(Registry.discover()),
    "config-retention": Retention,
    "config-source": SourceOptions,
    "config-source-directory": DirectorySpec,
    "config-source-http": HttpSpec,
    "config-source-github": GitHubSpec,
    "config-source-git": GitSpec,
    "config-service-process": ProcessSpec,
    "config-service-command": CommandSpec,
    "config-service-systemd": SystemdSpec,
    "config-service-compose": ComposeSpec,
    "release-description": Description,
    "release-component": ComponentRule,
    "release-artifact": ArtifactRule,
}
"""The blocks of `docs/reference/configuration.md` and `description.md`, by name."""

SHARED: Final = (SourceOptions,)
"""Models whose keys several others have, and whose table says so."""

KINDS: Final = ("type", "manager")
"""Keys that say which of several models a table is: its heading has it."""

FEW: Final = 2
"""How many keys of a table are shown as its default; more of them have their defaults in its own table."""

SIMPLE: Final = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Path: "path"}
ENTRY: Final = re.compile(r"^ {4}(\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", re.MULTILINE)


def table(model: type[BaseModel]) -> str:
    """The keys of one model; what it has from a base of `SHARED` stands in that one's table.

    Raises:
        ValueError: the docstring has nothing about a key.
    """
    meanings = _meanings(model)
    lines = ["", "| key | form | default | meaning |", "|---|---|---|---|"]
    shared = {name for base in SHARED if base is not model and issubclass(model, base) for name in base.model_fields}
    own = {name: field for name, field in model.model_fields.items() if name not in shared or name in _annotated(model)}
    for name, field in own.items():
        if name in KINDS and get_origin(field.annotation) is Literal:
            continue
        if name not in meanings:
            raise ValueError(f"{model.__name__}: the docstring says nothing about {name}")
        meaning = meanings[name].replace("|", "\\|")
        lines.append(f"| `{name}` | {_form(field)} | {_default(field)} | {meaning} |")
    return "\n".join([*lines, "", ""])


def _annotated(model: type[BaseModel]) -> set[str]:
    return set(inspect.get_annotations(model))


def checks() -> str:
    """The checks that a configuration may ask for, with their keys."""
    lines = ["", "| type | what it checks | keys |", "|---|---|---|"]
    for kind in get_args(get_args(checkspec.Check)[0]):
        fields = {name: field for name, field in kind.model_fields.items() if name not in ("type", "description")}
        keys = "; ".join(f"`{name}`: {_form(field)}, {_default(field)}" for name, field in fields.items())
        lines.append(f"| `{_tag(kind.model_fields['type'])}` | {_summary(kind)} | {keys or '–'} |")
    return "\n".join([*lines, "", ""])


def _summary(model: type[BaseModel]) -> str:
    return _plain(inspect.cleandoc(model.__doc__ or "").partition("\n\nAttributes")[0])


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """What the docstrings of a model and of its bases say about each attribute."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        text = inspect.cleandoc(each.__dict__.get("__doc__") or "").partition("Attributes:")[2]
        for names, meaning in ENTRY.findall(text):
            found |= dict.fromkeys(names.split(", "), _plain(meaning))
    return found


def _plain(text: str) -> str:
    words = " ".join(text.split()).replace("``", "`").replace("None:", "without it,")
    return words[0].upper() + words[1:] + ("" if words.endswith(".") else ".")


def _tag(field: FieldInfo) -> str:
    return str(get_args(field.annotation)[0])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value in (None, (), {}):
        return "–"
    if isinstance(value, BaseModel):
        inner = [f"{name} = {_literal(value)}" for name, value in value.model_dump(exclude_none=True).items()]
        return f"`{{ {', '.join(inner)} }}`" if len(inner) <= FEW else "as below"
    return f"`{_literal(value)}`"


def _literal(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return f'"{value}"' if isinstance(value, str) else f"{value}"


def _form(field: FieldInfo) -> str:
    limits = [f"{word} {each:g}" for word, each in _bounds(field, (Ge, "from"), (Gt, "above"), (Le, "to"))]
    if [limit.split()[0] for limit in limits] == ["above", "to"]:
        limits[1] = f"up {limits[1]}"
    return " ".join([_type(field.annotation), *limits])


def _bounds(field: FieldInfo, *kinds: tuple[type[Ge | Gt | Le], str]) -> Iterator[tuple[str, float]]:
    """The limits of those kinds that a field has, each with its word."""
    for each in field.metadata:
        for kind, word in kinds:
            if isinstance(each, kind):
                yield word, getattr(each, kind.__name__.lower())


def _type(kind: Any) -> str:
    """The form of a value, in words."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return "table" if _is_union_of_models(inner[0]) else _type(inner[0])
    if origin is Literal:
        return " or ".join(f"`{_literal(value)}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(each) for each in inner if each is not type(None)))
    if origin is tuple:
        return f"list of {_plural(inner[0])}"
    if origin is dict:
        key = "state" if inner[0] is State else _type(inner[0])
        return f"table: {key} = {_type(inner[1])}"
    if kind is Version:
        return "text, a version"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "table"
    raise ValueError(f"no words for {kind!r}: add them to tools/describe_models.py")


def _plural(kind: Any) -> str:
    return {"text": "texts", "path": "paths"}.get(_type(kind), "tables")


def _is_union_of_models(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType) and all(
        isinstance(each, type) and issubclass(each, BaseModel) for each in get_args(kind)
    )
