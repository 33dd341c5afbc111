"""What holds for every test: which run it belongs to, what it may need, and how many examples a property gets.

A test that needs something which not every machine has says so by a `needs_*` marker. Where the thing is missing the
test is skipped with the reason. With `CI=true` in the environment every skip is a failure: `make test` and
`make test-hosts` divide the tests between them, so what one of them skips nobody runs.

In the directories of `QUICK` a test neither starts a process nor opens a network socket, unless it is marked
`processes`; a test that does so unmarked fails. That is how `make quick` knows its tests without a list of them.
"""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings

from tests import huge_pages

TESTS: Final = Path(__file__).resolve().parent
CI: Final = os.environ.get("CI", "").lower() in {"1", "true"}


EXAMPLES: Final = {"quick": 15, "default": 50, "thorough": 1000}
"""The profiles of Hypothesis (`--hypothesis-profile`), and how many examples each gives a property.

No example has a deadline: on a busy machine that would be a test of the machine.
"""
for _profile, _examples in EXAMPLES.items():
    settings.register_profile(_profile, max_examples=_examples, deadline=None)
settings.load_profile("default")


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


def _no_spin() -> str:
    missing = [program for program in ("spin", "gcc") if shutil.which(program) is None]
    return f"there is no {' and no '.join(missing)}" if missing else ""


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
    "needs_spin": _no_spin,
}
"""For each marker a function that says why the thing is missing, or nothing where it is there."""

HOSTS: Final = frozenset(NEEDS) - {"needs_linux", "needs_spin"}
"""The needs of `make test-hosts`: root, Docker, or what only root installs."""

QUICK: Final = ("unit", "engine", "library", "house")
"""The directories whose tests need neither processes nor networks, unless they are marked `processes`."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not read what `make quick` will not run: a third of the time before its first test."""
    aside = collection_path.parent == TESTS and collection_path.is_dir() and collection_path.name not in QUICK
    return True if aside and config.option.markexpr == "quick" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the run that it belongs to."""
    for item in items:
        if any(item.get_closest_marker(need) for need in HOSTS):
            item.add_marker("hosts")
        elif _is_quick(item):
            item.add_marker("quick")


def _is_quick(item: pytest.Item) -> bool:
    if item.get_closest_marker("processes"):
        return False
    return item.path.is_relative_to(TESTS) and item.path.relative_to(TESTS).parts[0] in QUICK


def pytest_collection_finish() -> None:
    """Keep what was collected out of the garbage collector: it stays to the end, and children need not copy it."""
    gc.collect()
    gc.freeze()
    huge_pages.collapse()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose needs are not met."""
    for marker, missing in NEEDS.items():
        if item.get_closest_marker(marker) and (why := missing()):
            pytest.skip(f"{marker}: {why}")
    _outside().begin()


class Outside:
    """What a test did outside of its own process: Python's audit events tell (https://peps.python.org/pep-0578/)."""

    STARTS: Final = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"})
    OPENS: Final = frozenset({"socket.bind", "socket.connect", "socket.getaddrinfo"})

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._pid = os.getpid()
        self._others: set[int | None] = set()
        # Under coverage it would not hear only: while a hook in Python runs another thread may begin, and CPython 3.11
        # refuses that one its trace function ("another trace function is being installed").
        if sys.gettrace() is None:
            sys.addaudithook(self._hear)

    def begin(self) -> None:
        """Begin with a test; threads that earlier ones have left behind are not its own."""
        self.seen.clear()
        self._others = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if threading.get_ident() in self._others:
            return
        if event in self.STARTS and os.getpid() == self._pid:
            self.seen.append(f"{event} {str(arguments[:2])[:200]}")
        elif event in self.OPENS and not isinstance(arguments[-1], str | bytes):  # those are paths of Unix sockets
            self.seen.append(f"{event} {str(arguments[1:])[:200]}")


_outside = cache(Outside)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a quick test that started a process or opened a network socket."""
    yield
    if item.get_closest_marker("quick") and (seen := _outside().seen):
        pytest.fail(
            f"this test is in `make quick`, but it did {seen[0]}: mark it with @pytest.mark.processes, or do without",
            pytrace=False,
        )


@pytest.fixture(autouse=True)
def _cheap_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lock secret keys with libsodium's least limits: minisign's own take a gigabyte and seconds for each file.

    A file names its limits, so reading it is as cheap. The real ones are used where minisign itself reads the file.
    """
    if "fsm.formats.trust.minisign" in sys.modules and not request.node.get_closest_marker("needs_minisign"):
        minisign = sys.modules["fsm.formats.trust.minisign"]
        monkeypatch.setattr(minisign, "_OPERATIONS", 32_768)
        monkeypatch.setattr(minisign, "_MEMORY", 16 << 20)


def pytest_configure(config: pytest.Config) -> None:
    """Choose what all workers share: the samples of the crash matrix and of the sweep."""
    for name in ("FSM_CRASH_SEED", "FSM_SWEEP_SEED"):
        os.environ.setdefault(name, str(random.randrange(1_000_000)))
    # Of a suite in the background (`nohup`, `&`), children that may not inherit what it ignores are forked, which
    # copies the page tables of a process of 200 MB: half of all the time. A handler is not inherited by any child.
    for number in {signal.SIGINT, signal.SIGQUIT, signal.SIGHUP} if sys.platform == "linux" else ():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which samples of the crash matrix and of the sweep these were."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    if os.environ.get("FSM_CRASH") != "full" and any("::test_killed_and_resumed[" in one.nodeid for one in reports):
        seed = os.environ["FSM_CRASH_SEED"]
        terminalreporter.line(f"crash matrix: a sample; FSM_CRASH_SEED={seed} takes the same again")
    if any("::test_struck_at_a_system_call[" in one.nodeid for one in reports):
        seed = os.environ["FSM_SWEEP_SEED"]
        terminalreporter.line(f"system calls: a sample; FSM_SWEEP_SEED={seed} takes the same again")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, a test that was skipped, for its needs or by its own word, has failed."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must run in CI, but was skipped: {why}"
    return report
