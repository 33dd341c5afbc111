"""Finds the built files that a description names."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fsm.formats.artifacts import ARTIFACT_NAME
from fsm.model import matches
from fsm.release.description import ComponentRule, Source
from fsm.release.globbing import matching
from fsm.release.problems import ReleaseError, Spot


class Found(NamedTuple):
    """A built file that belongs to a component."""

    component: str
    path: Path
    platform: str | None
    spot: Spot

    @property
    def name(self) -> str:
        """What it is called in the release."""
        return self.path.name


def collect(source: Source, components: Iterable[tuple[int, ComponentRule]]) -> list[Found]:
    """Every file of the components, sorted by component and name.

    What a release adds by itself (manifests, sums, signatures) matches no pattern, so that an earlier build's output
    beside the artifacts changes nothing.

    Args:
        source: the description.
        components: with their numbers in it.

    Raises:
        ReleaseError: a pattern matches nothing, a file is no plain file or has an unusable name, or two files of
            different places have one name.
    """
    found: list[Found] = []
    for number, component in components:
        mine: dict[str, Found] = {}
        for index, rule in enumerate(component.artifacts):
            spot = source.spot("components", number, "artifacts", index, "path")
            matched = list(matching(source.root, rule.path))
            if not matched:
                raise ReleaseError(spot, f"{rule.path!r} matches no file", "build first, or correct the pattern")
            for path in matched:
                _usable(path, spot)
                if path.name not in mine:
                    mine[path.name] = Found(component.name, path, rule.platform, spot)
                elif (mine[path.name].path, mine[path.name].platform) != (path, rule.platform):
                    raise _twice(path, mine[path.name])
        found += (mine[name] for name in sorted(mine))
    _one_place_each(found)
    return found


def _usable(path: Path, spot: Spot) -> None:
    status = path.lstat()
    if not matches(ARTIFACT_NAME, path.name):
        todo = "rename it: no slash, no control character, neither a dot nor a minus sign at the beginning"
        raise ReleaseError(spot, f"{path.name!r} is not a plain file name", todo)
    if not stat.S_ISREG(status.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "not a plain file"
        raise ReleaseError(spot, f"{path} is {what}", "publish the file itself")
    if not status.st_size:
        raise ReleaseError(spot, f"{path} is empty", "build it again")


def _one_place_each(found: Iterable[Found]) -> None:
    """Two components may share a file; two files of one name, in any case of letters, cannot be in one release."""
    places: dict[str, Found] = {}
    for each in found:
        other = places.setdefault(each.name.casefold(), each)
        if other.path != each.path:
            raise _twice(each.path, other)


def _twice(path: Path, other: Found) -> ReleaseError:
    why = f"{path} and {other.path} would be one artifact of the release"
    return ReleaseError(other.spot, why, "give each file its own name, and list it once")
