"""How component types are found, by entry points, and their steps, by name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, overload

from fsm.errors import ConfigError, PlanUnknown
from fsm.system.late import at
from fsm.version import __version__

if TYPE_CHECKING:
    from fsm.adapter import AnyAdapter
    from fsm.step import Step

ENTRY_POINTS: Final = "fsm.components"
"""The entry point group in which packages register their adapters: name = component type, value = the class."""

TABLE: Final = "STEPS"
"""The name of a `StepTable` in the package of a component type, where it has one."""


class StepTable(Sequence["type[Step]"]):
    """The steps of a component type; the module of each is imported when it is first asked for.

    A package that has one, named ``STEPS``, lets a resume begin before all of the component type is loaded.

    Args:
        places: ``module:Class`` of each step, by its name.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)

    def named(self, name: str) -> type[Step] | None:
        """The step of that name; None if there is none."""
        return at(self._places[name]) if name in self._places else None

    @overload
    def __getitem__(self, index: int) -> type[Step]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[type[Step]]: ...
    def __getitem__(self, index: int | slice) -> type[Step] | Sequence[type[Step]]:
        places = list(self._places.values())
        return [at(each) for each in places[index]] if isinstance(index, slice) else at(places[index])

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[type[Step]]:
        return map(at, self._places.values())


def named(steps: Sequence[type[Step]], name: str) -> type[Step] | None:
    """The step of that name; None if there is none."""
    if isinstance(steps, StepTable):
        return steps.named(name)
    return next((step for step in steps if step.name == name), None)


Loaders = Mapping[str, "Callable[[], AnyAdapter]"]


class Registry:
    """The adapters found on this host, by component type; each is imported when it is first asked for.

    Args:
        loaders: by type.
        others: asked once for more, when a type is not among these; what both have is taken from `loaders`.
    """

    def __init__(self, loaders: Loaders, others: Callable[[], Loaders] | None = None) -> None:
        self._loaders = dict(loaders)
        self._others = others
        self._loaded: dict[str, AnyAdapter] = {}

    @classmethod
    def discover(cls) -> Registry:
        """The adapters that installed distributions register in the entry point group ``fsm.components``.

        No other package stands in for one of the updater's own; who wants no other need not look for them (25 ms).
        """
        return cls({name: _Place(name, place) for name, place in _own_places()}, _everybodys)

    @classmethod
    def of(cls, *adapters: AnyAdapter) -> Registry:
        """Exactly these adapters, for programs that bring their own."""
        return cls({adapter.component_type: (lambda found=adapter: found) for adapter in adapters})  # type: ignore[misc]

    @property
    def types(self) -> tuple[str, ...]:
        """The known component types, sorted."""
        self._ask_others()
        return tuple(sorted(self._loaders))

    def get(self, component_type: str) -> AnyAdapter:
        """The adapter of a type.

        Raises:
            ConfigError: no installed package registers that type, or it cannot be imported.
        """
        if component_type not in self._loaded:
            self._loaded[component_type] = self._loader(component_type)()
        return self._loaded[component_type]

    def _loader(self, component_type: str) -> Callable[[], AnyAdapter]:
        if component_type not in self._loaders:
            self._ask_others()
        if component_type not in self._loaders:
            known = ", ".join(self.types) or "none"
            raise ConfigError(
                f"unknown component type {component_type!r}",
                f"the installed types are: {known}",
                "correct the type, or install the package that provides it",
            )
        return self._loaders[component_type]

    def _ask_others(self) -> None:
        if self._others is not None:
            self._loaders, self._others = {**self._others(), **self._loaders}, None

    def step(self, component_type: str, name: str) -> type[Step]:
        """The class of a step that a frozen plan names.

        Raises:
            PlanUnknown: the adapter no longer knows it.
        """
        try:
            loader = self._loader(component_type)
            table = loader.table() if isinstance(loader, _Place) else None
            steps = self.get(component_type).steps if table is None else table
        except ConfigError as error:
            raise PlanUnknown(f"cannot continue a run of type {component_type!r}", error.why, error.todo) from error
        found = named(steps, name)
        if found is None:
            raise PlanUnknown(
                f"cannot continue the run: its plan has a step {name!r}",
                f"the installed {component_type} adapter does not know it",
                "install the version of fsm-updater (or of the adapter's package) that made the plan, then"
                " `fsm resume`",
            )
        return found


class _Place:
    """Where an entry point says that the adapter of a type is; called, it makes it."""

    def __init__(self, component_type: str, place: str) -> None:
        self.component_type = component_type
        self.place = place
        self.module = place.partition(":")[0]

    def table(self) -> StepTable | None:
        """The table of the type's steps, where its package has one.

        Raises:
            ConfigError: the package cannot be imported.
        """
        with_table = self._loaded(lambda: import_module(self.module))
        found = getattr(with_table, TABLE, None)
        return found if isinstance(found, StepTable) else None

    def __call__(self) -> AnyAdapter:
        from fsm.adapter import Adapter  # noqa: PLC0415 - that module offers this one's names

        adapter = self._loaded(lambda: at(self.place))()
        if not isinstance(adapter, Adapter) or adapter.component_type != self.component_type:
            raise ConfigError(
                f"cannot use {self.place} as the adapter of component type {self.component_type!r}",
                "it is not an fsm.adapter.Adapter of that type",
                "correct the entry point in the package that provides it",
            )
        return adapter

    def _loaded(self, load: Callable[[], Any]) -> Any:
        try:
            return load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"cannot load the adapter of component type {self.component_type!r} from {self.place}",
                f"{error}{_shadow(self.module)}",
                "reinstall the package that provides it",
            ) from error


def _own_places() -> Iterator[tuple[str, str]]:
    """The updater's own types, and where they are, as its distribution declares it."""
    for folder in sys.path:
        with suppress(OSError):  # most have nothing of that name, and some are closed to this user
            path = Path(folder, f"fsm_updater-{__version__}.dist-info", "entry_points.txt")
            return _declared(path.read_text(encoding="utf-8"))
    return iter(())


def _declared(text: str) -> Iterator[tuple[str, str]]:
    """The entry points of our group in a distribution's `entry_points.txt`.

    https://packaging.python.org/en/latest/specifications/entry-points/#file-format; `importlib.metadata` reads it just
    so, but takes 25 ms to be loaded.
    """
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[]")
        elif group == ENTRY_POINTS and "=" in line and not line.startswith("#"):
            name, _, place = line.partition("=")
            yield name.strip(), place.strip()


def _everybodys() -> Loaders:
    from importlib.metadata import entry_points  # noqa: PLC0415 - for those who need the adapters of others

    return {each.name: _Place(each.name, f"{each.module}:{each.attr}") for each in entry_points(group=ENTRY_POINTS)}


def _shadow(module: str) -> str:
    """Where another package of the same name hides ours: the usual cause with a name like `components`."""
    import importlib.util  # noqa: PLC0415 - only for the error message

    top = module.partition(".")[0]
    spec = importlib.util.find_spec(top)
    where = spec.origin or ", ".join(spec.submodule_search_locations or ()) if spec else None
    return f"; Python finds the package {top!r} in {where}: another package of that name may hide it" if where else ""
