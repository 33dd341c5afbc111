"""Tests in a process and with mounts of their own, where another user can reach the interpreter.

Root's Python may lie where nobody else may look (pyenv below ``/root``). A component's user has to run it, as on a
real host. So such a directory is covered by an empty one that lets everybody pass, with nothing in it but what is
needed; all of that is seen in the test's own process only.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_PRIVATE, _MS_MOVE = 1 << 17, 4096, 16384, 1 << 18, 8192
_FAILED: Final = 3

Test = TypeVar("Test", bound=Callable[..., None])


def apart(test: Test) -> Test:
    """Run a test in a child with mounts of its own; what it raises is raised here, as text."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with tempfile.TemporaryFile("w+") as told:
            pid = os.fork()
            if pid == 0:
                code = _FAILED
                try:
                    let_everybody_pass()
                    test(*args, **kwargs)
                    code = 0
                except BaseException:
                    told.write(traceback.format_exc())
                    told.flush()
                finally:
                    os._exit(code)
            _, status = os.waitpid(pid, 0)
            told.seek(0)
            assert status == 0, told.read() or f"the test's process ended with status {status}"

    return run  # type: ignore[return-value]  # the same arguments, by `wraps`


def let_everybody_pass() -> None:
    """Take mounts of one's own, and have the interpreter, its packages and this checkout reachable in them."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "cannot have mounts of our own")
    _mount("none", Path("/"), None, _MS_REC | _MS_PRIVATE)
    needed = {Path(sys.base_prefix), Path(sys.prefix), Path(__file__).resolve().parents[2]}
    covered: dict[Path, list[Path]] = {}
    for path in sorted(path.resolve() for path in needed):
        blocked = [folder for folder in reversed(path.parents) if not folder.stat().st_mode & 1]
        inside = any(path.is_relative_to(other) for others in covered.values() for other in others)
        if blocked and not inside:
            covered.setdefault(blocked[0], []).append(path)
    for folder, paths in covered.items():
        _show_only(paths, folder)


def _show_only(paths: Sequence[Path], folder: Path) -> None:
    with tempfile.TemporaryDirectory() as stage:
        held = [Path(stage, str(number)) for number, _ in enumerate(paths)]
        for path, place in zip(paths, held, strict=True):
            place.mkdir()
            _mount(str(path), place, None, _MS_BIND | _MS_REC)
        _mount("tmpfs", folder, "tmpfs", 0, "size=1m,mode=755")
        for path, place in zip(paths, held, strict=True):
            path.mkdir(parents=True)
            _mount(str(place), path, None, _MS_MOVE)


def _mount(source: str, target: Path, kind: str | None, flags: int, data: str = "") -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    kinds, options = kind and kind.encode(), data.encode() or None
    if libc.mount(source.encode(), os.fsencode(target), kinds, ctypes.c_ulong(flags), options) != 0:
        raise OSError(ctypes.get_errno(), f"cannot mount {target}: {os.strerror(ctypes.get_errno())}")
