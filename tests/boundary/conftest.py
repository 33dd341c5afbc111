"""What the tests of the boundary share: a Python for everybody, a directory for everybody, a checkout of a user's."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.boundary.checkout import Host
from tests.githttp import serving
from tests.users import python_for_all

Made = Callable[..., Host]


@pytest.fixture(autouse=True)
def _open_to_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Python that every user can run, and a way to the test's files: root's own may lie where nobody else comes."""
    if os.geteuid() == 0:
        monkeypatch.setattr(sys, "executable", python_for_all())
        for path in (tmp_path, *tmp_path.parents):
            if not path.stat().st_mode & 0o001:
                path.chmod(path.stat().st_mode | 0o011)


@pytest.fixture
def passable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that others come through to, and a Python that they can run.

    Pytest closes its own directories to others whenever it begins anywhere.
    """
    monkeypatch.setattr(sys, "executable", python_for_all())
    with tempfile.TemporaryDirectory(prefix="fsm-boundary-") as name:
        yield Path(name)


@pytest.fixture
def git_host(passable: Path) -> Iterator[Made]:
    """Makes a host with the user's checkout of 1.0.0, with 1.1.0 published by a server; arguments of `Host`."""
    hosts: list[Host] = []
    with serving(passable) as server:

        def make(*, publish: bool = True, **given: Any) -> Host:
            source = {"type": "git", "allow_unsigned": True, "url": f"{server.url}/releases", "branch": "main"}
            host = Host(passable, **{"source": source, **given})
            hosts.append(host)
            host.publish("1.0.0")
            host.install("1.0.0")
            host.hand_over()
            if publish:
                host.publish("1.1.0")
            return host

        yield make
    for host in hosts:
        host.kill()
