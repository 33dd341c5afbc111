"""Where everything happens: a file system in memory that only these processes see, at one path for every run.

It keeps each time of access, it bounds what a runaway copy can take, and it is gone with the last process. Every trial
begins with a copy of what its scene was; the path is always the same, because journals and repositories name paths.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.boundary.canary import MARKERS
from tests.boundary.verbs import descendants, die_with_parent, end_all, forked, wait
from tests.githttp import serving

ATTACKER: Final = 4262
"""Owns the component that is updated."""

NEIGHBOUR: Final = 4263
"""Owns another component of the same host."""

SIZE: Final = "1500m"

_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_PRIVATE, _MS_MOVE, _MS_STRICTATIME = 1 << 17, 4096, 16384, 1 << 18, 8192, 1 << 24


class Ground:
    """The directories of a series.

    Attributes:
        root: everybody may pass through it.
        host: what a trial works on; a fresh copy each time.
        canary: where the canary lies.
        sources: where releases come from; root's.
        templates: scenes as they are before a trial.
        git_url: where git repositories below `sources` are served, to those who have the token.
        ours: processes that every trial leaves alone: what serves the repositories, and what was there before.
        private: configuration and what the commands printed; root's alone.
        loot: where an attacker writes what he was able to read and should not.
        drop: where an attacker's programs say who ran them.
        armoury: the attacker's programs.
    """

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="fsm-boundary-"))
        _own_mounts()
        _let_pass(self.root)
        _mount("tmpfs", self.root, "tmpfs", _MS_STRICTATIME, f"size={SIZE},mode=755")
        self.host = self.root / "host"
        self.canary = self.root / "canary"
        self.sources = self.root / "sources"
        self.templates = self.root / "templates"
        self.private = self.root / "private"
        self.armoury = self.root / "armoury"
        self.drop, self.loot = self.root / "drop", self.root / "loot"
        for folder, mode in ((self.sources, 0o755), (self.templates, 0o700), (self.private, 0o700)):
            folder.mkdir()
            folder.chmod(mode)
        self.armoury.mkdir()
        self.armoury.chmod(0o755)
        before = descendants()
        self.git_url, self._server = _serve(self.sources, MARKERS["the source's token"].decode())
        self.ours = {self._server, *before}
        self.forget()

    def forget(self) -> None:
        """Empty what the attacker and his programs said."""
        for path in (self.drop, self.loot):
            path.write_bytes(b"")
            path.chmod(0o666)

    def keep(self, name: str) -> None:
        """Make a template of the host as it is."""
        shutil.rmtree(self.templates / name, ignore_errors=True)
        self.host.rename(self.templates / name)

    def restore(self, name: str) -> None:
        """The host as its template is."""
        self.clear()
        subprocess.run(["cp", "-a", str(self.templates / name), str(self.host)], check=True)

    def clear(self) -> None:
        """Remove the host, whatever an attacker has made of it."""
        if os.path.lexists(self.host):
            subprocess.run(["rm", "-rf", "--one-file-system", str(self.host)], check=True)

    def close(self) -> None:
        """Remove the mount point; what is mounted vanishes with this process."""
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._server, signal.SIGKILL)
            os.waitpid(self._server, 0)
        os.chdir("/")
        ctypes.CDLL(None).umount2(os.fsencode(self.root), 2)
        self.root.rmdir()


def on_ground(body: Callable[[Ground], None]) -> None:
    """Do something on a ground, in a process of its own, as its mounts are; for tests.

    Raises:
        AssertionError: it failed, or took too long; what it raised is on standard error.
    """

    def work() -> int:
        ground = Ground()
        try:
            body(ground)
        finally:
            end_all()
            ground.close()
        return 0

    assert wait(forked(work), time.monotonic() + 300) == 0


def _serve(folder: Path, token: str) -> tuple[str, int]:
    """Serve git repositories from a process of its own; its address and its number."""
    reading, writing = os.pipe()

    def serve() -> int:
        die_with_parent()
        with serving(folder, token) as about:
            os.write(writing, f"{about.url}\n".encode())
            signal.pause()
        return 0

    pid = forked(serve)
    os.close(writing)
    with open(reading) as pipe:
        return pipe.readline().strip(), pid


def _own_mounts() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "cannot have mounts of our own")
    _mount("none", Path("/"), None, _MS_REC | _MS_PRIVATE)


def _let_pass(stage: Path) -> None:
    """Let everybody reach the interpreter and this checkout, as on a real host.

    Root's Python may lie where nobody else may look (pyenv). Over each directory that lets nobody through comes an
    empty one that does, with nothing in it but what is needed.
    """
    needed = {Path(sys.base_prefix), Path(sys.prefix), Path(__file__).resolve().parents[2]}
    closed: dict[Path, list[Path]] = {}
    for path in sorted(path.resolve() for path in needed):
        blocked = [folder for folder in reversed(path.parents) if not folder.stat().st_mode & 1]
        if blocked and not any(path.is_relative_to(other) for others in closed.values() for other in others):
            closed.setdefault(blocked[0], []).append(path)
    for folder, paths in closed.items():
        for number, path in enumerate(paths):
            (stage / str(number)).mkdir()
            _mount(str(path), stage / str(number), None, _MS_BIND | _MS_REC)
        _mount("tmpfs", folder, "tmpfs", 0, "size=1m,mode=755")
        for number, path in enumerate(paths):
            path.mkdir(parents=True)
            _mount(str(stage / str(number)), path, None, _MS_MOVE)
            (stage / str(number)).rmdir()


def _mount(source: str, target: Path, kind: str | None, flags: int, data: str = "") -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    kinds, options = kind and kind.encode(), data.encode() or None
    if libc.mount(source.encode(), os.fsencode(target), kinds, ctypes.c_ulong(flags), options) != 0:
        raise OSError(ctypes.get_errno(), f"cannot mount {target}: {os.strerror(ctypes.get_errno())}")
