"""The virtual environment: built before the stop, at its final path, shared by versions with equal requirements.

An environment never moves, because its scripts hold absolute paths. The app's directory holds a relative link to it, so
that the exchange of trees exchanges environments as well, and a kept old version keeps its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Done, Step, StepContext, StepResult
from fsm.errors import StepFailed
from fsm.formats.foreign import json_of
from fsm.kit import ended, make_directory, sweep
from fsm.lifecycle import State
from fsm.system import faults, files, regular
from fsm.system.digest import Check, hash_file
from fsm_python_app.building import Builder, own_python
from fsm_python_app.layout import Layout
from fsm_python_app.requirements import parts
from fsm_python_app.spec import Environment

MARKER = "fsm-env.json"
"""Written last into an environment: an environment without it is half built."""

_MARKER_LIMIT = 64 << 10


class BuildEnvironment(Step):
    """Build, or find again, the environment of the new tree, and link it there."""

    name: ClassVar[str] = "environment"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "build the virtual environment of the new version"
    undo_title: ClassVar[str] = "remove the new virtual environment"

    layout: Layout
    environment: Environment
    from_wheel: bool
    max_bytes: int

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        tree = self.layout.paths(ctx.run_id).tree
        link = tree / self.environment.link
        if not (tree / self.environment.requirements).is_file():
            return self._without(ctx, link)
        python = self.environment.python or own_python()
        key = self._key(ctx, tree, python)
        env = self.layout.envs / key
        reused = (env / MARKER).exists()
        sweep(env)
        if not reused:
            self._build(ctx, tree, python, env)
            files.sync_filesystem(env)
            faults.point("environment.synced")
            record = {"run": ctx.run_id, "python": python, "version": sys.version}
            files.write_atomic(env / MARKER, json.dumps(record).encode())
            faults.point("environment.marked")
        self._link(link, env)
        self._smoke(ctx, tree, env)
        return Done(data={"env": str(env), "reused": reused})

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`: the tree that somebody made by hand is copied, and programs run."""
        return (self.layout.root,)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. Only what this run built, or left half built, is removed."""
        if self.layout.envs.is_dir():
            used = linked(self.layout.live, self.environment.link)
            for env in self.layout.envs.iterdir():
                if env.name != used and built_by(env) in (None, ctx.run_id):
                    discard(env, ctx.check)
                    faults.point("environment.removed")
        return Done()

    def _without(self, ctx: StepContext, link: Path) -> StepResult:
        """The release has no requirements: an environment that somebody made by hand goes along as it is."""
        made_by_hand = self.layout.live / self.environment.link
        if link.exists() or not made_by_hand.exists():
            return Done(data={"env": None})
        if made_by_hand.is_dir() and not made_by_hand.is_symlink():
            link.mkdir(exist_ok=True)
            files.mirror(made_by_hand, link, check=ctx.check)
        else:
            files.copy_entry(made_by_hand, link)
        return Done(data={"env": None}, notes=(f"the release has no requirements file; {made_by_hand} goes along",))

    def _key(self, ctx: StepContext, tree: Path, python: str) -> str:
        """A name for everything that makes the environment what it is."""
        made_with = [python, self._python_version(ctx, python), *self.environment.build_from_source]
        digest = hashlib.sha256(json.dumps(made_with).encode())
        for text, is_open in parts(tree, self.environment):
            digest.update(text.encode())
            # What is not fixed by its text is never used again.
            digest.update(f"run {ctx.run_id}".encode() if is_open else b"")
        wheels = tree / self.environment.wheels
        for wheel in sorted(wheels.glob("*.whl")) if wheels.is_dir() else []:
            digest.update(f"{wheel.name} {hash_file(wheel)[0]}\n".encode())
        return digest.hexdigest()[:24]

    def _python_version(self, ctx: StepContext, python: str) -> str:
        if python == own_python():
            return sys.version
        done = ctx.run([python, "-I", "-c", "import sys; print(sys.version)"], timeout=30)
        if done.code != 0:
            raise StepFailed(f"cannot use {python} for the environment", done.tail.strip()[-200:], "correct `python`")
        return done.tail

    def _build(self, ctx: StepContext, tree: Path, python: str, env: Path) -> None:
        files.remove_tree(env, ctx.check)
        faults.point("environment.cleared")
        make_directory(env.parent, 0o755)
        scratch = self.layout.paths(ctx.run_id).root / "tmp"
        Builder(ctx, self.environment, tree, python, scratch, self.max_bytes, self.from_wheel).build(env)
        if os.geteuid() == 0:
            _let_others_read(env)

    def _link(self, link: Path, env: Path) -> None:
        """The link is relative to where the tree will be live, not to where it is staged."""
        target = os.path.relpath(env, self.layout.live)
        if link.is_symlink() and os.readlink(link) == target:
            return
        if link.is_symlink() or link.exists():
            raise StepFailed(
                f"cannot link the environment at {link.name}",
                "the release brings a file of that name itself",
                "set environment.link to another name",
            )
        link.symlink_to(target)
        files.sync_dir(link.parent)
        faults.point("environment.linked")

    def _smoke(self, ctx: StepContext, tree: Path, env: Path) -> None:
        if self.environment.smoke is None:
            return
        done = ctx.run([str(env / "bin" / "python"), *self.environment.smoke], cwd=tree)
        if done.code != 0:
            why = ended("it", done)
            raise StepFailed("cannot pass the smoke command", why, "the release is broken; nothing was stopped")


def _let_others_read(env: Path) -> None:
    """Whatever the mask of the program that calls us: the app may run as another user, and nothing here is secret."""
    for directory, _, names in os.walk(env):
        for path in (Path(directory), *(Path(directory, name) for name in names)):
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode):
                owners = mode & 0o500
                path.chmod(stat.S_IMODE(mode) | owners >> 3 | owners >> 6)


def built_by(env: Path) -> int | None:
    """The run that built an environment; None when it is half built."""
    try:
        return int(json_of(regular.read_beneath(env, MARKER, _MARKER_LIMIT))["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def discard(env: Path, check: Check) -> None:
    """Remove an environment; its marker first, because one that a crash left half removed must not be used again."""
    (env / MARKER).unlink(missing_ok=True)
    files.remove_tree(env, check)


def linked(tree: Path, link: str) -> str:
    """The name of the environment that a tree uses; empty when it uses none of ours."""
    path = tree / link
    return path.readlink().name if path.is_symlink() else ""


def links(tree: Path) -> Iterator[str]:
    """The names of all that links in a tree lead to: a kept version's may be from before `link` was changed."""
    with suppress(OSError), os.scandir(tree) as entries:
        yield from [os.path.basename(os.readlink(entry.path)) for entry in entries if entry.is_symlink()]
