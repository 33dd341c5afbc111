"""`fsm.toml`: where it is found, what it may say, and one-line errors with file, key and remedy.

Every component has the keys of `ComponentKeys`; the rest of its table belongs to its type and is validated by the
adapter's own model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from fsm.adapter import Registry, Spec, Target
from fsm.engine.scheduling import JOBS
from fsm.errors import ConfigError, UsageError
from fsm.formats.explain import suggestion
from fsm.formats.foreign import toml_of
from fsm.formats.trust.belief import TrustSpec
from fsm.host.places import default_state_dir, find, text_of
from fsm.host.tables import Tables
from fsm.lifecycle import State
from fsm.model import COMPONENT_NAME, ComponentName, HostPath, Model, Seconds, VariableName
from fsm.services import AnySpec
from fsm.sources import SourceSpec

__all__ = [
    "Component",
    "ComponentKeys",
    "Config",
    "Settings",
    "default_state_dir",
    "find",
    "load",
    "parse",
]


class Settings(Model):
    """The table ``[fsm]``: what holds for the whole host.

    Attributes:
        state_dir: journal, locks, logs and pid files.
        jobs: components that are updated at the same time.
        check_interval_hours: how long `fsm check` without ``--force`` believes its last answer.
        deadlines: seconds that a state may take, by its name, if that differs from the built-in ones.
        pass_environment: variables of the updater's environment that processes of a component's user get as well, e.g.
            ``HTTPS_PROXY``; they get none else.
    """

    state_dir: HostPath | None = None
    jobs: Annotated[int, Field(ge=1, le=64)] = JOBS
    check_interval_hours: Annotated[float, Field(ge=0)] = 24.0
    deadlines: dict[State, Annotated[Seconds, Field(gt=0)]] = {}
    pass_environment: tuple[VariableName, ...] = ()


RunAs = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=0, lt=2**32 - 1)]
"""A user of this host."""


class ComponentKeys(Model):
    """What every component's table has, whatever its type.

    Attributes:
        type: the component type.
        source: where its releases come from; without one it can only be rolled back.
        prereleases: whether pre-releases are wanted.
        depends_on: components that are updated before this one.
        trust: whose signatures its releases must have, if that differs from the host's ``[trust]``.
        run_as: as whom an updater that is root touches it, a name or a number; by default as the owner of its tree,
            or of the first directory on the way to it that is not root's. ``root`` says that whoever may write there
            is trusted like root.
        rollback_data: what `fsm rollback` does with preserved files that were changed since the version was replaced,
            unless it is told: ``keep`` them as they are, or ``restore`` those of that time; ``ask`` asks on a
            terminal, and refuses elsewhere.
    """

    type: str
    source: SourceSpec | None = None
    prereleases: bool = False
    depends_on: tuple[ComponentName, ...] = ()
    trust: TrustSpec | None = None
    run_as: RunAs | None = None
    rollback_data: Literal["ask", "keep", "restore"] = "ask"


TABLES: Final = ("fsm", "components", "sets", "trust")

NAMES: Final = "use 1 to 64 characters of a-z 0-9 . _ -, starting and ending with a-z or 0-9"
"""How components and sets may be called, in words."""
"""The tables of a configuration file."""


@dataclass(frozen=True)
class Component:
    """One component as configured."""

    name: str
    keys: ComponentKeys
    spec: Spec
    target: Target

    @property
    def services(self) -> dict[str, AnySpec]:
        """Its services by the names that their managers get, wherever in its own table they stand."""
        found: dict[str, AnySpec] = {}
        for value in (getattr(self.spec, key) for key in type(self.spec).model_fields):
            if isinstance(value, AnySpec):
                found[self.name] = value
            elif isinstance(value, Mapping):
                found |= {f"{self.name}.{key}": each for key, each in value.items() if isinstance(each, AnySpec)}
        return found


@dataclass(frozen=True)
class Config:
    """A whole configuration.

    Attributes:
        path: the file, None for one made in memory.
        components: by name, in the file's order.
        sets: components that are updated as one, by the set's name.
        trust: whose signatures releases must have.
    """

    state_dir: Path
    settings: Settings = field(default_factory=Settings)
    components: Mapping[str, Component] = field(default_factory=dict)
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    path: Path | None = None
    trust: TrustSpec | None = None

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.state_dir / "journal.db"

    def component(self, name: str) -> Component:
        """One component.

        Raises:
            UsageError: there is none of that name.
        """
        if name not in self.components:
            hint = suggestion(name, self.components) if self.components else "no component is configured yet"
            raise UsageError(f"there is no component {name!r}", f"{self.path or 'the configuration'} has none", hint)
        return self.components[name]

    def trust_of(self, component: Component) -> TrustSpec | None:
        """Whose signatures a component's releases must have; None if its source takes what is not signed."""
        source = component.keys.source
        if source is None or source.allow_unsigned or source.type == "git":
            return None
        return component.keys.trust or self.trust

    def set_of(self, name: str) -> tuple[str, ...]:
        """The members of one set.

        Raises:
            UsageError: there is none of that name.
        """
        if name not in self.sets:
            hint = suggestion(name, self.sets) if self.sets else f'add it: [sets], {name} = ["...", "..."]'
            raise UsageError(f"there is no set {name!r}", f"{self.path or 'the configuration'} has none", hint)
        return self.sets[name]


def load(path: Path | None = None, registry: Registry | None = None) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: with the file, the key and the remedy.
    """
    path = find(path)
    try:
        text = text_of(path)
        data = toml_of(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}", str(error), "check the file and its permissions") from error
    except ValueError as error:
        raise ConfigError(f"cannot read {path}", f"it is not valid TOML: {error}", "correct it there") from error
    return parse(data, registry or Registry.discover(), path=path, text=text)


def parse(
    data: Mapping[str, Any], registry: Registry, *, path: Path | None = None, base: Path | None = None, text: str = ""
) -> Config:
    """Make a configuration of plain data, as TOML gives it.

    Args:
        data: ``{"fsm": {...}, "trust": {...}, "components": {...}, "sets": {...}}``.
        registry: knows the component types.
        path: the file it came from, for messages.
        base: where relative paths start; by default the file's directory, else the working directory.
        text: what the file says, for the lines of errors.

    Raises:
        ConfigError: with the file, the key and the remedy.
    """
    tables = Tables(path, base or (path.parent if path else Path.cwd()), text)
    for key in data:
        if key not in TABLES:
            tables.refuse((key,), "is not a known key", suggestion(key, TABLES))
    settings = tables.model(Settings, data.get("fsm", {}), ("fsm",))
    state_dir = settings.state_dir or default_state_dir()
    found = data.get("components", {})
    if not isinstance(found, Mapping):
        tables.refuse(("components",), "is not a table", "write [components.NAME]")
    components = {name: _component(tables, name, table, state_dir, registry) for name, table in found.items()}
    sets = tables.model(dict[str, tuple[ComponentName, ...]], data.get("sets", {}), ("sets",))
    trust = tables.model(TrustSpec, data["trust"], ("trust",)) if "trust" in data else None
    config = Config(state_dir, settings, components, sets, path, trust)
    _check_sets(tables, config)
    _check_trust(tables, config)
    _check_dependencies(tables, components)
    return config


def _check_sets(tables: Tables, config: Config) -> None:
    for name, members in config.sets.items():
        key = ("sets", name)
        if not re.match(COMPONENT_NAME, name):
            tables.refuse(key, "is not a valid name for a set", NAMES)
        for member in members:
            if member not in config.components:
                todo = suggestion(member, config.components)
                tables.refuse(key, f"names {member!r}, which is not configured", todo)
        if len(set(members)) < max(len(members), 2):
            tables.refuse(key, "is not a set: it needs at least two different members", "correct the list")


def _check_trust(tables: Tables, config: Config) -> None:
    for name, component in config.components.items():
        if config.trust_of(component) is not None and getattr(component.keys.source, "repository", None) is None:
            why = "is missing, and signed manifests are bound to a repository"
            tables.refuse(("components", name, "source", "repository"), why, 'add it: repository = "owner/name"')


def _check_dependencies(tables: Tables, components: Mapping[str, Component]) -> None:
    needs = {name: component.keys.depends_on for name, component in components.items()}
    for name, others in needs.items():
        for other in others:
            if other not in components:
                where = ("components", name, "depends_on")
                tables.refuse(where, f"names {other!r}, which is not configured", suggestion(other, components))
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        cycle = [str(name) for name in reversed(error.args[1])]  # it names what is needed first
        where = ("components", cycle[0], "depends_on")
        tables.refuse(where, f"is circular: {' -> '.join(cycle)}", "remove one of the dependencies")


def _component(tables: Tables, name: str, table: Any, state_dir: Path, registry: Registry) -> Component:
    key = ("components", name)
    if not isinstance(table, Mapping):
        tables.refuse(key, "is not a table", f"write [components.{name}]")
    if not re.match(COMPONENT_NAME, name):
        tables.refuse(key, "is not a valid name for a component", NAMES)
    common = {k: v for k, v in table.items() if k in ComponentKeys.model_fields}
    keys: ComponentKeys = tables.model(ComponentKeys, common, key)
    try:
        adapter = registry.get(keys.type)
    except ConfigError as error:
        tables.refuse((*key, "type"), error.cause, error.todo)
    rest = {k: v for k, v in table.items() if k not in ComponentKeys.model_fields}
    spec: Spec = _spec(tables, adapter.spec, rest, key)
    source = {} if keys.source is None else json.loads(keys.source.model_dump_json())
    return Component(name, keys, spec, Target(name=name, state_dir=state_dir, source=source))


def _spec(tables: Tables, kind: type[Spec], rest: dict[str, Any], key: tuple[str, ...]) -> Spec:
    for word in rest:
        if word not in kind.model_fields:
            known = {*kind.model_fields, *ComponentKeys.model_fields}
            tables.refuse((*key, word), "is not a known key", suggestion(word, known))
    spec: Spec = tables.model(kind, rest, key)
    return spec
