"""The steps by which preserved files stay in a rollback, or come back from an earlier time.

What gives way is moved to a place of its own, a rename for each thing that a pattern names; only when all of it is
there does anything else take its name. So at every moment each of both is somewhere whole, and `data_record` says what
it is. The undo removes what has come (of which there is another one), then moves back what had to give way.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from fsm.adapter import Done, Failed, StepContext, StepResult
from fsm.errors import count
from fsm.kit import make_directory, read_record, remove_empty, sweep, sweep_foreign, write_record
from fsm.system import faults, files
from fsm_python_app import aside, data
from fsm_python_app.data import DataRecord
from fsm_python_app.layout import patterns
from fsm_python_app.swap import CarryOver, Swap

COMPANIONS = ("-wal", "-shm", "-journal")
"""What SQLite has beside a database: it would take that of another one for its own."""


class SetAsideData(Swap):
    """Move preserved files out of a tree, to where `fsm data` finds them.

    Attributes:
        preserve: the patterns that name them.
        where: the tree; the kept version's, before it is live, or the live one.
        version: whose they are.
        instead: a directory whose files are to take the place of those of the same names, and of no others.
    """

    name: ClassVar[str] = "set_aside_data"
    title: ClassVar[str] = "set aside the preserved files that give way"
    undo_title: ClassVar[str] = "move them back"

    preserve: tuple[str, ...]
    where: Literal["kept", "live"]
    version: str | None
    instead: Path | None = None

    @property
    def touches_live(self) -> bool:  # type: ignore[override]  # it depends on whose tree it is
        """See `Step`."""
        return self.where == "live"

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return [place for place in (self.layout.root, self._tree(ctx)) if place.is_dir()]

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        place = self.layout.data / str(ctx.run_id)
        if read_record(place, DataRecord) is None:
            for directory in (self.layout.root, self.layout.data, place, place / "files"):
                make_directory(directory, 0o711 if directory == self.layout.root else 0o700)
            sweep(place)
            found = self._paths(self._tree(ctx))
            failed = self._move(self._tree(ctx), place / "files", found, ctx.check)
            if failed:
                return failed
            if not any((place / "files").iterdir()):
                remove_empty(place / "files", place, self.layout.data)
                return Done()
            files.sync_filesystem(place)
            partial = self.instead is not None
            record = DataRecord(run=ctx.run_id, version=self.version, preserve=self.preserve, partial=partial)
            write_record(place, record, mode=0o600)
            faults.point("data.recorded")
        number = len(data.singles(place / "files", self.preserve))
        if not number:
            return Done()
        how = f"`fsm data {ctx.component} bring-back {ctx.run_id}` brings them back"
        whose = f" of {self.version}" if self.version else ""
        return Done(notes=(f"{count(number, 'preserved file')}{whose} kept in {place / 'files'}; {how}",))

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        place, tree = self.layout.data / str(ctx.run_id), self._tree(ctx)
        back = place / "files"
        if back.is_dir():
            found = data.tops(back, self.preserve) if self.instead is None else self._singles(back)
            failed = self._move(back, tree, found, ctx.check)
            if failed:
                return failed
        files.remove_tree(place, ctx.check)
        remove_empty(self.layout.data)
        return Done()

    def _tree(self, ctx: StepContext) -> Path:
        return self.layout.live if self.where == "live" else self.layout.paths(ctx.run_id).tree

    def _paths(self, tree: Path) -> list[PurePosixPath]:
        """What is to be moved: all that patterns name, or what others are to come instead of."""
        if self.instead is None:
            return data.tops(tree, self.preserve)
        names = data.singles(self.instead, self.preserve)
        beside = [path.with_name(path.name + end) for path in names for end in COMPANIONS]
        return [path for path in dict.fromkeys((*names, *beside)) if os.path.lexists(tree / path)]

    def _singles(self, place: Path) -> list[PurePosixPath]:
        """All that was moved there: also what stood beside a database, which no pattern need name."""
        return [path for path in files.Patterns(("**",)).find(place) if not (place / path).is_dir()]

    @staticmethod
    def _move(source: Path, dest: Path, paths: list[PurePosixPath], check: Callable[[], None]) -> Failed | None:
        """Move them; nothing that is there already is written over."""
        with files.Mover(source, dest, check) as mover:
            for path in paths:
                if os.path.lexists(dest / path):
                    why = f"{dest / path} is there already, and {source / path} is to be moved there"
                    return Failed(why=why, todo="move one of them away", blame="host")
                mover.move(path)
                faults.point("data.moved")
        return None


class CarryBack(CarryOver):
    """Copy the preserved files of the stopped live tree into the kept version's, whose own were set aside before."""

    name: ClassVar[str] = "carry_back"
    title: ClassVar[str] = "carry the present preserved files over"
    undo_title: ClassVar[str] = "take them out again"

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. What the kept version has written into them is set aside."""
        tree = self.layout.paths(ctx.run_id).tree
        return Done(notes=_take_out(tree, self.layout.live, self, ctx, _named(tree, self.preserve)))


class BringBack(Swap):
    """Copy preserved files of an earlier time into the live tree, whose own were set aside before.

    Attributes:
        source: where they lie; it stays as it is.
        preserve: the patterns that name them.
        partial: whether they are single files beside others, which stay.
    """

    name: ClassVar[str] = "bring_back"
    title: ClassVar[str] = "copy the earlier preserved files into the live tree"
    undo_title: ClassVar[str] = "take them out again"
    touches_live: ClassVar[bool] = True

    source: Path
    preserve: tuple[str, ...]
    partial: bool

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        live = self.layout.live
        if not self.source.is_dir():
            return Failed(why=f"{self.source} is gone", todo=f"see `fsm data {ctx.component} list`", blame="host")
        if not self.partial:
            report = files.carry(self.source, live, patterns(self.preserve), check=ctx.check)
            faults.point("bring_back.copied")
            return Done(notes=report.notes)
        notes: tuple[str, ...] = ()
        for path in data.singles(self.source, self.preserve):
            sweep_foreign((live / path).parent)  # what a killed call left half written
            notes += files.copy_within(self.source, live, path, check=ctx.check)
            faults.point("bring_back.copied_one")
        files.sync_filesystem(live)
        return Done(notes=notes)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. What the app has written into them is set aside."""
        live = self.layout.live
        if not self.partial:
            return Done(notes=_take_out(live, self.source, self, ctx, _named(live, self.preserve)))
        names = frozenset(data.singles(self.source, self.preserve))
        for parent in {(live / path).parent for path in names}:
            sweep_foreign(parent)
        return Done(notes=_take_out(live, self.source, self, ctx, names.__contains__, sorted(names)))


def _named(tree: Path, preserve: tuple[str, ...]) -> Callable[[PurePosixPath], bool]:
    """Whether patterns name a file of a tree."""
    named = patterns(preserve)
    return lambda path: named.match(path, is_dir=(tree / path).is_symlink())


def _take_out(
    tree: Path,
    source: Path,
    step: CarryBack | BringBack,
    ctx: StepContext,
    is_mine: Callable[[PurePosixPath], bool],
    paths: Sequence[PurePosixPath] | None = None,
) -> tuple[str, ...]:
    """Remove what was copied into a tree; what is no longer as it is in the source is set aside instead.

    Args:
        is_mine: whether a file was copied.
        paths: what was; by default all that patterns name.
    """

    def is_other(path: PurePosixPath) -> bool:
        return aside.is_cache(path) or not is_mine(path)

    finished = step.name in ctx.results
    notes = aside.set_aside(tree, source, step.layout, ctx.run_id, is_other, ctx.check, finished=finished)
    for path in data.tops(tree, step.preserve) if paths is None else paths:
        files.remove_tree(tree / path, ctx.check)
        faults.point("data.taken_out")
    if tree.is_dir():
        files.sync_filesystem(tree)  # what a power cut brings back would stand in the way of what had given way
    return notes
