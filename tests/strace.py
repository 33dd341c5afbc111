"""What programs ask of the kernel, as `strace` tells it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def command(calls: str, log: Path, *options: str) -> list[str]:
    """How `strace` is started before a program, to write such calls of it and its children into a file.

    Where there is none, the test is skipped.
    """
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    return ["strace", "--follow-forks", f"--trace={calls}", f"--output={log}", *options]


def environment() -> dict[str, str]:
    """This process's variables without what keeps syncs from the kernel; see tests/unsynced.c."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
