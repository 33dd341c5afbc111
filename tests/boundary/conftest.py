"""What the tests of the boundary share: a Python for everybody, a directory for everybody, a checkout of a user's."""

from __future__ import annotations

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
