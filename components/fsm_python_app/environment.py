"""The virtual environment: built before the stop, at its final path, shared by versions with equal requirements.

An environment never moves, because its scripts hold absolute paths. The app's directory holds a relative link to it, so
that the exchange of trees exchanges environments as well, and a kept old version keeps its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from fsm.adapter import Done, Step, StepContext, StepResult
from fsm.errors import StepFailed, Transient
from fsm.kit import ended, make_directory, sweep
from fsm.lifecycle import State
from fsm.system import faults, files
from fsm.system.digest import Check, hash_file
from fsm_python_app.layout import Layout
from fsm_python_app.spec import Environment

MARKER = "fsm-env.json"
"""Written last into an environment: an environment without it is half built."""

_INCLUDE = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[\s=]+(\S+)")
_LOCAL = re.compile(r"^\s*(?:\.{1,2}(?:/|\s*$|\[)|file:|[\w.-]+\s*@\s*file:)")


class BuildEnvironment(Step):
    """Build, or find again, the environment of the new tree, and link it there."""

    name: ClassVar[str] = "environment"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "build the virtual environment of the new version"
    undo_title: ClassVar[str] = "remove the new virtual environment"

    layout: Layout
    environment: Environment
    from_wheel: bool

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        tree = self.layout.paths(ctx.run_id).tree
        requirements = tree / self.environment.requirements
        link = tree / self.environment.link
        if not requirements.is_file():
            return self._without(ctx, link)
        python = self.environment.python or _own_python()
        key = self._key(ctx, tree, requirements, python)
        env = self.layout.envs / key
        reused = (env / MARKER).exists()
        sweep(env)
        if not reused:
            self._build(ctx, tree, requirements, python, env)
            files.sync_filesystem(env)
            faults.point("environment.synced")
            record = {"run": ctx.run_id, "python": python, "version": sys.version}
            files.write_atomic(env / MARKER, json.dumps(record).encode())
            faults.point("environment.marked")
        self._link(link, env)
        self._smoke(ctx, tree, env)
        return Done(data={"env": str(env), "reused": reused})

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

    def _key(self, ctx: StepContext, tree: Path, requirements: Path, python: str) -> str:
        """A name for everything that makes the environment what it is."""
        digest = hashlib.sha256(json.dumps([python, self._python_version(ctx, python)]).encode())
        for path in _with_includes(requirements, tree, seen=set()):
            text = path.read_text(encoding="utf-8-sig", errors="replace")
            digest.update(text.encode())
            digest.update(self._salt(ctx, text))
        wheels = tree / self.environment.wheels
        for wheel in sorted(wheels.glob("*.whl")) if wheels.is_dir() else []:
            digest.update(f"{wheel.name} {hash_file(wheel)[0]}\n".encode())
        return digest.hexdigest()[:24]

    def _salt(self, ctx: StepContext, text: str) -> bytes:
        """A requirement that is a path has unknown content: such an environment is never reused."""
        lines = [line for line in text.splitlines() if not line.lstrip().startswith(f"./{self.environment.wheels}/")]
        if any(re.match(r"^\s*(-e|--editable)\b", line) for line in lines):
            raise StepFailed(
                f"cannot build the environment from {self.environment.requirements}",
                "it asks for an editable install, which would point into the staging directory",
                "list what the app needs instead; the app's own directory is importable as it is",
            )
        return f"run {ctx.run_id}".encode() if any(_LOCAL.match(line) for line in lines) else b""

    def _python_version(self, ctx: StepContext, python: str) -> str:
        if python == _own_python():
            return sys.version
        done = ctx.run([python, "-c", "import sys; print(sys.version)"], timeout=30)
        if done.code != 0:
            raise StepFailed(f"cannot use {python} for the environment", done.tail.strip()[-200:], "correct `python`")
        return done.tail

    def _build(self, ctx: StepContext, tree: Path, requirements: Path, python: str, env: Path) -> None:
        files.remove_tree(env, ctx.check)
        faults.point("environment.cleared")
        make_directory(env.parent, 0o755)
        scratch = self.layout.paths(ctx.run_id).root / "tmp"
        scratch.mkdir(exist_ok=True)
        for argv in self._commands(requirements, tree, python, env):
            done = ctx.run(argv, cwd=tree, env={"TMPDIR": str(scratch), "UV_PYTHON_DOWNLOADS": "never"})
            if done.code != 0:
                self._explain(argv, done.tail)
            faults.point("environment.command_ended")
        files.remove_tree(scratch, ctx.check)
        if os.geteuid() == 0:
            _let_others_read(env)

    def _explain(self, argv: list[str], tail: str) -> None:
        """An index that cannot be reached is no fault of the release; it is tried again until the deadline."""
        lines = " ".join(tail.split())[-600:]
        if any(word in tail for word in ("error sending request", "dns error", "Temporary failure", "NewConnectionEr")):
            raise Transient("cannot reach the package index", lines[-200:], "check the network")
        raise StepFailed(f"cannot build the environment: {Path(argv[0]).name} failed", lines, "the release is broken")

    def _commands(self, requirements: Path, tree: Path, python: str, env: Path) -> Iterator[list[str]]:
        wheels = tree / self.environment.wheels
        offline = ["--no-index", "--find-links", str(wheels)] if wheels.is_dir() and not self.from_wheel else []
        wanted = [*offline, "-r", str(requirements)]
        inside = str(env / "bin" / "python")
        uv = None if self.environment.builder == "pip" else uv_program()
        if uv is None and self.environment.builder == "uv":
            todo = 'install it, or set builder = "pip"'
            raise StepFailed("cannot build the environment", "uv is not installed", todo)
        if uv is not None:
            common = ["--no-cache", "--quiet"]
            yield [uv, "venv", *common, "--no-project", "--python", python, str(env)]
            install = [uv, "pip", "install", *common, "--compile-bytecode", "--link-mode", "copy", "--python", inside]
            yield [*install, *wanted]
            yield [uv, "pip", "check", *common, "--python", inside]
        else:
            yield [python, "-m", "venv", str(env)]
            yield [inside, "-m", "pip", "install", "--no-cache-dir", "--no-input", "--quiet", *wanted]
            yield [inside, "-m", "pip", "check"]

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
        return int(json.loads((env / MARKER).read_text(encoding="utf-8"))["run"])
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


def _own_python() -> str:
    """The interpreter below the updater's own environment, which may be replaced while the app's lives on."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def uv_program() -> str | None:
    """Where uv is, None if it is not installed."""
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - only where an environment is built

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return None


def _with_includes(path: Path, tree: Path, seen: set[Path]) -> Iterator[Path]:
    """A requirements file and those that it includes, each once, none outside of the tree."""
    path = path.resolve()
    if path in seen or not path.is_relative_to(tree.resolve()) or not path.is_file():
        return
    seen.add(path)
    yield path
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        if match := _INCLUDE.match(line):
            yield from _with_includes(path.parent / match[1], tree, seen)
