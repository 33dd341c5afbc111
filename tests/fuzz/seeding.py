"""Writes a target's seeds and dictionary for libFuzzer."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.fuzz.targets import target


def write(name: str, seeds: str, dictionary: str) -> None:
    """Each seed a file, each word a line in quotes with escapes."""
    folder, words = Path(seeds).resolve(), Path(dictionary).resolve()
    with tempfile.TemporaryDirectory(prefix="fsm-fuzz-") as home:
        os.chdir(home)
        for number, seed in enumerate(target(name).seeds()):
            (folder / f"seed-{number}").write_bytes(seed)
        os.chdir("/")
    lines = ["".join(f"\\x{byte:02x}" for byte in word) for word in target(name).WORDS]
    words.write_text("".join(f'"{line}"\n' for line in lines))
