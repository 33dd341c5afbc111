"""What `fsm doctor` says of every component alike: the version, the disk, patterns, files that were set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from fsm.adapter import Finding, Installed
from fsm.system import files


class Findings:
    """Makes the findings about one component.

    Args:
        subject: the component's name.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject

    def ok(self, message: str) -> Finding:
        """Nothing to do."""
        return Finding(level="ok", subject=self.subject, message=message)

    def warning(self, message: str, todo: str = "") -> Finding:
        """To be looked at some time."""
        return Finding(level="warning", subject=self.subject, message=message, todo=todo)

    def error(self, message: str, todo: str = "") -> Finding:
        """To be done before the next update."""
        return Finding(level="error", subject=self.subject, message=message, todo=todo)

    def version(self, installed: Installed, where: str = "") -> Finding:
        """Which version is installed; that it is unknown is a warning where something is there.

        Args:
            where: put behind it, e.g. ``, in compose project web``.
        """
        if installed.version is not None:
            return self.ok(f"version {installed.version} is installed{where}")
        say: Callable[[str], Finding] = self.warning if installed.present else self.ok
        return say(f"version unknown: {installed.why_unknown}")

    def free_space(self, place: Path, reserve_mb: int, todo: str = "free some disk space") -> Finding:
        """Whether more is free than must stay free."""
        free = files.disk_free(place) >> 20
        message = f"{free} MiB free at {place}"
        return self.ok(message) if free > reserve_mb else self.error(message, todo)

    def unmatched(self, preserve: Iterable[str], root: Path, **options: Any) -> Iterator[Finding]:
        """The patterns of `preserve` that match nothing in a directory.

        Args:
            options: those of `files.Patterns`.
        """
        for pattern in preserve if root.is_dir() else ():
            if next(iter(files.Patterns((pattern,), **options).find(root)), None) is None:
                yield self.warning(
                    f"preserve pattern {pattern!r} matches nothing",
                    "correct it, unless the file is created later",
                )

    def set_aside(self, place: Path) -> Iterator[Finding]:
        """Files of versions that were rolled back, which nobody has looked at yet."""
        if place.is_dir() and any(place.iterdir()):
            yield self.warning(
                f"files of rolled-back versions are kept in {place}",
                "review them, and remove them when no longer needed",
            )
