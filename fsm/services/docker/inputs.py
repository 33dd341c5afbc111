"""The files that decide what the Docker engine does for a compose project: whoever may change one acts as root by it.

The engine mounts and starts whatever compose tells it, and compose tells it what these files say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from fsm.errors import ManifestError
from fsm.formats.yamldoc import Node, lookup, read_tree
from fsm.system import trusted

_DEEPEST: Final = 16
"""How many files may include one another."""

_LARGEST: Final = 1 << 20


def inputs(directory: Path, files: Sequence[Path], env_files: Sequence[Path]) -> tuple[Path, ...]:
    """Compose files with what they take in, their variables, and what images are built from.

    Args:
        directory: what relative paths are relative to.
        files: compose files.
        env_files: where variables come from.

    A file is read only if nobody else could change it: what it says does not matter otherwise. Names with variables in
    them are left out.
    """
    return tuple(dict.fromkeys((directory, *files, *env_files, *_taken_in(directory, files))))


def _taken_in(directory: Path, files: Sequence[Path]) -> Iterator[Path]:
    """What files take in. Paths in one that is included are relative to its own directory: both are looked at."""
    level, seen = [(directory, file) for file in files], set()
    for _ in range(_DEEPEST):
        following: list[tuple[Path, Path]] = []
        for place, file in dict.fromkeys(level):
            if (place, file) in seen:  # several may include the same one
                continue
            seen.add((place, file))
            root = _tree(file)
            yield from (place / name for name in _of_services(root))
            for kind in ("secrets", "configs"):
                yield from (place / name for each in _values(root, kind) for name in _texts(lookup(each, "file")))
            for other in (place / name for name in _included(root)):
                yield other
                following.append((place, other))
                if other.parent != place:
                    yield other.parent / ".env"
                    following.append((other.parent, other))
        level = following


def _of_services(root: Node | None) -> Iterator[str]:
    for service in _values(root, "services"):
        yield from _texts(lookup(service, "env_file"), "path")
        yield from _local(_texts(lookup(service, "build"), "context"))
        build = lookup(service, "build")
        for context in _texts(build, "context"):
            yield from _local(f"{context}/{name}" for name in _texts(lookup(build, "dockerfile")))


def _included(root: Node | None) -> Iterator[str]:
    for service in _values(root, "services"):
        yield from _texts(lookup(lookup(service, "extends"), "file"))
    yield from _local(_texts(lookup(root, "include"), "path"))


def _local(names: Iterator[str]) -> Iterator[str]:
    """Those that are no URL."""
    return (name for name in names if "://" not in name and not name.startswith("git@"))


def _tree(file: Path) -> Node | None:
    try:
        if not file.is_file() or trusted.doubt(file) or file.stat().st_size > _LARGEST:
            return None
        return read_tree(file.read_bytes(), where=str(file)).root
    except (OSError, ManifestError):  # compose says what is wrong with it
        return None


def _values(node: Node | None, key: str) -> list[Node]:
    found = lookup(node, key)
    return [value.real for _, value in found.pairs] if found is not None and found.kind == "mapping" else []


def _texts(node: Node | None, key: str = "") -> Iterator[str]:
    """A text, those in a list, or those under a key of a mapping, or of each mapping of a list."""
    if node is None:
        return
    if node.kind == "sequence":
        for each in node.items:
            yield from _texts(each.real, key)
    elif node.kind == "mapping" and key:
        yield from _texts(lookup(node, key))
    elif node.kind == "scalar" and node.value and "$" not in node.value:
        yield node.value
