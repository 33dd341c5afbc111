"""Other users for tests, and a Python that they can run: root's own may lie where nobody else may look (pyenv)."""

from __future__ import annotations

import os
import site
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

OTHER: Final = 4242
"""A user without a name, who owns what a test gives to that number."""

THIRD: Final = 4243
"""Another one."""

_PLACE: Final = Path("/var/tmp/fsm-tests-python")


@cache
def python_for_all() -> str:
    """An interpreter that every user can run, with this one's packages.

    Raises:
        RuntimeError: the system has none of this version.
    """
    if _runs(sys.executable):
        return sys.executable
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    system = f"/usr/bin/python{version}"
    if not _runs(system):
        raise RuntimeError(f"{sys.executable} cannot be run by other users, and there is no {system} that can")
    place = _PLACE / f"{os.getuid()}-{os.getpid()}"
    place.parent.mkdir(mode=0o755, exist_ok=True)
    subprocess.run([system, "-m", "venv", "--without-pip", place], check=True)
    packages = place / f"lib/python{version}/site-packages"
    (packages / "tests.pth").write_text("\n".join(f"import site; site.addsitedir({path!r})" for path in _sites()))
    return str(place / "bin/python")


def _sites() -> list[str]:
    return site.getsitepackages()


def _runs(python: str) -> bool:
    """Whether a user of no rights can run it."""
    try:
        done = subprocess.run([python, "-c", ""], user=OTHER, group=OTHER, extra_groups=[], check=False)
    except OSError:
        return False
    return done.returncode == 0
