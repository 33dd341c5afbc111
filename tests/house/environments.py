"""Fresh environments with this library in them, as a user or a program gets it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
UV: Final = Path(sysconfig.get_path("scripts")) / "uv"
_QUIETLY: Final = ("--quiet", "--no-deps", "--no-index", "--no-config", "--no-cache", "--link-mode=copy")


def run(*command: str | Path, cwd: Path = ROOT, **variables: str) -> str:
    """What a command printed that must succeed."""
    env = {**os.environ, **variables}
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=120, check=False, cwd=cwd, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_wheel(checkout: Path, place: Path) -> Path:
    """The wheel of a checkout."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place, cwd=checkout)
    (wheel,) = place.glob("*.whl")
    return wheel


def environment(place: Path, *what: str | Path, borrow: bool) -> Path:
    """An environment with `what` installed in it; the path of its Python.

    Args:
        what: as uv takes it: a wheel, or ``-e`` and a checkout.
        borrow: whether it also has what this environment has, as dependencies; not our own editable installation.
    """
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    if borrow:
        (site_of(python) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(UV, "pip", "install", "--python", python, *_QUIETLY, "--no-build-isolation", *what)
    return python


def site_of(python: Path) -> Path:
    """Where an environment has its packages."""
    return Path(sysconfig.get_path("purelib", vars={"base": str(python.parents[1])}))
