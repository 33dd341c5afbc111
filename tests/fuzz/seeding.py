"""Writes a target's seeds and dictionary for libFuzzer."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.targets import Target


def write(chosen: Target, seeds: Path, dictionary: Path) -> None:
    """Each seed a file, each word a line in quotes with escapes. Seeds are made in the working directory."""
    seeds.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(chosen.seeds()):
        (seeds / f"seed-{number}").write_bytes(seed)
    lines = ["".join(f"\\x{byte:02x}" for byte in word) for word in chosen.WORDS]
    dictionary.write_text("".join(f'"{line}"\n' for line in lines))
