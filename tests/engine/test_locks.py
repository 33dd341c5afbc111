"""The lock of a component, where the host is in a bad state."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.engine.locks import ComponentLock
from fsm.errors import Busy, JournalError, Unsupported


@pytest.mark.needs_tmpfs
def test_a_full_disk_keeps_nobody_from_a_lock(tmp_path):
    """Who holds it could not be written down then; a resume has to go on all the same."""
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", str(state)], check=True)
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


@pytest.mark.needs_linux
def test_a_lock_that_another_system_refuses_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Off Linux nothing is locked, nothing stays open, and the second try says the same as the first."""
    before = os.listdir("/proc/self/fd")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        for _ in range(2):
            with pytest.raises(Unsupported, match="run updates on a Linux host"):
                ComponentLock(tmp_path, "a").__enter__()
    assert os.listdir("/proc/self/fd") == before
    with ComponentLock(tmp_path, "a"):
        pass


@pytest.mark.needs_linux
def test_a_file_system_without_locks_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As some network file systems are; nothing stays open."""

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(JournalError, match=r"cannot lock a: .*a\.lock: No locks available; put state_dir on a local"):
        ComponentLock(tmp_path, "a").__enter__()
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.needs_linux
def test_a_state_directory_that_cannot_be_made_is_explained(tmp_path: Path):
    """By the file that is in its way."""
    (tmp_path / "state").write_text("a file")
    with pytest.raises(JournalError, match=r"cannot lock a: .*check state_dir and its permissions"):
        ComponentLock(tmp_path / "state", "a").__enter__()


def fill(descriptor: int) -> None:
    """Write until the disk is full."""
    while os.write(descriptor, bytes(4096)):
        pass
