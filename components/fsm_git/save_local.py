"""With the services stopped and nothing changed yet: what the reset could lose is copied, and told apart.

`Saved`, written last, is what the reset and its undo go by: without it nothing was changed.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from fsm.adapter import Done, Failed, StepContext, StepResult
from fsm.kit import sweep
from fsm.model import Model
from fsm.system import faults, files, regular
from fsm_git import assume_unchanged, changes, settings, submodule_changes
from fsm_git.assume_unchanged import Flags
from fsm_git.blobs import GITLINK
from fsm_git.changes import Change
from fsm_git.command import LONG, MANY, Git
from fsm_git.examine import refuse_changes, refuse_unsaved
from fsm_git.layout import RunPaths
from fsm_git.site import GitStep, Site
from fsm_git.submodule_changes import Here

_LIMIT = 256 << 20
"""Bytes of `saved.json`, which names files: as many as a million names have."""

EVERYTHING = files.Patterns(("**",))
"""For copies of which everything is wanted back."""


class Directory(Model):
    """A directory that git would remove with its last file."""

    path: str
    mode: int
    uid: int
    gid: int


class Saved(Model):
    """`saved.json`: what was there before the reset.

    Attributes:
        added: files that the new commit brings and the old one does not have, with the digests of their blobs.
        submodules: those of the new commit that are not checked out.
        heads: the commits of those that are.
        local: files of this host, changed or unknown to git, of which there are copies.
        deleted: tracked files that somebody had deleted.
        touched: preserved files that git writes over because it knows them, directories of which the new commit
            makes a file, what stands here where git has a directory, and submodules that are checked out for the first
            time; all others it leaves alone.
        missing: files that `copies` would make.
        directories: those that are there now and may be empty in between.
        new_directories: those that are not there yet.
        flags: files that git does not look at, see `assume_unchanged`, with the letter of their flag.
    """

    added: dict[str, str]
    submodules: tuple[str, ...]
    heads: dict[str, str]
    local: tuple[str, ...]
    deleted: tuple[str, ...]
    touched: tuple[str, ...]
    missing: tuple[str, ...]
    directories: tuple[Directory, ...]
    new_directories: tuple[str, ...]
    flags: dict[str, str] = {}


def load(paths: RunPaths) -> Saved | None:
    """What was saved; None if the reset has not begun."""
    try:
        text = regular.read_beneath(paths.root, paths.saved_record.relative_to(paths.root), _LIMIT)
    except FileNotFoundError:
        return None
    return Saved.model_validate_json(text)


class SaveLocal(GitStep):
    """Copy the preserved files of the stopped checkout, and what was changed here."""

    name: ClassVar[str] = "save_local"
    title: ClassVar[str] = "copy the preserved files of the stopped checkout"
    undo_title: ClassVar[str] = "forget the saved changes, which are back"
    touches_live: ClassVar[bool] = True

    local_changes: Literal["refuse", "save"]
    copies: dict[str, str]

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`."""
        paths, site = self.site.paths(ctx), self.site
        if paths.saved_record.exists():
            return Done(notes=self._notes(ctx))
        live = site.layout.live
        sweep(site.layout.saved)
        for leftover in (paths.preserved, paths.local, paths.old_settings):
            files.remove_tree(leftover, ctx.check)
            leftover.mkdir(mode=0o700)
        faults.point("git.save_local.begun")
        notes = site.unlocked(ctx)
        git = site.git(ctx)
        differing = site.differing(git)
        flags: Flags = {} if site.old is None else assume_unchanged.find(git)
        every = self._changed(git, differing, flags)
        changed = [path for path in every if not site.ours(path)]
        failed = self._refused(git, differing, changed)
        if failed:
            return failed
        if live.is_dir():
            files.carry(live, paths.preserved, files.Patterns(site.preserve), check=ctx.check)
        copy(live, paths.local, self._local(live, differing, changed))
        faults.point("git.save_local.copied")
        self._save(ctx, changed, flags)
        found = site.places(ctx)
        if (found.own / "index").exists():
            files.copy_entry(found.own / "index", paths.index)  # with its owner: git runs as that user
        settings.save(found, paths.old_settings)
        files.sync_filesystem(paths.root)
        here = submodule_changes.here(git, differing) if site.submodules else Here({}, [])
        saved = self._saved(differing, every, changed, flags, here)
        files.write_atomic(paths.saved_record, saved.model_dump_json().encode(), 0o600)
        faults.point("git.save_local.recorded")
        return Done(notes=(*notes, *self._notes(ctx)))

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. The reset was undone before: what was saved is back in its place."""
        notes = ("the local changes are back in the checkout",) if self._notes(ctx) else ()
        files.remove_tree(self.site.layout.saved_files(ctx.run_id), ctx.check)
        self.site.layout.patch(ctx.run_id).unlink(missing_ok=True)
        return Done(notes=notes)

    def _changed(self, git: Git, differing: list[Change], flags: Flags) -> list[str]:
        """What is changed here; without a repository, what differs from the new commit and is not preserved."""
        site = self.site
        if site.old is None:
            return changes.in_the_way(site.layout.live, differing, site.ours)
        return submodule_changes.local_changes(git, site.old, site.ours, submodules=site.submodules, flags=flags)

    def _refused(self, git: Git, differing: list[Change], changed: list[str]) -> Failed | None:
        """Looked at once more: a build may have taken an hour since."""
        if self.site.old is not None:
            return refuse_unsaved(self.site, git, differing, changed, self.local_changes)
        return refuse_changes(changed) if changed and self.local_changes == "refuse" else None

    def _local(self, live: Path, differing: list[Change], changed: list[str]) -> list[str]:
        """What there must be copies of: what is changed, and what git would write anew though it is there."""
        known = (change.path for change in differing if change.status == "A" and not self.site.ours(change.path))
        wanted = dict.fromkeys([*changed, *known])
        return [path for path in wanted if changes.is_below(live, path) and changes.is_file(live / path)]

    def _save(self, ctx: StepContext, changed: list[str], flags: Flags) -> None:
        if not changed:
            return
        layout, git = self.site.layout, self.site.git(ctx)
        layout.saved.mkdir(mode=0o700, exist_ok=True)
        # Git makes no patch of what it does not look at.
        unseen = set(changed if self.site.old is None else assume_unchanged.changed(git, flags))
        whole = [path for path in changed if path in unseen]
        if whole:
            saved = layout.saved_files(ctx.run_id)
            files.remove_tree(saved, ctx.check)
            saved.mkdir(mode=0o700)
            copy(self.site.layout.live, saved, whole)
            files.sync_filesystem(saved)
        seen = [path for path in changed if path not in unseen]
        if seen and self.site.old is not None:
            names = [f":(literal){path}" for path in seen] if len(seen) <= MANY else ["."]
            options = ("--binary", "--no-ext-diff", "--no-textconv", "--no-color")
            patch = git.answer("save the local changes", "diff", *options, self.site.old, "--", *names, timeout=LONG)
            files.write_atomic(layout.patch(ctx.run_id), patch, 0o600)
        faults.point("git.save_local.saved")

    def _notes(self, ctx: StepContext) -> tuple[str, ...]:
        patch, saved = self.site.layout.patch(ctx.run_id), self.site.layout.saved_files(ctx.run_id)
        return (
            *([f"local changes were saved as {patch} (`git apply` brings them back)"] if patch.exists() else ()),
            *([f"files that the new commit replaced were saved in {saved}"] if saved.exists() else ()),
        )

    def _saved(self, differing: list[Change], every: list[str], changed: list[str], flags: Flags, here: Here) -> Saved:
        live = self.site.layout.live
        written = dict.fromkeys([*every, *(change.path for change in differing)])
        added = [change for change in differing if change.status == "A"]
        touched = {parent for change in differing for parent in PurePosixPath(change.path).parents[:-1]}
        there = sorted(
            path for path in {*touched, *map(PurePosixPath, here.absent)} if changes.has_directory(live, str(path))
        )
        over = changes.for_people(live, filter(self.site.ours, written))
        given_way = [path for path in written if changes.has_directory(live, path)]
        second = {*self.copies, *self.copies.values()}
        return Saved(
            added={change.path: change.digest for change in added if change.new_mode != GITLINK},
            submodules=tuple(here.absent),
            local=tuple(self._local(live, differing, changed)),
            touched=tuple(dict.fromkeys([*over, *given_way, *here.absent])),
            deleted=tuple(path for path in changed if not os.path.lexists(live / path)),
            missing=tuple(sorted(path for path in second if not os.path.lexists(live / path))),
            directories=tuple(_directory(live, parent) for parent in there),
            new_directories=tuple(str(parent) for parent in sorted(touched - set(there), reverse=True)),
            flags={path: letter for path, (letter, _) in flags.items()},
            heads=here.heads,
        )


def _directory(live: Path, path: PurePosixPath) -> Directory:
    status = (live / path).stat()
    return Directory(path=str(path), mode=stat.S_IMODE(status.st_mode), uid=status.st_uid, gid=status.st_gid)


def copy(source: Path, dest: Path, names: list[str]) -> None:
    """Copy some files of a tree, with the directories above them."""
    for name in names:
        for parent in reversed(PurePosixPath(name).parents[:-1]):
            if not (dest / parent).is_dir():
                files.copy_entry(source / parent, dest / parent)
        files.copy_entry(source / name, dest / name)


def restore(copies: Path, live: Path, ctx: StepContext, only: Iterable[str] | None = None) -> tuple[str, ...]:
    """Put copies back, all or only some; returns notes about what gave way."""
    try:
        wanted = EVERYTHING if only is None else files.Patterns(glob.escape(path) for path in only)
    except ValueError:  # a name that no pattern can say; what is put back besides is as it is there
        wanted = EVERYTHING
    return files.carry(copies, live, wanted, check=ctx.check).notes if copies.is_dir() and wanted.texts else ()


def make_copies(site: Site, copies: dict[str, str]) -> tuple[str, ...]:
    """Make the missing one of two files that are to be equal; returns notes."""
    live, notes = site.layout.live, []
    for second, first in copies.items():
        for there, missing in ((first, second), (second, first)):
            if os.path.lexists(live / missing) or not (live / there).is_file():
                continue
            for parent in reversed(PurePosixPath(missing).parents[:-1]):
                (live / parent).mkdir(exist_ok=True)
            files.sweep_temporaries((live / missing).parent)
            files.copy_entry(live / there, live / missing, durable=True)
            faults.point("git.copy.made")
            notes.append(f"{missing} was missing, and was made from {there}")
    return tuple(notes)
