"""Directories for a component's user in a place where only the updater can make any, such as ``/opt``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final

from fsm.adapter import Done, Failed, Step, StepContext, StepResult, User
from fsm.lifecycle import State
from fsm.system import faults, trusted
from fsm.system.files.nofollow import closing, open_child_dir, open_dir

_MODE: Final = 0o711
_TREE: Final = 0o755


class MakePlaces(Step):
    """Make the work directory of a component, and its tree where that is missing, for the component's user.

    Where somebody else decides what lies in the directory above, that is the user, whose own steps make them.

    Attributes:
        user: whose they become.
        root: the work directory.
        tree: the component's own; None where it is there, or is put there in another way.
    """

    name: ClassVar[str] = "make_places"
    phase: ClassVar[State] = State.BACKING_UP
    title: ClassVar[str] = "make the work directory for the component's user"
    undo_title: ClassVar[str] = "remove it, if it is empty"
    by_updater: ClassVar[bool] = True

    user: User
    root: Path
    tree: Path | None = None

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        for place, mode in self._places():
            if not trusted.doubt(place.parent):
                failed = self._make(place, mode)
                if failed is not None:
                    return failed
        return Done()

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return () if trusted.doubt(self.root.parent) else (self.root.parent,)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. What has something in it stays: it is kept for the user, or the user's own."""
        for place, _ in self._places():
            if not trusted.doubt(place.parent):
                with open_dir(place.parent) as parent, suppress(OSError):
                    os.rmdir(place.name, dir_fd=parent)
                faults.point("places.removed")
        return Done()

    def _places(self) -> list[tuple[Path, int]]:
        return [(self.root, _MODE), *([] if self.tree is None else [(self.tree, _TREE)])]

    def _make(self, place: Path, mode: int) -> Failed | None:
        """Make a directory and give it away by its descriptor; one that is the user's already stays as it is."""
        with open_dir(place.parent) as parent:
            with suppress(FileExistsError):
                os.mkdir(place.name, 0o700, dir_fd=parent)
                faults.point("places.made")
            with closing(open_child_dir(place.name, parent)) as made:
                status = os.fstat(made)
                if status.st_uid == self.user.uid:
                    return None
                if status.st_uid != os.geteuid() or os.listdir(made):
                    return Failed(
                        why=f"{place} belongs to {trusted.user(status.st_uid)}, and not to {self.user.name}",
                        todo=f"`chown -Rh {self.user.name} {place}`, or move it away",
                        blame="host",
                    )
                os.fchmod(made, mode)
                os.fchown(made, self.user.uid, self.user.gid)
        return None
