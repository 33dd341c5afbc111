"""Another process that works on a component."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_SCRIPT: Final = """
import sys
from pathlib import Path
from fsm.engine.locks import ComponentLock
with ComponentLock(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def locked_elsewhere(state_dir: Path, name: str) -> Iterator[int]:
    """A process that holds the component's lock; its pid."""
    argv = [sys.executable, "-c", _SCRIPT, str(state_dir), name]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder.pid
        holder.communicate()
    assert holder.returncode == 0
