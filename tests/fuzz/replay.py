"""Gives kept inputs to a target without a fuzzer: nothing is instrumented, so that time and memory are the product's.

Regressions are the inputs that once found something; the corpus is what reaches the most of the product.
"""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.fuzz.targets import target
from tests.fuzz.watch import Watch

HERE: Final = Path(__file__).resolve().parent
CORPUS: Final = HERE / "corpus"
REGRESSIONS: Final = HERE / "regressions"


def kept(name: str) -> list[Path]:
    """The inputs in the repository for a target."""
    return sorted(path for folder in (CORPUS, REGRESSIONS) for path in (folder / name).glob("*"))


def main(argv: list[str]) -> int:
    """Replay inputs; says of each what it found.

    Args:
        argv: the target, and files; without files, those in the repository.

    Returns:
        The exit code: 1 if something was found.
    """
    name, *given = argv
    found = replay(name, [Path(each).resolve() for each in given] or kept(name))
    for path, what in found.items():
        print(f"{name}: {path}: {what}")
    return 1 if found else 0


def replay(name: str, paths: Iterable[Path]) -> dict[Path, str]:
    """What was found, by input."""
    found: dict[Path, str] = {}
    with tempfile.TemporaryDirectory(prefix="fsm-fuzz-", ignore_cleanup_errors=True) as home:
        watch, chosen = Watch(Path(home)), target(name)
        for seed in chosen.seeds():  # what is imported late takes its time now
            chosen_run(watch, name, seed)
        for path in paths:
            if trouble := chosen_run(watch, name, path.read_bytes()):
                found[path] = trouble
    return found


def chosen_run(watch: Watch, name: str, data: bytes) -> str:
    """Why an input is a finding; empty if it is none."""
    try:
        watch.examine(target(name).run, data)
    except Exception:  # whatever it is, it is a finding
        return traceback.format_exc()
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
