"""The `needs_*` markers: skipped where the thing is missing, failed in CI, run where it is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest
import conftest

conftest.NEEDS["needs_root"] = lambda: "no root here"
conftest.NEEDS["needs_linux"] = lambda: ""

@pytest.mark.needs_root
def test_missing(): pass

@pytest.mark.needs_linux
def test_there(): pass

@pytest.mark.needs_linux
def test_own_word(): pytest.skip("by its own word")

def test_unmarked(): pytest.skip("may be skipped anywhere")

@pytest.mark.needs_linux
@pytest.mark.xfail(strict=True)
def test_expected(): assert False
"""


def _run(folder: Path, **environment: str) -> str:
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_it.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    needs_root: x\n    needs_linux: x\n")
    kept = {name: value for name, value in os.environ.items() if name not in {"CI", "PYTEST_ADDOPTS"}}
    command = [sys.executable, "-m", "pytest", "-q", "-rsfE", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=folder, env=kept | environment
    )
    return done.stdout


def test_a_missing_need_skips_the_test_with_its_reason(tmp_path: Path):
    """A contributor's machine need not have everything."""
    printed = _run(tmp_path)
    assert "1 passed, 3 skipped, 1 xfailed" in printed
    assert "needs_root: no root here" in printed


@pytest.mark.parametrize("value", ["true", "1", "True"])
def test_a_missing_need_fails_in_ci(tmp_path: Path, value: str):
    """What CI skips nobody runs; a test without a marker may still skip itself."""
    printed = _run(tmp_path, CI=value)
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error" in printed
    assert "must run in CI, but was skipped: Skipped: needs_root: no root here" in printed
    assert "must run in CI, but was skipped: Skipped: by its own word" in printed
