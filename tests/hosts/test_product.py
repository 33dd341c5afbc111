"""The session of `examples/product`, pasted on a machine with systemd and a Docker engine."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.hosts.machine import Machine
from tests.hosts.packages import busybox
from tools import session

ROOT: Final = Path(__file__).resolve().parents[2]
NOTES: Final = "/root/notes"


@pytest.mark.needs_machine
@pytest.mark.timeout(600)
def test_the_product_is_updated_as_one():
    """A reader who pastes it as root gets what the page shows."""
    commands = session.commands((ROOT / "examples" / "product" / "README.md").read_text(encoding="utf-8"))
    with Machine.start("product", docker=True) as host:
        host.put(ROOT / "examples", "/srv/clone/examples")
        host.write("/bin/busybox", busybox().read_bytes(), mode=0o755)
        host.write("/root/session.sh", "".join(session.scripted(n, each) for n, each in enumerate(commands)))
        host.run("mkdir", "-p", NOTES)
        surroundings = {"CLONE": "/srv/clone", "NOTES": NOTES, "COLUMNS": "120", "LC_ALL": "C.UTF-8"}
        # The session outlives no hung command: the first one without an exit code is the one that is named.
        host.try_run("timeout", "450", "bash", "/root/session.sh", timeout=500, env=surroundings, stdin=b"")
        outcomes = [_outcome(host, number) for number in range(len(commands))]
    found = session.problems(commands, outcomes)
    assert not found, "\n\n".join(found)


def _outcome(host: Machine, number: int) -> session.Outcome:
    printed, code = (host.try_run("cat", f"{NOTES}/{number}.{end}") for end in ("out", "code"))
    return session.Outcome(printed.stdout, int(code.stdout) if code.returncode == 0 else None)
