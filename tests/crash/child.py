"""The processes that are killed, and those that go on after them.

``python -m tests.crash.child`` imports everything once, and then forks a process for each request that it reads: a
JSON object in a line. The process does one verb of the real `Updater`, and kills itself with SIGKILL at the fault
point that the request names. The answer, one line too, tells how it ended and what it returned. A fork shares nothing
with the processes before and after it but the files of its host.
"""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import gc
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from fsm.adapter import Registry
from fsm.errors import UsageError
from fsm.services import process
from fsm.system import faults, files
from fsm.system.files import native
from fsm.updater import Updater
from tests.app_fixture import AppFixture
from tests.crash.scenarios import SCENARIOS
from tests.pair import Pair

PATIENCE: Final = 40
"""Seconds after which a process says where it hangs, and ends."""

_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x00020000, 0x1000, 0x4000, 0x40000

Verb = Callable[[Updater], list[Any]]


def cancel(updater: Updater) -> list[Any]:
    """Cancel a run, if one is in progress: the crash may have come before its first commit or after its last one."""
    try:
        return [updater.cancel(AppFixture.name)]
    except UsageError:
        return []


VERBS: Final[dict[str, Verb]] = {
    "update": lambda updater: [updater.update(AppFixture.name)],
    "update_set": lambda updater: updater.update_set(Pair.set_name),
    "rollback": lambda updater: [updater.rollback(AppFixture.name)],
    "bring_back": lambda updater: [updater.bring_back(AppFixture.name, 1)],
    "bring_back_written": lambda updater: [updater.bring_back(AppFixture.name, "1-written")],
    "resume": lambda updater: updater.resume(),
    "cancel": cancel,
}


def act(request: dict[str, Any]) -> dict[str, Any]:
    """Do what a request says, in a process of its own."""
    app_fixture = on_its_host(request)
    counts: Counter[str] = Counter()
    kill, times = request["kill"] or ("", 0)

    def reached(name: str) -> None:
        counts[name] += 1
        trail.append(name)
        if name == kill and counts[name] == times:
            os.kill(os.getpid(), signal.SIGKILL)

    trail: list[str] = []
    faults.install(reached)
    results = VERBS[request["verb"]](app_fixture.updater())
    faults.install(None)
    return {"results": [json.loads(result.model_dump_json()) for result in results], "trail": trail}


def on_its_host(request: dict[str, Any]) -> AppFixture:
    """Make this process, and what it starts, one of a request's host; start the app if that was asked for."""
    # The processes that are started from here on are found by it, whatever they do to their command line.
    os.environ["FSM_CRASH_CASE"] = request["root"]
    app_fixture = SCENARIOS[request["scenario"]].make_fixture(Path(request["root"]))
    WAYS[SCENARIOS[request["scenario"]].way](app_fixture)
    if request["start"]:
        app_fixture.start()
    return app_fixture


def _as_it_is(app_fixture: AppFixture) -> None:
    """The file system can exchange directories."""


def _without_exchange(app_fixture: AppFixture) -> None:
    """As on a file system that cannot: the kernel's own answer there."""

    def refuse(first: bytes, second: bytes, here: int = native.AT_FDCWD, there: int = native.AT_FDCWD) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    native.exchange_names = refuse


def _mounted(app_fixture: AppFixture) -> None:
    """A live tree that cannot be renamed: a mount point for root, else what `why_not_renamable` would say to one."""
    if os.geteuid() != 0:
        files.why_not_renamable = lambda path: f"{path} is a mount point, as far as this test goes"
    elif app_fixture.live.is_dir() and f" {app_fixture.live} " not in Path("/proc/self/mountinfo").read_text():
        _mount(app_fixture.live, app_fixture.live, _MS_BIND)


WAYS: Final[dict[str, Callable[[AppFixture], None]]] = {
    "exchange": _as_it_is,
    "renames": _without_exchange,
    "copy": _mounted,
}


def _mount(source: Path, target: Path, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), f"cannot mount {target}: {os.strerror(ctypes.get_errno())}")


def serve(*, here: bool) -> None:
    """Fork a process for each line of the input. See `prepare`."""
    prepare(here=here)
    for line in sys.stdin:
        print(json.dumps(_forked(json.loads(line))), flush=True)


def prepare(*, here: bool) -> None:
    """Have and import what the processes need that are forked.

    Args:
        here: among the mounts of whoever asks, where no scenario may mount anything.
    """
    if os.geteuid() == 0 and not here:
        # Mounts of these tests are seen in here only, and vanish with the last process.
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "cannot have mounts of our own")
        _mount(Path("none"), Path("/"), _MS_REC | _MS_PRIVATE)
    AppFixture.registry = Registry.discover()
    _warm_up()
    gc.collect()
    gc.freeze()


def _warm_up() -> None:
    """Whatever a process imports or builds when it first needs it, all of ours inherit."""
    process._WATCH = 0.02  # type: ignore[misc] # seconds of waiting that thousands of cases need not wait
    with tempfile.TemporaryDirectory() as place, AppFixture(Path(place), settle_seconds=0) as app_fixture:
        app_fixture.install("1.0.0")
        app_fixture.start()
        for version, trait, outcome in (("1.1.0", (), "done"), ("1.2.0", ("BROKEN",), "rolled_back")):
            app_fixture.publish(version, *trait)
            assert app_fixture.updater().update(AppFixture.name).outcome == outcome


def _forked(request: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _child(request, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    return {"exit": os.waitstatus_to_exitcode(status), **json.loads(text or b"{}")}


def _child(request: dict[str, Any], writing: int) -> None:
    code = 1
    try:
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        answer = act(request)
        with open(writing, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(here="here" in sys.argv[1:])
