"""The new tree: unpacked beside the live one, stamped, compared with what is there now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from fsm.adapter import Done, Failed, Step, StepContext, StepResult
from fsm.formats import version_file
from fsm.kit import sweep
from fsm.lifecycle import State
from fsm.model import Version
from fsm.system import archive, faults, files, inventory
from fsm.system.characters import printable
from fsm_python_app import aside, installed
from fsm_python_app.layout import Layout, RunPaths, patterns
from fsm_python_app.listing import LISTED, first, shown


class Unpack(Step):
    """Unpack the artifact into the staging tree, and say which local files no release accounts for.

    Attributes:
        directory: where `Download` has put it; ``{run}`` becomes the run's number.
    """

    name: ClassVar[str] = "unpack"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "unpack the release beside the live tree"
    undo_title: ClassVar[str] = "set aside what the new version wrote and remove its tree"

    layout: Layout
    directory: str
    filename: str
    version: Version
    version_file: str | None
    preserve: tuple[str, ...]
    environment_link: str
    requirements: str = "requirements.txt"  # plans of former versions do not say
    unlisted: Literal["keep", "refuse"]
    max_bytes: int
    reserve: int

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        paths = self.layout.paths(ctx.run_id)
        if not paths.new_inventory.exists():
            failed = self._unpack(ctx, paths)
            if failed:
                return failed
        some, number = first(self._unlisted(paths), LISTED)
        if number and self.unlisted == "refuse":
            return Failed(
                why=f"{count(number)} in {self.layout.live} covered by neither the release nor `preserve`:"
                f" {shown(some, number)}",
                todo='name them in preserve, remove them, or set unlisted = "keep"',
                blame="host",
            )
        return Done(data={"unlisted": [printable(path) for path in some], "unlisted_count": number})

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`: what an undo removes must not be back after a power cut."""
        return (self.layout.root,)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        paths = self.layout.paths(ctx.run_id)
        notes = aside.set_aside(
            paths.tree,
            self.layout.live,
            self.layout,
            ctx.run_id,
            self._is_ours,
            ctx.check,
            finished="unpack" in ctx.results,
        )
        files.remove_tree(paths.tree, ctx.check)
        paths.new_inventory.unlink(missing_ok=True)
        return Done(notes=notes)

    def _is_ours(self, path: PurePosixPath) -> bool:
        return path.parts[0] == self.environment_link or aside.is_cache(path)

    def _unpack(self, ctx: StepContext, paths: RunPaths) -> Failed | None:
        sweep(paths.root)
        files.remove_tree(paths.tree, ctx.check)
        faults.point("unpack.cleared")
        named = Path(self.directory.replace("{run}", str(ctx.run_id))) / self.filename
        is_wheel = named.suffix.lower() == ".whl"
        limits, free = archive.Limits(max_bytes=self.max_bytes), files.disk_free(paths.root)
        room = max(0, free - self.reserve)
        if is_wheel:
            total = archive.inspect(named, limits, check=ctx.check).total_bytes
        else:
            # It is read once: what is broken or too large is found on the way, and the undo removes what came before.
            total = archive.unpack(
                named, paths.tree, limits=limits, check=ctx.check, progress=_unit(ctx), room=room
            ).total_bytes
        if total > room:
            return Failed(
                why=f"the release needs {total >> 20} MiB and {self.reserve >> 20} MiB are to stay free,"
                f" but only {free >> 20} MiB are left at {paths.root}",
                todo="free some disk space, then update again",
                blame="host",
            )
        if is_wheel:
            self._stage_wheel(named, paths.tree)
        paths.tree.chmod(0o755)  # whatever the mask of whoever calls us: the app may run as another user
        faults.point("unpack.unpacked")
        failed = self._stamp(paths)
        if failed:
            return failed
        files.sync_filesystem(paths.root)
        inventory.write(inventory.scan(paths.tree, check=ctx.check, hash=False), paths.new_inventory)
        faults.point("unpack.recorded")
        return None

    def _stage_wheel(self, wheel: Path, tree: Path) -> None:
        """A wheel is no app directory: it becomes the one requirement of an otherwise empty one."""
        (tree / "wheels").mkdir(parents=True)
        from shutil import copyfile  # noqa: PLC0415 - compression that a resume need not wait for

        copyfile(wheel, tree / "wheels" / wheel.name)
        (tree / "requirements.txt").write_text(f"./wheels/{wheel.name}\n", encoding="utf-8")

    def _stamp(self, paths: RunPaths) -> Failed | None:
        """Write the version file last, where the release does not bring its own; check it where it does."""
        if self.version_file is None:
            return None
        stamp = paths.tree / self.version_file
        if not stamp.exists():
            stamp.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            files.write_atomic(stamp, f"{self.version}\n".encode())
            return None
        text, why = version_file.read(stamp)
        if Version.parse(text) != self.version:
            return Failed(
                why=f"the release {self.version} has a {self.version_file} that says {text or why!r}",
                todo="the release is broken; nothing was changed",
            )
        return None

    def _unlisted(self, paths: RunPaths) -> Iterator[str]:
        """What is local, in no release, and not in the new tree as what it is: it stays in the backup."""
        if not paths.live_inventory.exists():
            return
        brought, preserve = installed.brought(self.layout.installed), patterns(self.preserve)
        if self._replaces_environment(paths) and not preserve.match(PurePosixPath(self.environment_link), is_dir=True):
            yield self.environment_link
        for live, new in inventory.paired(inventory.read(paths.live_inventory), inventory.read(paths.new_inventory)):
            if live is None or live.kind == "dir" or installed.explains(brought, live):
                continue
            if new is not None and installed.kind_of(new) == installed.kind_of(live):
                continue
            path = PurePosixPath(live.path)
            if not self._is_ours(path) and not preserve.match(path, is_dir=live.kind == "symlink"):
                yield live.path

    def _replaces_environment(self, paths: RunPaths) -> bool:
        """Whether somebody's own environment makes room for one that is built; without requirements it goes along."""
        return (paths.tree / self.requirements).is_file() and installed.is_by_hand(self.layout, self.environment_link)


def count(number: int) -> str:
    """``1 local file``, ``3 local files``."""
    return f"{number} local file{'s' if number != 1 else ''}"


def _unit(ctx: StepContext) -> Callable[[int, int | None], None]:
    return lambda done, total: ctx.progress(done, total, "bytes")
