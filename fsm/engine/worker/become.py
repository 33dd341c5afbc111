"""A spare worker waits, as root, for the word whose worker it is; see `fsm.engine.spare`."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

from fsm.system.inherited import no_plugins
from fsm.system.processes.dying import end_with
from fsm.system.processes.signals import PYTHONS, default_signals


def become(connection: socket.socket, types: Sequence[str], parent: int) -> str:  # pragma: no cover - another process
    """Load what a worker needs, and become a user for good.

    Args:
        connection: to the engine.
        types: component types to load.
        parent: the engine's process.

    Returns:
        The adapter to begin with, ``module:Class``.

    Raises:
        SystemExit: nobody needs it, or that user cannot read what it has loaded.
    """
    end_with(parent)
    default_signals(PYTHONS)
    _load(types)
    asked = _asked(connection)
    os.setgroups(asked["groups"])
    os.setresgid(*[asked["gid"]] * 3)
    os.setresuid(*[asked["uid"]] * 3)
    os.environ.clear()
    os.environ.update(asked["environ"])
    no_plugins()
    # What it loads later it loads as this user: who cannot reach it is told so by a worker that was started as he is.
    if not (os.access(__file__, os.R_OK) and os.access(sys.executable, os.X_OK)):
        raise SystemExit("the updater's own files are closed to this user")
    return str(asked["adapter"])


def _load(types: Sequence[str]) -> None:
    from fsm.adapter import Registry  # noqa: PLC0415 - the engine can go on from when this process runs
    from fsm.engine.worker import serve  # noqa: PLC0415 - the same
    from fsm.errors import ConfigError  # noqa: PLC0415 - the same

    registry = Registry.discover()
    for each in types:
        try:
            serve.warm(registry.get(each))
        except ConfigError:
            continue  # the engine finds the same, and says so


def _asked(connection: socket.socket) -> dict[str, Any]:
    """The engine's first line; it says nothing more until it is answered."""
    heard = b""
    while not heard.endswith(b"\n"):
        piece = connection.recv(1 << 16)
        if not piece:
            raise SystemExit(0)
        heard += piece
    found: dict[str, Any] = json.loads(heard)
    return found
