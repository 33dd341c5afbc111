"""Asking a program: what it answers, and that it ends."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

import pytest

from fsm.system.shell import Asked, ask
from tests.family import OF_THE_C_LIBRARY, in_background

pytestmark = [pytest.mark.needs_linux, pytest.mark.processes]


def test_a_question_hears_that_it_is_to_end():
    """A program that waits for ever is ended as soon as whoever asks is to stop."""

    def check() -> None:
        raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ask(["sleep", "1000"], timeout=900, check=check)
    assert time.monotonic() - begun < 60


def test_what_is_asked_has_its_signals_as_well():
    """A question is a program like any other."""
    with in_background():
        _, ignored = ask(["grep", "SigIgn", "/proc/self/status"]).out.split()
    assert int(ignored, 16) & ~OF_THE_C_LIBRARY == 0


ENDLESS: Final = """
import sys
from pathlib import Path
from fsm.errors import CommandFailed, DeadlineExceeded
from fsm.system.shell import ask
try:
    ask(["sh", "-c", f"yes {sys.argv[1]}"], timeout=3, limit=1 << 20)
except (CommandFailed, DeadlineExceeded) as error:
    peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    print(type(error).__name__, int(peak) >> 10)
"""
"""Asks a program that never ends; tells how that ended, and the most memory that it ever had, in MiB.

`ru_maxrss` would be that of whoever started it as well: it outlives exec.
"""


@pytest.mark.parametrize(("where", "ended"), [("", "CommandFailed"), (">&2", "DeadlineExceeded")])
def test_a_program_that_writes_for_ever_is_ended(where: str, ended: str):
    """What it says is not kept for as long as it may take: a link to /dev/zero is enough to have `cat` do so."""
    done = subprocess.run(
        [sys.executable, "-c", ENDLESS, where], capture_output=True, text=True, check=False, timeout=100
    )
    how, memory = done.stdout.split()
    assert how == ended
    assert int(memory) < 200


def test_an_answer_is_whole_however_long_it_takes():
    """In parts, on both descriptors, from a child that goes on after it has closed them."""
    program = "for i in 1 2 3; do echo $i; echo no $i >&2; sleep 0.05; done; exec >&- 2>&-; sleep 0.3; exit 3"
    assert ask(["sh", "-c", program]) == Asked(3, b"1\n2\n3\n", "no 3")
