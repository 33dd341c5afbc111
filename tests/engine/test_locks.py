"""The lock of a component, where the host is in a bad state."""

from __future__ import annotations

import os
import subprocess

import pytest

from fsm.engine.locks import ComponentLock
from fsm.errors import Busy


@pytest.mark.needs_tmpfs
def test_a_full_disk_keeps_nobody_from_a_lock(tmp_path):
    """Who holds it could not be written down then; a resume has to go on all the same."""
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(state)], check=True)
    try:
        with ComponentLock(state, "a"):
            assert f"process {os.getpid()}" in str(ComponentLock(state, "a").running())
        ballast = os.open(state / "ballast", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError, match="No space"):
            fill(ballast)
        os.close(ballast)
        with ComponentLock(state, "a"), pytest.raises(Busy, match="has not identified itself"):
            ComponentLock(state, "a").__enter__()
        with ComponentLock(state, "a"):
            pass
    finally:
        subprocess.run(["umount", "--lazy", str(state)], check=True)


def fill(descriptor: int) -> None:
    """Write until the disk is full."""
    while os.write(descriptor, bytes(4096)):
        pass
