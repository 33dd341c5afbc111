"""How `fsm resume` holds back the boot, and how READY is sent to systemd: then the units ordered after it start.

``fsm-resume.service`` is of ``Type=notify`` and stands before every managed unit (`fsm.host.boot.units`). Until it
says READY no managed unit is started by the boot, so nothing runs on a half exchanged tree. It says so when no run
needs its service to stay down any more, and before it starts a unit itself: `systemctl start` would otherwise wait
for a job that waits for us, for ever. See sd_notify(3) for the protocol.

The hold belongs to the process, as the socket does. Only `fsm resume` takes it: a program that embeds the library has
its own readiness to tell.
"""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "NOTIFY_SOCKET"

_held: str | None = None


def hold() -> None:
    """Take the hold, where systemd waits for this process to be ready."""
    global _held  # noqa: PLW0603 - the process holds back the boot, not an object in it
    _held = os.environ.get(VARIABLE) or None


def holding() -> bool:
    """Whether systemd waits for us, so that no unit ordered after us can be started by the boot."""
    return _held is not None


def drop() -> None:
    """Forget the hold, and say nothing: systemd sees how this process ends."""
    global _held  # noqa: PLW0603 - see `hold`
    _held = None


def release() -> None:
    """Let the boot go on; nothing happens when nothing is held."""
    global _held
    address, _held = _held, None
    if address is None:
        return
    import socket  # noqa: PLC0415 - only at boot

    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(b"READY=1", address)
        except OSError:
            # Nobody listens: then nobody waits for us either, or the unit's own deadline ends the waiting.
            return
