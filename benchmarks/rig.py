"""What the benchmarks share: a place to work in, children without the caller's peculiarities, a bare step context."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import interleaved
from fsm.adapter import Backup, CommandResult, Installed, Spec, Target

ROOT: Final = Path(__file__).resolve().parent.parent

_PECULIAR: Final = ("PYTHON", "PIP_", "UV_", "COV", "FSM_")
"""Prefixes of variables that would make a child another program than users run (no byte code, another index, ...)."""


@dataclass(frozen=True)
class Bench:
    """How to measure.

    Attributes:
        place: a directory on the file system that is measured.
        quick: whether only to see that it works, with tiny numbers.
    """

    place: Path
    quick: bool = False

    def turns(self, cases: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
        """Let the cases take turns, see `interleaved`; a quick bench calls each just once."""
        return interleaved(cases, 1 if self.quick else rounds, warm=not self.quick)

    def scaled(self, full: int, quick: int) -> int:
        """A number for a real measurement, or for a quick one."""
        return quick if self.quick else full

    @contextmanager
    def room(self, name: str) -> Iterator[Path]:
        """A new directory for one benchmark; it goes when the benchmark ends."""
        room = self.place / f"{name}.{os.getpid()}"
        room.mkdir(parents=True)
        try:
            yield room
        finally:
            shutil.rmtree(room, ignore_errors=True)


def environment(**extra: str) -> dict[str, str]:
    """The environment of a child: ours, without what would make it differ from what users run."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_PECULIAR)}
    return {**kept, **extra}


def child(argv: Sequence[str | Path], cwd: Path = ROOT, **extra: str) -> str:
    """Run a child to its end and return what it printed.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    done = subprocess.run(
        [str(part) for part in argv],
        cwd=cwd,
        env=environment(**extra),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))} exited with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


@dataclass(frozen=True)
class Talk:
    """A child that is spoken with line by line.

    Attributes:
        child: with pipes for both.
    """

    child: subprocess.Popen[str]

    def hear(self) -> str:
        """Its next line, without the line feed."""
        assert self.child.stdout is not None
        return self.child.stdout.readline().rstrip("\n")

    def ask(self, line: str = "") -> str:
        """Say a line, and hear its answer."""
        assert self.child.stdin is not None
        self.child.stdin.write(f"{line}\n")
        self.child.stdin.flush()
        return self.hear()


@contextmanager
def talking(argv: Sequence[str]) -> Iterator[Talk]:
    """A child to speak with; it ends when its standard input does, at the end."""
    with subprocess.Popen(
        argv, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        try:
            yield Talk(running)
        finally:
            running.stdin.close()


def module(name: str, *arguments: str | Path) -> list[str]:
    """The command line of a program of this package."""
    return [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]


def fsm() -> list[str]:
    """The command `fsm` as it is installed beside this interpreter."""
    script = Path(sys.executable).with_name("fsm")
    return [str(script)] if script.exists() else [sys.executable, "-m", "fsm"]


class _Forever:
    def remaining(self) -> float:
        """See `fsm.adapter.Deadline`."""
        return 3600.0


@dataclass
class BareContext:
    """A step's context without an executor: for measuring one step, or one service manager, alone."""

    run_id: int = 1
    component: str = "web"
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    touched: bool = False
    provisional: bool = False
    deadline: _Forever = field(default_factory=_Forever)

    def check(self) -> None:
        """See `fsm.adapter.StepContext.check`."""

    def sleep(self, seconds: float) -> None:
        """See `fsm.adapter.StepContext.sleep`."""
        raise NotImplementedError("nothing that is measured alone sleeps")

    def progress(self, done: int, total: int | None, unit: str = "bytes") -> None:
        """See `fsm.adapter.StepContext.progress`."""

    def installed(self, target: Target, spec: Spec) -> Installed:
        """See `fsm.adapter.StepContext.installed`."""
        raise NotImplementedError("nothing that is measured alone asks what is installed")

    def backups(self, target: Target, spec: Spec) -> Sequence[Backup]:
        """See `fsm.adapter.StepContext.backups`."""
        raise NotImplementedError("nothing that is measured alone asks what is kept")

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        as_user: bool = False,
    ) -> CommandResult:
        """See `fsm.adapter.StepContext.run`."""
        raise NotImplementedError("nothing that is measured alone starts children this way")
