"""Names of a module that are imported when somebody first asks for them (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def names(module: str, where: Mapping[str, str]) -> Callable[[str], Any]:
    """What a module takes as its ``__getattr__``.

    Args:
        module: its name.
        where: for each name the module that defines it, or ``module:name`` where it has another name there.
    """

    def found(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        place = where[name]
        return at(place if ":" in place else f"{place}:{name}")

    return found


def at(place: str) -> Any:
    """What is at ``module:name``, as an entry point has it.

    Raises:
        ImportError, AttributeError: there is no such module, or nothing of that name in it.
    """
    from importlib import import_module  # noqa: PLC0415 - the whole point is to import late

    module, _, name = place.partition(":")
    found = import_module(module)
    for each in name.split("."):
        found = getattr(found, each)
    return found
