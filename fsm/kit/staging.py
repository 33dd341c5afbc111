"""Handing files over to a component's user: in the updater's own state directory, where the user can change nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Done, Step, StepContext, StepResult, Target, User
from fsm.lifecycle import State
from fsm.model import Model
from fsm.system import faults, files, private


class Staging(Model):
    """Where files are handed over to a component's user; frozen in plans.

    Attributes:
        state_dir: the host's state directory.
        component: its name.
        user: who may read them.
    """

    state_dir: Path
    component: str
    user: User

    @classmethod
    def of(cls, target: Target) -> Staging | None:
        """That of a component; None if it is touched as the updater's own user, who needs nothing handed over."""
        if target.user is None:
            return None
        return cls(state_dir=target.state_dir, component=target.name, user=target.user)

    @property
    def root(self) -> Path:
        """The component's own directory."""
        return self.state_dir / "staging" / self.component

    @property
    def run(self) -> str:
        """The directory of a run; ``{run}`` stands for its number."""
        return str(self.root / "run-{run}")

    def make(self, directory: Path) -> None:
        """Make a run's directory, into which nobody else can look as long as nothing is handed over.

        Raises:
            OSError: it cannot be made.
        """
        for place in (self.root.parent, self.root, directory):
            private.directory(place)

    def give(self, path: Path) -> None:
        """Let the user, and nobody else, read a file that lies in a run's directory.

        Raises:
            OSError: it is not there.
        """
        path.chmod(0o400)
        os.chown(path, self.user.uid, self.user.gid, follow_symlinks=False)
        for directory in (path.parent, self.root, self.root.parent):
            private.passage(directory)
        # There may be files of others beside ours, who reach them already.
        self.state_dir.chmod(stat.S_IMODE(self.state_dir.stat().st_mode) | stat.S_IXGRP | stat.S_IXOTH)


class Unstage(Step):
    """Remove what was handed over."""

    name: ClassVar[str] = "unstage"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "remove what was handed over to the component's user"
    touches_live: ClassVar[bool] = True
    by_updater: ClassVar[bool] = True

    staging: Staging

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        files.remove_tree(self.staging.root, ctx.check)
        faults.point("unstage.removed")
        return Done()

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return (self.staging.root.parent,)
