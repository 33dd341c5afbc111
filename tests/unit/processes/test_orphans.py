"""What a crashed updater left running is found and ended."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path

import pytest

from fsm.errors import StillRunning
from fsm.system.processes import Identity, boot_id, identify, with_environment
from fsm.system.shell import Child, end_orphans, orphans

pytestmark = [pytest.mark.needs_linux, pytest.mark.processes]


def test_orphans_of_a_killed_updater_are_ended(tmp_path: Path):
    """After kill -9 the recorded child, its group, and a grandchild that left it are found and ended; once."""
    marker = uuid.uuid4().hex
    script = f"""
        from pathlib import Path
        from fsm.system.shell import Shell
        def record(child):
            Path({str(tmp_path / "new")!r}).write_text(child.model_dump_json())
            Path({str(tmp_path / "new")!r}).rename({str(tmp_path / "child")!r})
        shell = Shell(marker={marker!r}, record=record, poll=lambda: None)
        shell.run(["sh", "-c", "trap '' TERM; setsid sleep 60 & sleep 60 & echo; sleep 60; sleep 60"], timeout=60)
    """
    updater = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    limit = time.monotonic() + 10
    while len(with_environment(f"FSM_RUN={marker}")) < 4 or not (tmp_path / "child").exists():
        assert time.monotonic() < limit
        time.sleep(0.01)
    updater.kill()
    updater.wait()
    child = Child.model_validate_json((tmp_path / "child").read_text())
    told = end_orphans([child], marker, grace=0.2)
    assert f"sh (pid {child.identity.pid})" in told
    assert len(told) == 4
    assert with_environment(f"FSM_RUN={marker}") == []
    assert end_orphans([child], marker, grace=0.2) == []


def test_an_orphan_whose_pid_was_given_out_again_is_left_alone():
    """A recorded child with another start time is somebody else."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        child = Child(identity=Identity(pid=other.pid, start_time=1, boot_id=boot_id()), argv0="git")
        assert end_orphans([child], uuid.uuid4().hex, grace=0) == []
        assert other.poll() is None
        other.kill()


def test_an_orphan_that_stays_is_an_error(monkeypatch: pytest.MonkeyPatch):
    """A step is not repeated beside an orphan that could not be ended."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        who = identify(other.pid)
        assert who is not None
        monkeypatch.setattr(orphans, "end", lambda *targets, **options: False)
        with pytest.raises(StillRunning, match=rf"still there after KILL: git \(pid {other.pid}\)"):
            end_orphans([Child(identity=who, argv0="git")], uuid.uuid4().hex, grace=0)
        other.kill()
