"""Runs an installer in bounds: so many bytes in these directories, and only these variables.

A program of its own, run as ``python -I -S bounded.py BOUNDS PROGRAM ARGUMENT...``; BOUNDS is JSON:
``{"limits": {DIRECTORY: BYTES}, "keep": [VARIABLE]}``. What the program unpacks cannot be known beforehand where it
comes from an index, so it is measured while it grows. It ends with the program's exit code, or with `TOO_LARGE`.

It imports the standard library only: it is started for every build, and must not load the updater.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

TOO_LARGE = 75
_PERIOD = 0.2


def size_of(directory: str) -> int:
    """Bytes below a directory; links are not followed, and what disappears meanwhile counts nothing."""
    size, waiting = 0, [directory]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
        except OSError:  # a builder removes what it no longer needs
            continue
    return size


def _confine(largest: int) -> None:
    """No single file larger than that: it would be written before anybody looks again."""
    try:
        import resource  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    bounds = [each for each in (soft, hard, largest) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_FSIZE, (min(bounds), hard))


def main(bounds: str, argv: list[str]) -> int:
    """Run the program; the answer is its exit code."""
    asked = json.loads(bounds)
    limits: dict[str, int] = asked["limits"]
    environ = {name: os.environ[name] for name in asked["keep"] if name in os.environ}
    if limits:
        _confine(max(limits.values()))
    child = subprocess.Popen(argv, env=environ)
    pause = _PERIOD
    while True:
        try:
            code = child.wait(pause)
        except subprocess.TimeoutExpired:
            code = None
        begun = time.monotonic()
        if any(size_of(directory) > limit for directory, limit in limits.items()):
            child.kill()
            child.wait()
            return TOO_LARGE
        pause = max(_PERIOD, 10 * (time.monotonic() - begun))
        if code is not None:
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
