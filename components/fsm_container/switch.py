"""Changing the files: proved beside the real ones by compose itself, then renamed into place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from fsm.adapter import Done, Failed, Step, StepContext, StepResult
from fsm.errors import Transient
from fsm.lifecycle import State
from fsm.system import faults
from fsm_container import restore
from fsm_container.layout import Layout, Record
from fsm_container.leftovers import heal
from fsm_container.pull import target_image
from fsm_container.replace import beside, put, put_back, write_beside
from fsm_container.splice import FileEdit, digest
from fsm_container.stack import Stack


class Examine(Step):
    """Ask compose what it would make of the changed files, and compare: nothing but the named services may differ."""

    name: ClassVar[str] = "examine"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "check the changed compose file"
    undo_title: ClassVar[str] = "remove the changed copy"

    stack: Stack
    edits: tuple[FileEdit, ...]
    reference: str
    rest: str = ""
    """What compose made of everything else when the plan was made, see `fingerprint`."""

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`. The copies lie beside the originals, because paths in them are relative, and go at the end."""
        try:
            for edit in self.edits:
                if not write_beside(edit, ctx):
                    return _changed_meanwhile(edit.path)
            faults.point("container.examine.written")
            instead = {edit.path: beside(edit.path, ctx) for edit in self.edits}
            after = self.stack.config(instead)
            # Compose is asked about the files as they are where something differs from then.
            same = self.rest == fingerprint(after, self.stack.services)
            return self._image(after) if same else self._compare(self.stack.config(), after)
        finally:
            self._clear(ctx)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        self._clear(ctx)
        return Done()

    def _clear(self, ctx: StepContext) -> None:
        for edit in self.edits:
            beside(edit.path, ctx).unlink(missing_ok=True)

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
        return self._image(after)

    def _image(self, after: Mapping[str, Any]) -> StepResult:
        images = {name: after["services"].get(name, {}).get("image") for name in self.stack.services}
        wrong = [name for name, image in images.items() if image != self.reference]
        if wrong:
            return Failed(
                why=f"compose would take {images[wrong[0]]} for {wrong[0]}, not {self.reference}",
                todo="is a variable set in the updater's environment?",
                blame="host",
            )
        return Done()


def fingerprint(config: Mapping[str, Any], services: Sequence[str]) -> str:
    """SHA-256 of what compose makes of everything but some services and what begins with ``x-``, in hexadecimal."""
    rest = {key: value for key, value in config.items() if not key.startswith("x-")}
    rest["services"] = {name: about for name, about in config["services"].items() if name not in services}
    return digest(json.dumps(rest, sort_keys=True).encode())


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

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return self.stack.docker.durable()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. The files are what they were by now."""
        record = self.layout.record(ctx.run_id)
        if record is None:
            return Failed(why="the record of what ran before is gone", todo="start the services", blame="host")
        return restore.containers(self.stack, record, self.layout.run(ctx.run_id), ctx)


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
        why = self._name(ctx, target_image(ctx))
        if why:
            if self.stack.docker.image(target_image(ctx)) is None:
                return Failed(why="the new image was removed in the meantime", todo="update again", blame="host")
            raise Transient(f"cannot name the new image {self.named}", why, "see whether the Docker engine runs")
        for edit in self.edits:
            if not put(edit, self.layout.root.parent, ctx):
                return _changed_meanwhile(edit.path)
        return Done()

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return self.stack.docker.durable()

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. A file that somebody else changed meanwhile is set aside, and named."""
        record, place = self.layout.record(ctx.run_id), self.layout.run(ctx.run_id)
        if record is None:
            return Failed(why="the copies of the compose files are gone", todo="restore them by hand", blame="host")
        saved = {each.path: each for each in record.files}
        known = self.name in ctx.results
        notes = [note for edit in self.edits for note in put_back(edit, saved[edit.path], place, ctx, known=known)]
        self._untag(ctx, record)
        return Done(notes=tuple(notes))

    def _name(self, ctx: StepContext, image: str) -> str:
        """The image has this name from now on, whatever the name stood for before; why that failed, or nothing."""
        if not self.named:
            return ""
        why = self.stack.docker.tag(ctx, image, self.named)
        faults.point("container.edit.tagged")
        return why

    def _untag(self, ctx: StepContext, record: Record) -> None:
        """The name stands again for what it did before; one that is new goes with its image, by `Pull.undo`."""
        was = record.wanted_was
        if was is not None and self.stack.docker.image(was) is not None:
            self._name(ctx, was)


def _changed_meanwhile(path: Path) -> Failed:
    return Failed(why=f"{path} was changed since the plan was made", todo="update again", blame="host")
