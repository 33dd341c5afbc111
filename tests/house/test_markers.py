"""The markers: what is skipped, what fails in CI, and what belongs to which run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
INI = "[pytest]\nmarkers =\n    needs_root: x\n    needs_linux: x\n    processes: x\n    quick: x\n    hosts: x\n"
NEEDS = """
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

def test_unmarked(): pytest.skip("for a reason of its own")

@pytest.mark.needs_linux
@pytest.mark.xfail(strict=True)
def test_expected(): assert False
"""
QUICK = """
import os, signal, socket, subprocess
import pytest

def start(): subprocess.run(["true"])

@pytest.fixture(scope="module")
def started(): start()

def test_nothing(): pass

def test_process(): start()

def test_fork():
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)

def test_in_a_fixture(started): pass

def test_network(): socket.create_server(("127.0.0.1", 0)).close()

def test_unix_socket(tmp_path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "s"))

@pytest.mark.processes
def test_marked(): start()

@pytest.mark.needs_root
def test_on_a_host(): start()
"""


def _run(folder: Path, tests: str, *options: str, **environment: str) -> str:
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "unit").mkdir()
    (folder / "unit" / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text(INI)
    # Not under coverage, where nobody listens: see `Outside`.
    gone = ("CI", "PYTEST_ADDOPTS", "COVERAGE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(gone)}
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-p", "no:xdist", *options]
    done = subprocess.run(
        [*command, str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env=kept | environment,
    )
    return done.stdout


def _ids(printed: str, word: str) -> set[str]:
    """The tests of which the summary says this."""
    lines = [line.split(" ")[1] for line in printed.splitlines() if line.startswith(f"{word} unit/")]
    return {line.rpartition("::")[2] for line in lines}


def test_a_missing_need_skips_the_test_with_its_reason(tmp_path: Path):
    """A contributor's machine need not have everything."""
    printed = _run(tmp_path, NEEDS)
    assert "1 passed, 3 skipped, 1 xfailed" in printed
    assert "needs_root: no root here" in printed


@pytest.mark.parametrize("value", ["true", "1", "True"])
def test_a_skipped_test_fails_in_ci(tmp_path: Path, value: str):
    """What CI skips nobody runs."""
    printed = _run(tmp_path, NEEDS, CI=value)
    assert "2 failed, 1 passed, 1 xfailed, 1 error" in printed
    assert "must run in CI, but was skipped: Skipped: needs_root: no root here" in printed
    assert "must run in CI, but was skipped: Skipped: by its own word" in printed
    assert "must run in CI, but was skipped: Skipped: for a reason of its own" in printed


def test_a_quick_test_stays_in_its_process(tmp_path: Path):
    """Whoever starts something fails, and is told how to say so; a marked test is not quick."""
    printed = _run(tmp_path, QUICK, "-m", "quick")
    assert _ids(printed, "ERROR") == {"test_process", "test_fork", "test_in_a_fixture", "test_network"}
    assert "mark it with @pytest.mark.processes" in printed
    assert "6 passed, 2 deselected, 4 errors" in printed


def test_each_test_is_in_one_half(tmp_path: Path):
    """What needs root or Docker is of `make test-hosts`, all else of `make test`."""
    printed = _run(tmp_path, QUICK, "--collect-only", "-m", "hosts")
    assert [line for line in printed.splitlines() if "::" in line] == ["unit/test_it.py::test_on_a_host"]
