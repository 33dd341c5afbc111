"""Places to test on: a fast one, another user's eyes, and mounted file systems."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: property tests make thousands of files, and sync them."""
    parent = Path("/dev/shm")
    if not os.access(parent, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=parent, prefix="fsm-test-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A directory that belongs to the user nobody and that nobody can reach (pytest's own are root's)."""
    directory = Path(tempfile.mkdtemp(prefix="fsm-test-"))
    os.chown(directory, NOBODY, NOBODY)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def as_nobody() -> Callable[[], object]:
    """A context in which the process has nobody's rights."""

    @contextmanager
    def context() -> Iterator[None]:
        groups = os.getgroups()
        os.setgroups([NOBODY])
        os.setresgid(NOBODY, NOBODY, 0)
        os.setresuid(NOBODY, NOBODY, 0)
        try:
            yield
        finally:
            os.setresuid(0, 0, 0)
            os.setresgid(0, 0, 0)
            os.setgroups(groups)

    return context


Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount something for the length of a test; skips where the kernel refuses."""
    mounted: list[Path] = []

    def mount(target: Path, *options: str) -> Path:
        target.mkdir(exist_ok=True)
        done = subprocess.run(["mount", *options, str(target)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"mount {' '.join(options)}: {done.stderr.strip()}")
        if target not in mounted:
            mounted.append(target)
        return target

    yield mount
    for target in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(target)], check=True, capture_output=True)
