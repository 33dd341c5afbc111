"""What every test may use: the `needs_*` markers.

A test that needs something which not every machine has says so by a marker. Where the thing is missing the test is
skipped with the reason; with `CI=true` in the environment that is a failure, because what CI skips nobody runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

CI: Final = os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What ``-n auto`` means: one more than there are cores, for much of a test is waiting for disks and engines."""
    return (os.cpu_count() or 1) + 1


def _not_linux() -> str:
    return "" if sys.platform == "linux" else f"this is {sys.platform}, not Linux"


def _not_root() -> str:
    return "" if getattr(os, "geteuid", lambda: -1)() == 0 else "the tests do not run as root"


@cache
def _no_tmpfs() -> str:
    if _not_root() or _not_linux():
        return _not_root() or _not_linux()
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "none", "/mnt"]
    return "" if _succeeds(tried) else "this kernel does not let root mount a tmpfs"


@cache
def _no_docker() -> str:
    # Asked for when a test wants it: looking for an engine may start one.
    from tests.hosts.engine import missing

    return missing()


@cache
def _no_machine() -> str:
    if _not_linux() or _not_root() or _no_docker():
        return _not_linux() or _not_root() or _no_docker()
    from tests.hosts.rootfs import missing

    return missing()


@cache
def _no_minisign() -> str:
    if shutil.which("minisign") is not None:
        return ""
    from tests.hosts.home import BedError, changing
    from tests.hosts.packages import need

    try:
        with changing():
            need("minisign")
    except BedError as error:
        return str(error)
    return ""


def _no_systemd() -> str:
    return "" if Path("/run/systemd/system").is_dir() else "systemd is not running here"


def _succeeds(argv: list[str]) -> bool:
    if shutil.which(argv[0]) is None:
        return False
    return subprocess.run(argv, capture_output=True, timeout=30, check=False).returncode == 0


NEEDS: Final[dict[str, Callable[[], str]]] = {
    "needs_linux": _not_linux,
    "needs_root": _not_root,
    "needs_tmpfs": _no_tmpfs,
    "needs_docker": _no_docker,
    "needs_machine": _no_machine,
    "needs_systemd": _no_systemd,
    "needs_minisign": _no_minisign,
}
"""For each marker a function that says why the thing is missing, or nothing where it is there."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose needs are not met."""
    for marker, missing in NEEDS.items():
        if item.get_closest_marker(marker) and (why := missing()):
            pytest.skip(f"{marker}: {why}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, a marked test that was skipped, here or by its own word, has failed."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail") and _marked(item):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must run in CI, but was skipped: {why}"
    return report


def _marked(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(marker) for marker in NEEDS)
