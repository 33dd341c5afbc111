"""Settings of repositories, which git brings to their name before they are on the disk.

``core.fsync`` (https://git-scm.com/docs/git-config) has no word for them: where the power goes right after git has
written one, a file system may keep the new name with nothing behind it, and whatever a person had set is gone. So a
step that has git write settings begins by looking for such files, and has copies of what they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fsm.system import faults, files
from fsm_git.repository import Places, modules


def save(found: Places, into: Path) -> None:
    """Copy those of a repository, and of all its submodules, with their owners. Not synced."""
    for name, path in _all(found):
        (into / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.copy_entry(path, into / name)


def mend(found: Places, saved: Path) -> None:
    """Put those back that are empty now and were not when they were copied."""
    for name, path in _all(found):
        kept = saved / name
        if is_empty(path) and kept.is_file() and not is_empty(kept):
            files.sweep_temporaries(path.parent)
            files.copy_entry(kept, path, durable=True)
            faults.point("git.settings.mended")


def is_empty(path: Path) -> bool:
    """Whether a file is there, and nothing in it."""
    return path.is_file() and path.stat().st_size == 0


def _all(found: Places) -> Iterator[tuple[str, Path]]:
    """Each with a name for its copy."""
    yield from _of("own", found.common)
    if found.own != found.common:
        yield from _of("worktree", found.own)
    for directory in modules(found):
        yield from _of(str(directory.relative_to(found.own)), directory)


def _of(name: str, directory: Path) -> Iterator[tuple[str, Path]]:
    for each in ("config", "config.worktree"):
        path = directory / each
        if path.is_file() and not path.is_symlink():
            yield f"{name}/{each}", path
