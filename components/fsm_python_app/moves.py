"""The swap: the trees are exchanged by one rename, or by two where a file system cannot exchange.

Every step here finds out from the trees themselves how far it came: a directory keeps its inode through a rename, so
"is the live directory the one that was staged?" has an answer after any crash. The inodes are journaled by `Prepare`
before anything moves.

Where the directory above the app is root's, only root may move there what belongs to the app's user. It then does no
more than that: it opens by descriptors what is below, moves a name, and looks at what has arrived. What that directory
contains is the user's own business.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, NamedTuple

from fsm.adapter import Done, Failed, StepContext, StepResult, User
from fsm.errors import StepFailed
from fsm.kit import HostStep
from fsm.lifecycle import State
from fsm.system import faults, trusted
from fsm.system.files.moving import Spot, exchange_spots, move_spot, open_below, sync_spots
from fsm_python_app.layout import Layout


class _Places(NamedTuple):
    """Where the trees are: the live one, the new one (after the exchange the old one), and the old one moved aside."""

    live: Spot
    tree: Spot
    old: Spot


class _Move(HostStep):
    """A step that renames trees.

    Attributes:
        mover: whose trees the updater moves, in a directory of root's; None if it is done as the owner of all.
    """

    phase: ClassVar[State] = State.UPDATING
    touches_live: ClassVar[bool] = True

    layout: Layout
    mover: User | None = None

    @property
    def by_updater(self) -> bool:  # type: ignore[override]  # it depends on who may write above the app
        """See `Step`."""
        return self.mover is not None

    @contextmanager
    def _places(self, ctx: StepContext) -> Iterator[_Places]:
        """The places of a run, by descriptors.

        Raises:
            StepFailed: somebody else than root may move what is above the app.
        """
        live, run = self.layout.live, self.layout.run(ctx.run_id)
        if self.mover is not None and (found := trusted.doubt(live.parent)):
            raise StepFailed(f"cannot move {live}", found.why, found.todo)
        with open_below(live.parent) as above, open_below(live.parent, self.layout.root.name, run.name) as below:
            yield _Places(Spot(above, live.name), Spot(below, "tree"), Spot(below, "old"))

    def _is_theirs(self, spot: Spot) -> bool:
        """Whether a directory of the app's user is there: what else may lie in that user's directory is not moved."""
        return spot.is_directory(None if self.mover is None else self.mover.uid)

    def _refused(self, spot: Spot) -> StepFailed:
        owner = "" if self.mover is None else f" of user {self.mover.name}"
        return StepFailed(
            f"cannot move {self.layout.live}",
            f"{spot.name} in {self.layout.root} is not a directory{owner}",
            "somebody replaced it during the update; find out who",
        )

    def _move(self, source: Spot, dest: Spot, inode: object) -> StepResult:
        """Have the directory with that inode at `dest`, coming from `source`."""
        if _inode(dest) != inode:
            if _inode(source) != inode:
                # Nothing was moved yet (or nothing was ever there): an undo has nothing to do.
                return Done() if inode is None else self._lost(source, dest)
            if not self._is_theirs(source):
                raise self._refused(source)
            move_spot(source, dest)
            if not self._is_theirs(dest):
                move_spot(dest, source)
                raise self._refused(source)
            faults.point("move.done")
        return _synced(source, dest)

    def _lost(self, source: Spot, dest: Spot) -> Failed:
        return Failed(
            why=f"a tree of {self.layout.live} is neither at {source.name} nor at {dest.name}: somebody else moved it"
            " during the update",
            todo=f"look for it in {self.layout.root}, and put it at {self.layout.live}",
            blame="host",
        )


class Exchange(_Move):
    """The swap: one atomic exchange of the live tree and the new one."""

    name: ClassVar[str] = "exchange"
    title: ClassVar[str] = "exchange the live tree and the new one"
    undo_title: ClassVar[str] = "exchange them back"

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`."""
        return self._set(ctx, "new")

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        return self._set(ctx, "old")

    def _set(self, ctx: StepContext, wanted: str) -> StepResult:
        inodes = ctx.results["prepare"]
        with self._places(ctx) as places:
            found = _inode(places.live)
            if found is None or found not in (inodes["new"], inodes["old"]):
                live = self.layout.live
                return Failed(
                    why=f"{live} is neither the old tree nor the new one: somebody else replaced it during the update",
                    todo=f"compare it with {self.layout.paths(ctx.run_id).tree}, and put the right one in its place",
                    blame="host",
                )
            if found != inodes[wanted]:
                self._exchange(places)
                faults.point("exchange.done")
            return _synced(places.live, places.tree)

    def _exchange(self, places: _Places) -> None:
        if not self._is_theirs(places.tree):
            raise self._refused(places.tree)
        exchange_spots(places.live, places.tree)
        if not self._is_theirs(places.live):
            exchange_spots(places.live, places.tree)
            raise self._refused(places.tree)


class MoveOut(_Move):
    """First half of the swap on a file system without an exchange."""

    name: ClassVar[str] = "move_out"
    title: ClassVar[str] = "move the live tree aside"
    undo_title: ClassVar[str] = "move the old tree back"

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`."""
        with self._places(ctx) as places:
            return self._move(places.live, places.old, ctx.results["prepare"]["old"])

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        with self._places(ctx) as places:
            return self._move(places.old, places.live, ctx.results["prepare"]["old"])


class MoveIn(_Move):
    """Second half of the swap on a file system without an exchange; all of it where nothing was installed."""

    name: ClassVar[str] = "move_in"
    title: ClassVar[str] = "move the new tree into its place"
    undo_title: ClassVar[str] = "move the new tree out again"

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`."""
        with self._places(ctx) as places:
            return self._move(places.tree, places.live, ctx.results["prepare"]["new"])

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        with self._places(ctx) as places:
            return self._move(places.live, places.tree, ctx.results["prepare"]["new"])


def _inode(spot: Spot) -> int | None:
    status = spot.status()
    return None if status is None else status.st_ino


def _synced(*spots: Spot) -> Done:
    sync_spots(*spots)
    faults.point("swap.synced")
    return Done()
