"""Building a virtual environment: by uv or pip, from wheels, in bounds, with nothing of the updater's environment.

What an installer does is decided by the host's configuration alone. It is told where packages come from by variables,
because others can read a command line. A release's `uv.toml` or `pyproject.toml` is not read, and Python starts
isolated: `python -m pip` would import a `pip.py` of the release.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from fsm.adapter import CommandResult, StepContext
from fsm.errors import StepFailed, Transient
from fsm.system import faults, files
from fsm.system.archive import read_wheel
from fsm.system.shell import said_last
from fsm_python_app import bounded
from fsm_python_app.requirements import refuse_foreign
from fsm_python_app.spec import ALL, Environment

_KEPT: Final = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "FSM_RUN", "FSM_CALL")
_UNREACHABLE: Final = ("error sending request", "dns error", "Temporary failure", "NewConnectionEr")
_WHAT: Final = "cannot build the environment"
_TOO_LARGE: Final = "the release is broken, or raise max_unpacked_mb"


@dataclass(frozen=True)
class Builder:
    """Builds one environment.

    Attributes:
        ctx: of the step.
        environment: as configured.
        tree: the unpacked release.
        python: the interpreter to build with.
        scratch: a directory for what the installer needs on its way.
        max_bytes: that the release may have, with what is installed for it.
        from_wheel: whether the release is itself a wheel: then its `wheels` are not all that it needs.
    """

    ctx: StepContext
    environment: Environment
    tree: Path
    python: str
    scratch: Path
    max_bytes: int
    from_wheel: bool

    def build(self, env: Path) -> None:
        """Make the environment at its final place.

        Raises:
            StepFailed: it cannot be built, or becomes too large.
            Transient: the index cannot be reached.
        """
        room = self.room()
        self.scratch.mkdir(exist_ok=True)
        self._run(self._venv(env), {})
        base = files.tree_size(env)[0]
        # On the way there is what was downloaded, what of it was unpacked, and what was installed.
        limits = {str(env): base + room, str(self.scratch): 2 * room}
        for argv in self._install(env):
            self._run(argv, limits)
        files.remove_tree(self.scratch, self.ctx.check)

    def room(self) -> int:
        """Bytes that may be installed beside the release's own; its wheels are counted before anything is.

        Raises:
            StepFailed: its wheels need more, or ask for a URL that the host does not allow.
        """
        room = self.max_bytes - files.tree_size(self.tree)[0]
        sizes: dict[str, int] = {}
        for path in self._wheels():
            found = read_wheel(path)
            # Of one package there may be wheels for several platforms, and one of them is installed.
            sizes[found.package] = max(found.size, sizes.get(found.package, 0))
            for requirement in found.requires:
                refuse_foreign(path.name, requirement, self.environment)
        needed = sum(sizes.values())
        if needed > room:
            why = f"the release's wheels unpack to {needed >> 20} MiB, and {max(room, 0) >> 20} MiB are left for them"
            raise StepFailed(_WHAT, why, _TOO_LARGE)
        return room

    def _wheels(self) -> list[Path]:
        place = self.tree / self.environment.wheels
        return sorted(place.glob("*.whl")) if place.is_dir() else []

    def _run(self, argv: list[str], limits: Mapping[str, int]) -> CommandResult:
        added = self._variables()
        bounds = json.dumps({"limits": limits, "keep": [*_KEPT, *added]})
        inside = [sys.executable, "-I", "-S", bounded.__file__, bounds, *argv]
        done = self.ctx.run(inside, cwd=self.tree, env=added)
        if done.code == bounded.TOO_LARGE:
            why = f"what {Path(argv[0]).name} installs is larger than max_unpacked_mb allows"
            raise StepFailed(_WHAT, f"{why} ({self.max_bytes >> 20} MiB)", _TOO_LARGE)
        if done.code != 0:
            _explain(argv, done.tail)
        faults.point("environment.command_ended")
        return done

    def _variables(self) -> dict[str, str]:
        """What the installer gets beside the few variables that everybody has."""
        chosen, more = self.environment.index_url, " ".join(self.environment.extra_index_urls)
        return {
            "TMPDIR": str(self.scratch),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_CONFIG": "1",
            **({"PIP_INDEX_URL": chosen, "UV_DEFAULT_INDEX": chosen} if chosen else {}),
            **({"PIP_EXTRA_INDEX_URL": more, "UV_EXTRA_INDEX_URL": more} if more else {}),
            **self.environment.env,
        }

    def _venv(self, env: Path) -> list[str]:
        uv = self._uv()
        if uv is None:
            return [self.python, "-I", "-m", "venv", str(env)]
        return [uv, "venv", "--no-cache", "--quiet", "--no-project", "--python", self.python, str(env)]

    def _install(self, env: Path) -> Iterator[list[str]]:
        wheels = self.tree / self.environment.wheels
        offline = ["--no-index", "--find-links", str(wheels)] if wheels.is_dir() and not self.from_wheel else []
        wanted = [*offline, *self._sources(), "-r", str(self.tree / self.environment.requirements)]
        inside, uv = str(env / "bin" / "python"), self._uv()
        if uv is None:
            pip = [inside, "-I", "-m", "pip"]
            yield [*pip, "install", "--no-cache-dir", "--no-input", "--quiet", *wanted]
            yield [*pip, "check"]
        else:
            common = ["--no-cache", "--quiet", "--python", inside]
            yield [uv, "pip", "install", *common, "--compile-bytecode", "--link-mode", "copy", *wanted]
            yield [uv, "pip", "check", *common]

    def _sources(self) -> list[str]:
        """Which packages may run programs of theirs while they are built."""
        named = self.environment.build_from_source
        if ALL in named:
            return []
        return ["--only-binary", ":all:", *(part for name in named for part in ("--no-binary", name))]

    def _uv(self) -> str | None:
        uv = None if self.environment.builder == "pip" else uv_program()
        if uv is None and self.environment.builder == "uv":
            raise StepFailed(_WHAT, "uv is not installed", 'install it, or set builder = "pip"')
        return uv


def _explain(argv: list[str], tail: str) -> None:
    """An index that cannot be reached is no fault of the release; it is tried again until the deadline."""
    if any(word in tail for word in _UNREACHABLE):
        raise Transient("cannot reach the package index", said_last(tail, 200), "check the network")
    todo = "the release is broken, or needs a package that has no wheel for this host (environment.build_from_source)"
    raise StepFailed(f"{_WHAT}: {Path(argv[0]).name} failed", said_last(tail, 600), todo)


def own_python() -> str:
    """The interpreter below the updater's own environment, which may be replaced while the app's lives on."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def uv_program() -> str | None:
    """Where uv is, None if it is not installed."""
    try:
        return _found_uv()
    except (ImportError, FileNotFoundError):
        return None


@cache
def _found_uv() -> str:
    """Asked of Python's own paths, which takes a while, once; but again where there was none."""
    from uv import find_uv_bin  # noqa: PLC0415 - only where an environment is built

    return str(find_uv_bin())
