"""A host whose git checkout belongs to another user, who would like to be root.

The host is that of `tests.git_fixture`, with the checkout in a directory of its own (``srv/app``), so that the parent
can be root's or the user's while the updater's state stays root's. Beside it lies a directory of root's that nothing
may change, and one in which programs that the user plants tell who ran them, and with what environment.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from fsm.system import inventory
from fsm.system.files import native
from tests.git_fixture import GitFixture
from tests.users import OTHER

USER: Final = OTHER
"""The user of the component: no entry in passwd, no rights beyond his own files."""


class Host(GitFixture):
    """One host with one git checkout of `USER`. Arguments as those of `GitFixture`, and whose the parent is.

    Attributes:
        place: the directory above the checkout.
        canary: a directory of root's.
        given: what the host was made with.
    """

    def __init__(self, root: Path, *, parent: int = USER, **given: Any) -> None:
        super().__init__(root, **given)
        self.given = given
        self.place = root / "srv"
        self.live, self.work = self.place / "app", self.place / ".app.fsm"
        self.parent = parent
        self.canary = root / "canary"
        self._drop = root / "drop"
        root.chmod(0o711)
        self.place.mkdir(exist_ok=True)
        if not self._drop.exists():
            self._drop.mkdir()
            self._drop.chmod(0o1777)
            self._make_canary()

    def _make_canary(self) -> None:
        for name in ("ee/" + "0" * 38, "refs/heads.lock", "lib/names.txt", "plain", "deep/er/secret"):
            path = self.canary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"" if name.startswith("ee/") else b"root's own\n")
            os.utime(path, (1_000_000_000, 1_000_000_000))
        (self.canary / "deep/er/secret").chmod(0o600)
        self.before = inventory.take(self.canary)

    def hand_over(self) -> None:
        """Everything that is there becomes the user's; the parent only where it is to be his."""
        os.chown(self.place, self.parent, self.parent)
        for path in (self.live, *self.live.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)

    def changed_in_the_canary(self) -> Any:
        """What has changed in root's directory."""
        return self.before.compare(inventory.take(self.canary))

    def program(self, name: str) -> Path:
        """A program of the user's that tells who ran it and with what environment, and does what `cat` does."""
        path = self._drop / name
        path.write_text(
            f"#!/bin/sh\n{{ echo uid=$(id -u); grep CapEff /proc/self/status; env; }} >> {self._drop}/told\nexec cat\n"
        )
        path.chmod(0o755)
        os.chown(path, USER, USER)
        return path

    def told(self) -> str:
        """What programs of the user's have told so far."""
        path = self._drop / "told"
        return path.read_text() if path.exists() else ""

    def ran_as_root(self) -> bool:
        """Whether one of them has run with the rights of root."""
        lines = self.told().splitlines()
        capable = [line for line in lines if line.startswith("CapEff:") and int(line.split()[1], 16)]
        return "uid=0" in lines or bool(capable)

    def as_user(self, *argv: str, cwd: Path | None = None) -> str:
        """Run something as the user."""
        done = subprocess.run(
            argv,
            cwd=cwd or self.live,
            user=USER,
            group=USER,
            extra_groups=(),
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return done.stdout.strip()

    def link(self, name: str, target: Path) -> None:
        """The user puts a link to what is root's into the checkout."""
        path = self.live / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
        os.chown(path, USER, USER, follow_symlinks=False)

    @contextmanager
    def exchanging(self, path: Path, target: Path) -> Iterator[None]:
        """While this lasts the user exchanges something of his with a link to what is root's, as fast as he can."""
        link = path.with_name(f"{path.name}.link")
        link.symlink_to(target)
        os.chown(link, USER, USER, follow_symlinks=False)
        child = _exchange(path, link)
        try:
            yield
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            if path.is_symlink():
                native.exchange_names(os.fsencode(path), os.fsencode(link))
            if link.is_dir() and not link.is_symlink():
                shutil.rmtree(link)  # the other half of an exchange that went on without the path
            link.unlink(missing_ok=True)

    def strangers(self) -> list[Path]:
        """What in the checkout is not the user's."""
        return [path for path in (self.live, *self.live.rglob("*")) if path.lstat().st_uid != USER]


def _exchange(first: Path, second: Path) -> int:
    """Start a process of the user's that exchanges two names without end; returns its pid.

    It is a copy of this one: the user need not have a Python that he may run.
    """
    names = os.fsencode(first), os.fsencode(second)
    native.exchange_names(*names)
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(USER)
            os.setuid(USER)
            os.write(told, b".")
            while True:
                with suppress(OSError):  # one of them is not there just now
                    native.exchange_names(*names)
        finally:
            os._exit(1)
    os.close(told)
    with os.fdopen(heard, "rb") as ready:
        assert ready.read(1) == b"."
    return child


def unharmed(host: Host) -> None:
    """Nothing of root's has changed, and nothing of the user's has run as root."""
    assert not host.changed_in_the_canary()
    assert not host.ran_as_root(), host.told()
