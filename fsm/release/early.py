"""Begins to hash what a description seems to name, before anybody has looked whether the description is right.

Loading pydantic and validating take a third of a second of one core, in which large files can be read already. Nothing
is believed here: what is not asked for later is dropped, and every error is found again by those who validate.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fsm.errors import FsmError
from fsm.formats.foreign import toml_of
from fsm.release.globbing import matching
from fsm.release.hashing import Hasher


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is collected in this block: looking at all that pydantic makes would hold up those who hash."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def begin(description: Path | None, hasher: Hasher) -> None:
    """Have the files hashed that a description names, as far as that can be told.

    Args:
        description: as `fsm.release.description.read` takes it.
        hasher: computes the digests.
    """
    path = description or Path()
    # The description is read again, and judged, in a moment.
    with suppress(OSError, ValueError, AttributeError, FsmError):
        for candidate in (path / "update.yaml", path / "pyproject.toml") if path.is_dir() else (path,):
            if candidate.is_file():
                hasher.start(_files(candidate.parent, _plain(candidate)))
                return


def _plain(path: Path) -> Any:
    data = path.read_bytes()
    if path.suffix == ".toml":
        return toml_of(data.decode("utf-8")).get("tool", {}).get("fsm")
    from fsm.formats.yamldoc import load  # noqa: PLC0415 - only for those whose description is YAML

    return load(data, where=str(path)).data


def _files(root: Path, data: Any) -> Sequence[Path]:
    # What needs the version cannot be told yet, and an absolute path is refused later: neither is touched.
    patterns = [each for each in _patterns(data) if "{version}" not in each and ".." not in each and each[:1] != "/"]
    return [path for pattern in patterns for path in matching(root, pattern)]


def _patterns(data: Any) -> Iterator[str]:
    for component in _entries(data, "components"):
        for rule in _entries(component, "artifacts"):
            if isinstance(rule, dict) and isinstance(rule.get("path"), str):
                yield rule["path"]


def _entries(data: Any, key: str) -> list[Any]:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, list) else []
