"""How a process ended, in words."""

from __future__ import annotations

import pytest

from fsm.system.exit_codes import exited


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exited with code 0"),
        (3, "exited with code 3"),
        (127, "exited with code 127 (command not found)"),
        (128, "exited with code 128"),
        (129, "exited with code 129"),
        (137, "exited with code 137 (SIGKILL)"),
        (-15, "was killed by SIGTERM"),
        (-200, "was killed by signal 200"),
    ],
)
def test_how_a_process_ended_is_said_in_words(code: int, words: str):
    """With what a code means, if everybody means the same; git's 129 is its own."""
    assert exited(code) == words
