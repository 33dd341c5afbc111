"""A YAML document: plain data, and where each value stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fsm.errors import ManifestError

Path = tuple[str | int, ...]
Place = tuple[int, int]
"""Line and column, both from 1."""


@dataclass(frozen=True)
class Document:
    """One mapping, read from YAML.

    Attributes:
        where: the file's name, for messages.
        data: plain values: dict, list, str, int, float, bool, None.
    """

    where: str
    data: dict[str, Any]
    _values: dict[Path, Place] = field(default_factory=dict, repr=False)
    _keys: dict[Path, Place] = field(default_factory=dict, repr=False)
    _texts: dict[Path, str] = field(default_factory=dict, repr=False)

    def value(self, path: Path) -> Any:
        """The value at a path; None if there is none."""
        found: Any = self.data
        for part in path:
            if isinstance(found, list) and isinstance(part, int):
                found = found[part] if part < len(found) else None
            else:
                found = found.get(part) if isinstance(found, dict) else None
        return found

    def position(self, path: Path, *, of_key: bool = False) -> Place:
        """Where a value (or its key) stands; for a path that is not there, where the nearest value around it stands."""
        if of_key and path in self._keys:
            return self._keys[path]
        while path not in self._values:
            path = path[:-1]
        return self._values[path]

    def written(self, path: Path) -> str | None:
        """An unquoted number, boolean or null as the file has it (``1.10``, not 1.1); None for anything else."""
        return self._texts.get(path)


def refusal(where: str, place: Place, why: str, todo: str) -> ManifestError:
    """The error about what stands at `place`."""
    return ManifestError(f"{where}:{place[0]}:{place[1]}", why, todo)
