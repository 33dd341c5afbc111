"""What a killed updater left half written in the places where this adapter writes.

A step sweeps where it is about to write, so that a resume removes what the attempt before it left, and no later one
has to ask whose it was.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from fsm.errors import Refused
from fsm.system import files


def sweep(*directories: Path) -> None:
    """Remove abandoned temporary files from directories of our own; missing ones are fine."""
    for directory in directories:
        if directory.is_dir():
            files.sweep_temporaries(directory)


def sweep_foreign(directory: Path) -> None:
    """The same in a directory that others write to as well: what cannot be removed there is theirs."""
    with suppress(OSError, Refused):
        sweep(directory)
