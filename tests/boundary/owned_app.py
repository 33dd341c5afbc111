"""An app that belongs to another user than the updater, in both places where apps lie, and what such a user may try."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, Self

import pytest

from fsm.services import ServiceManager, open_service
from fsm.system import users
from fsm.system.files import native
from tests.app_fixture import AppFixture, Trait

USER: Final = 4242
OTHER: Final = 4243

Parent = Literal["roots", "users"]
"""Whose the directory is that the app lies in."""

BOTH: Final = pytest.mark.parametrize("parent", ["roots", "users"])


class OwnedApp(AppFixture):
    """A host whose app is another user's.

    Attributes:
        canary: a directory of root's, which must stay as it is.
        drop: where the user's programs write as whom they ran; everybody may.
    """

    def __init__(self, parent: Parent, **keys: Any) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="fsm-owned-", dir="/var/tmp"))
        self.place.chmod(0o755)
        super().__init__(self.place, **keys)
        self.home = self.place / "home"
        self.home.mkdir(mode=0o755)
        if parent == "users":
            os.chown(self.home, USER, USER)
        self.live, self.work = self.home / "app", self.home / ".app.fsm"
        self.canary = self.place / "canary"
        self.drop = self.place / "drop"
        self.drop.touch()
        self.drop.chmod(0o666)
        self._make_canary()
        self._was = self._snapshot()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        shutil.rmtree(self.place, ignore_errors=True)

    def install(self, version: str, *traits: Trait) -> None:
        """Put the app there, as its user."""
        super().install(version, *traits)
        self.give()

    def manager(self) -> ServiceManager:
        """What starts and stops the app, as its user."""
        component = self.updater().config.component(self.name)
        spec: Any = component.spec
        return open_service(spec.service, name=self.name, state_dir=self.state, user=users.numbered(USER))

    def give(self) -> None:
        """Make everything in the app's directory the user's."""
        for root, directories, names in os.walk(self.live):
            for name in (".", *directories, *names):
                os.chown(os.path.join(root, name), USER, USER, follow_symlinks=False)

    def as_user(self, act: Callable[[], None], user: int = USER) -> None:
        """Do something as the user; it must succeed."""
        with self.meanwhile(act, user) as pid:
            _, status = os.waitpid(pid, 0)
            assert status == 0

    @contextmanager
    def meanwhile(self, act: Callable[[], None], user: int = USER) -> Iterator[int]:
        """Do something as the user in the meantime."""
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
                act()
                os._exit(0)
            finally:
                os._exit(1)
        try:
            yield pid
        finally:
            with suppress(ProcessLookupError, ChildProcessError):  # it ended by itself, and was waited for
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def program(self) -> bytes:
        """A program that writes down as whom it runs."""
        return f"#!/bin/sh\nid -u >> {self.drop}\ngrep CapEff /proc/self/status >> {self.drop}\n".encode()

    def plant(self, path: Path, then: str = "") -> None:
        """Put such a program somewhere, as the user.

        Args:
            then: what it goes on with, in the language of the shell.
        """

        def act() -> None:
            path.unlink(missing_ok=True)
            path.write_bytes(self.program() + then.encode() + b"\n")
            path.chmod(0o755)

        self.as_user(act)

    def ran_as(self) -> set[str]:
        """The users as whom the planted programs ran."""
        lines = self.drop.read_text().split("\n")
        powers = {line for line in lines if line.startswith("CapEff") and int(line.split()[1], 16)}
        return {line for line in lines if line.isdigit()} | powers

    def _make_canary(self) -> None:
        for name, mode in (("file", 0o644), ("secret", 0o600), ("sub/file", 0o644), ("log", 0o644)):
            path = self.canary / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"of root's\n")
            path.chmod(mode)

    def _snapshot(self) -> Mapping[str, tuple[object, ...]]:
        found = {}
        for path in (self.canary, *sorted(self.canary.rglob("*"))):
            status = path.lstat()
            data = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, data)
        return found

    def check_canary(self) -> None:
        """What is root's must be as it was."""
        assert self._snapshot() == self._was

    def owners(self, place: Path) -> set[int]:
        """The owners of everything in a directory, and of itself."""
        return {path.lstat().st_uid for path in (place, *place.rglob("*"))}

    def __enter__(self) -> Self:
        return self


def running(parent: Parent, **keys: object) -> OwnedApp:
    """An app of the user's that runs, and has files to preserve."""
    app = OwnedApp(parent, **keys)
    app.install("1.0.0")
    for name, data in (("data/log", b"first\n"), ("data/sub/blob", bytes(1000)), (".env", b"SECRET=1\n")):
        (app.live / name).parent.mkdir(parents=True, exist_ok=True)
        (app.live / name).write_bytes(data)
    (app.live / ".env").chmod(0o600)
    app.give()
    app.start()
    return app


def swap_for_ever(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Exchange pairs of entries, over and over, as quickly as it goes."""
    names = [(os.fsencode(first), os.fsencode(second)) for first, second in pairs]
    while True:
        for first, second in names:
            try:
                native.exchange_names(first, second)
            except OSError:
                time.sleep(0.0005)
