"""Changing the files: proved beside the real ones by compose itself, then renamed into place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from components.container import back
from components.container.layout import Layout, Record
from components.container.leftovers import heal
from components.container.pull import target_image
from components.container.splice import FileEdit, digest
from components.container.stack import Stack
from fsm import faults, files
from fsm.adapter import Done, Failed, Step, StepContext, StepResult
from fsm.lifecycle import State


class Stage(Step):
    """Ask compose what it would make of the changed files, and compare: nothing but the named services may differ."""

    name: ClassVar[str] = "stage"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "check the changed compose file"
    undo_title: ClassVar[str] = "remove the changed copy"

    stack: Stack
    edits: tuple[FileEdit, ...]
    reference: str

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`. The copies lie beside the originals, because paths in them are relative, and go at the end."""
        try:
            for edit in self.edits:
                data = _read(edit.path)
                if _digest(data) != edit.before:
                    return _changed_meanwhile(edit.path)
                _write_beside(edit, data)
            faults.point("container.stage.written")
            instead = {edit.path: _beside(edit.path) for edit in self.edits}
            return self._compare(self.stack.config(), self.stack.config(instead))
        finally:
            self._clear()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        self._clear()
        return Done()

    def _clear(self) -> None:
        for edit in self.edits:
            _beside(edit.path).unlink(missing_ok=True)

    def _compare(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> StepResult:
        old, new = before["services"], after["services"]
        other = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)} - set(self.stack.services)
        keys = {key for key in before.keys() | after.keys() if not key.startswith("x-")} - {"services"}
        rest = {key for key in keys if before.get(key) != after.get(key)}
        if other or rest:
            return Failed(
                why=f"the change would reach further than {', '.join(self.stack.services)}:"
                f" {', '.join(sorted(other | rest))}",
                todo="give the service an image, or a variable, of its own",
                blame="host",
            )
        wrong = [name for name in self.stack.services if new[name].get("image") != self.reference]
        if wrong:
            return Failed(
                why=f"compose would take {new[wrong[0]].get('image')} for {wrong[0]}, not {self.reference}",
                todo="is a variable set in the updater's environment?",
                blame="host",
            )
        return Done()


class Clear(Step):
    """Clear away what a killed compose left; undone by bringing back the containers that ran before."""

    name: ClassVar[str] = "clear"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "clear away what an interrupted compose left"
    undo_title: ClassVar[str] = "start the old image again"
    touches_live: ClassVar[bool] = True
    downtime: ClassVar[Literal["begins", "ends"] | None] = "begins"

    stack: Stack
    layout: Layout

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        return Done(notes=heal(self.stack, ctx))

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. The files are what they were by now."""
        record = self.layout.record(ctx.run_id)
        if record is None:
            return Failed(why="the record of what ran before is gone", todo="start the services", blame="host")
        return back.bring_back(self.stack, record, self.layout.run(ctx.run_id), ctx)


class Edit(Step):
    """Put the changed files into place, each by one rename; before, the new image gets its name."""

    name: ClassVar[str] = "edit"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "write the new image into the compose file"
    undo_title: ClassVar[str] = "restore the compose file"
    touches_live: ClassVar[bool] = True

    stack: Stack
    layout: Layout
    edits: tuple[FileEdit, ...]
    named: str

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        self._name(ctx, target_image(ctx))
        for edit in self.edits:
            data = _read(edit.path)
            if _digest(data) == edit.after:
                continue
            if _digest(data) != edit.before:
                return _changed_meanwhile(edit.path)
            _write_beside(edit, data)
            faults.point("container.edit.written")
            _beside(edit.path).replace(edit.path)
            faults.point("container.edit.renamed")
            files.sync_dir(edit.path.parent)
        return Done()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. A file that somebody else changed meanwhile is set aside, and named."""
        record, place = self.layout.record(ctx.run_id), self.layout.run(ctx.run_id)
        if record is None:
            return Failed(why="the copies of the compose files are gone", todo="restore them by hand", blame="host")
        notes: list[str] = []
        for edit in self.edits:
            _beside(edit.path).unlink(missing_ok=True)
            notes += self._restore(edit, record, place, ctx.run_id)
        self._untag(ctx, record)
        return Done(notes=tuple(notes))

    def _restore(self, edit: FileEdit, record: Record, place: Path, run: int) -> list[str]:
        now = _digest(_read(edit.path))
        if now == edit.before:
            return []
        notes: list[str] = []
        if now not in (edit.after, None):
            aside = edit.path.with_name(f"{edit.path.name}.run-{run}")
            if not aside.exists():
                files.copy_entry(edit.path, aside, durable=True)
            notes.append(f"{edit.path} was changed during the update; what it said then is kept as {aside}")
        saved = next(each for each in record.files if each.path == edit.path)
        if saved.sha256 is None:
            edit.path.unlink(missing_ok=True)
        else:
            files.copy_entry(place / saved.copy_name, edit.path, durable=True)
        faults.point("container.edit.restored")
        files.sync_dir(edit.path.parent)
        return notes

    def _name(self, ctx: StepContext, image: str) -> None:
        """The image has this name from now on, whatever the name stood for before."""
        here = self.stack.docker.image(self.named) if self.named else None
        if self.named and (here is None or here.id != image):
            ctx.run(["docker", "image", "tag", image, self.named], env=self.stack.docker.environ)
            faults.point("container.edit.tagged")

    def _untag(self, ctx: StepContext, record: Record) -> None:
        """The name stands again for what it did before; one that is new goes with its image, by `Pull.undo`."""
        was = record.wanted_was
        if was is not None and self.stack.docker.image(was) is not None:
            self._name(ctx, was)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _digest(data: bytes | None) -> str | None:
    return None if data is None else digest(data)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.fsm-new")


def _write_beside(edit: FileEdit, data: bytes | None) -> None:
    """The changed file under a name of its own, with the owner and mode of the real one, durable."""
    new = _beside(edit.path)
    if data is None:
        new.unlink(missing_ok=True)
        new.touch(mode=0o644)
    else:
        files.copy_entry(edit.path, new)
    with new.open("r+b") as file:
        file.truncate()
        file.write(edit.apply(data or b""))
        file.flush()
        os.fsync(file.fileno())


def _changed_meanwhile(path: Path) -> Failed:
    return Failed(why=f"{path} was changed since the plan was made", todo="update again", blame="host")
