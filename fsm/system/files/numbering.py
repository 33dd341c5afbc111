"""The numbers of runs in the names of what runs have left: ``run-7``, ``1.1.0@7``, ``7``, ``7.json``."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"(?:|run-|.*@)(?P<number>[0-9]{1,9})(?:\.[a-z]+)?")


def highest_number(*directories: Path) -> int:
    """The highest number of a run in the names in some directories; 0 if there is none.

    A directory that is not there, or cannot be read, has none: a step that needs it says so.
    """
    numbers = [0]
    for directory in directories:
        with suppress(OSError):
            found = (_NAME.fullmatch(name) for name in os.listdir(directory))
            numbers += [int(match["number"]) for match in found if match]
    return max(numbers)
