"""Between stop and start: the checkout goes to the new commit, and everything that is not git's goes back into it.

The undo goes by what was saved, whatever the state in which the reset was killed: it takes away what the new commit
brought, has git write the old one, and puts the host's own files back.
"""

from __future__ import annotations

import filecmp
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Done, Failed, StepContext, StepResult
from fsm.errors import CommandFailed
from fsm.system import faults, files
from fsm_git import assume_unchanged, changes, save_local, settings, submodule_changes, submodules
from fsm_git.command import Git
from fsm_git.save_local import Saved
from fsm_git.site import GitStep


class Reset(GitStep):
    """Reset the checkout to the new commit."""

    name: ClassVar[str] = "reset"
    title: ClassVar[str] = "reset the checkout to the new commit"
    undo_title: ClassVar[str] = "reset the checkout to the old commit"
    touches_live: ClassVar[bool] = True

    copies: dict[str, str]

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`."""
        site, live = self.site, self.site.layout.live
        self._move_in(ctx)
        notes = site.unlocked(ctx)
        settings.mend(site.places(ctx), site.paths(ctx).old_settings)
        git = site.git(ctx)
        saved = save_local.load(site.paths(ctx))
        self._put_index_back(ctx)  # a power cut may keep what git has written, and lose that it has removed a file
        flags = saved.flags if saved else {}
        assume_unchanged.clear(git, flags)
        faults.point("git.reset.unflagged")
        self._reset(git, site.new)
        faults.point("git.reset.done")
        if site.submodules and (live / ".gitmodules").exists():
            submodules.check_out(git, site.paths(ctx).settings)
        notes += save_local.restore(site.paths(ctx).preserved, live, ctx, saved.touched if saved else None)
        assume_unchanged.restore(git, flags)
        faults.point("git.reset.restored")
        notes += save_local.make_copies(site, self.copies)
        return Done(notes=notes)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        saved = save_local.load(self.site.paths(ctx))
        if saved is None:
            return self._nothing_saved(ctx)
        site, live = self.site, self.site.layout.live
        notes: tuple[str, ...] = ()
        if live.is_dir() and (site.had_repository or (live / ".git").exists()):
            site.unlocked(ctx)
            settings.mend(site.places(ctx), site.paths(ctx).old_settings)
            if settings.is_empty(site.places(ctx).own / "index"):
                self._put_index_back(ctx)
            git = site.git(ctx)
            notes = self._set_aside(ctx, git, saved)
            self._take_away(ctx, saved)
            if site.old is not None:
                assume_unchanged.clear(git, saved.flags)
                self._go_back(ctx, git, site.old)
                faults.point("git.reset.undone")
            submodule_changes.go_back(git, saved.heads, site.paths(ctx).settings)
        self._put_back(ctx, saved)
        self._move_out(ctx, saved)
        return Done(notes=notes)

    def _nothing_saved(self, ctx: StepContext) -> StepResult:
        """Nothing was reset yet; or all was done, what was saved is gone, and only the end was not written down."""
        if "retire" not in ctx.results:
            return Done()
        return Failed(
            why="the update had finished except for its last record, and what was saved for going back is gone",
            todo="the new version is fully installed; go back by hand, or with `fsm rollback` after the next update",
            blame="host",
        )

    def _reset(self, git: Git, commit: str) -> None:
        git.must(f"reset the checkout to {commit[:12]}", "reset", "--hard", "--quiet", commit, "--")

    def _go_back(self, ctx: StepContext, git: Git, old: str) -> None:
        try:
            self._reset(git, old)
        except CommandFailed:
            # Somebody may work there before it is tried again: then there is something to set aside once more.
            self.site.paths(ctx).looked.unlink(missing_ok=True)
            raise

    def _move_in(self, ctx: StepContext) -> None:
        """A repository that is new takes its place by one rename."""
        site, live = self.site, self.site.layout.live
        if site.had_repository or (live / ".git").exists():
            return
        live.mkdir(mode=0o755, exist_ok=True)
        made = site.paths(ctx).repository
        status = made.stat()
        if os.geteuid() == 0 and not site.present:
            os.chown(live, status.st_uid, status.st_gid)
        made.rename(live / ".git")
        files.sync_dir(live)
        faults.point("git.reset.moved_in")

    def _move_out(self, ctx: StepContext, saved: Saved) -> None:
        site, live = self.site, self.site.layout.live
        if site.had_repository:
            return
        if (live / ".git").exists():
            (live / ".git").rename(site.paths(ctx).repository)
            faults.point("git.reset.moved_out")
        if not site.present:
            with suppress(OSError):  # not there any more, or somebody put something into it
                live.rmdir()

    def _set_aside(self, ctx: StepContext, git: Git, saved: Saved) -> tuple[str, ...]:
        """What the new version changed in files of git: moved to where people find it, never dropped."""
        site, live = self.site, self.site.layout.live
        dest = site.layout.aside / str(ctx.run_id)
        found: list[str] = []
        if not site.paths(ctx).looked.exists():
            if "reset" not in ctx.results:
                found = self._strange(ctx, git, saved)
            elif git.commit("HEAD") == site.new:
                found = [path for path in self._not_of_the_new(git, saved) if not site.ours(path)]
        changed = [path for path in found if changes.is_file(live / path)]
        if changed:
            dest.parent.mkdir(mode=0o700, exist_ok=True)
            dest.mkdir(mode=0o700, exist_ok=True)
            save_local.copy(live, dest, changed)
            files.sync_filesystem(dest)
            faults.point("git.reset.set_aside")
        # Once only: what a power cut leaves of the reset that comes next is nothing that anybody has changed.
        files.write_atomic(site.paths(ctx).looked, b"", 0o600)
        moved = sorted(str(path.relative_to(dest)) for path in dest.rglob("*") if changes.is_file(path))
        return (f"what the new version changed is kept in {dest}: {changes.named(moved)}",) if moved else ()

    def _not_of_the_new(self, git: Git, saved: Saved) -> list[str]:
        """What the new commit does not have, or not so, and the way back would write over or take away."""
        site = self.site
        found = changes.local_changes(git, site.new, submodules=False)
        back = changes.between(git, site.new, site.old) if site.old is not None else []
        if site.submodules:
            found += submodule_changes.changed(git, saved.submodules)
            back += submodule_changes.going_back(git, saved.heads)
        return list(dict.fromkeys([*found, *changes.in_the_way(site.layout.live, back, site.ours)]))

    def _strange(self, ctx: StepContext, git: Git, saved: Saved) -> list[str]:
        """What lies where submodules would be checked out for the first time, and none of them brings."""
        live, site = self.site.layout.live, self.site
        there = [path for path in saved.submodules if changes.has_directory(live, path)]
        brought = set(submodules.names(git, site.new, site.places(ctx).own)) if there else set()
        kept = site.paths(ctx).preserved
        known = brought.union(saved.local)
        found = dict.fromkeys(name for path in there for name in _files_below(live, path))
        return [name for name in found if name not in known and not os.path.lexists(kept / name)]

    def _take_away(self, ctx: StepContext, saved: Saved) -> None:
        """Remove what only the new commit has: git does so itself, but not in the middle of a reset."""
        live = self.site.layout.live
        for path in saved.added:
            if not self.site.ours(path) and path not in saved.local and changes.is_below(live, path):
                with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                    (live / path).unlink()
        there = {directory.path for directory in saved.directories}
        for path in saved.submodules:
            if not changes.is_below(live, path):
                continue
            # A first checkout that lost its pointer, or had it taken for another try, is a repository's no more.
            lost = "reset" not in ctx.results and path not in there and changes.has_directory(live, path)
            if lost or (live / path / ".git").exists():
                submodule_changes.remove(live / path, ctx.check)
            with suppress(OSError):
                (live / path).rmdir()
        for path in saved.missing:
            if path in {*self.copies, *self.copies.values()}:
                (live / path).unlink(missing_ok=True)
        faults.point("git.reset.taken_away")

    def _put_back(self, ctx: StepContext, saved: Saved) -> None:
        """The host's own files, as they were when the services had stopped."""
        live, paths = self.site.layout.live, self.site.paths(ctx)
        if not live.is_dir():
            return
        for path in saved.new_directories:
            with suppress(OSError):  # not there, or something of the user's is in it
                (live / path).rmdir()
        for directory in saved.directories:
            _make(live, directory)
        for path in saved.deleted:
            if changes.is_below(live, path):
                (live / path).unlink(missing_ok=True)
        save_local.restore(paths.local, live, ctx)
        save_local.restore(paths.preserved, live, ctx)
        self._put_index_back(ctx)
        faults.point("git.reset.put_back")

    def _put_index_back(self, ctx: StepContext) -> None:
        """Have the index that was there before, and know every file of the old commit."""
        kept = self.site.paths(ctx).index
        if self.site.had_repository and kept.exists():
            index = self.site.places(ctx).own / "index"
            if index.exists() and filecmp.cmp(kept, index, shallow=False):
                return
            files.sweep_temporaries(index.parent)
            files.copy_entry(kept, index, durable=True)


def _files_below(live: Path, path: str) -> Iterator[str]:
    """Every file and link below a directory, but what leads to a repository, or is one."""
    for root, directories, names in os.walk(live / path):
        links = [name for name in directories if Path(root, name).is_symlink()]
        directories[:] = [name for name in directories if name != ".git"]
        yield from (str(Path(root, name).relative_to(live)) for name in (*names, *links) if name != ".git")


def _make(live: Path, directory: save_local.Directory) -> None:
    """Have a directory as it was: it may be git's, made anew, or one that a killed undo had only begun to make."""
    path = live / directory.path
    if not os.path.lexists(path):
        path.mkdir(mode=0o700)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return
    user = os.geteuid()
    if user == 0 and (status.st_uid, status.st_gid) != (directory.uid, directory.gid):
        os.chown(path, directory.uid, directory.gid)
    if user in (0, status.st_uid) and stat.S_IMODE(status.st_mode) != directory.mode:
        path.chmod(directory.mode)
