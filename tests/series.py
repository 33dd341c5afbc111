"""A long series of trials with a seed: its options, and a log by which one that was stopped goes on where it was."""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def options(program: str, doc: str | None, one: str, count: int, of: str | None = None) -> argparse.ArgumentParser:
    """The options that every series has.

    Args:
        program: the module that `python -m` runs.
        doc: what it does.
        one: what a trial is called; with an s, the option for how many.
        count: how many there are by default.
        of: of what so many are made.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=doc)
    parser.add_argument(f"--{one}s", type=int, default=count, help=of)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--only", type=int, help=f"this {one} alone, and all that it says")
    parser.add_argument("--page", action="store_true", help="write the tables into docs/reliability.md")
    return parser


def shared(parser: argparse.ArgumentParser, one: str) -> None:
    """Add the options of a series that several processes make together."""
    parser.add_argument("--first", type=int, default=0, help=f"begin with this {one}: another process has the others")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so many")


def go_on(log: Path, first: int, count: int, seconds: float, perform: Callable[[int], Mapping[str, Any]]) -> None:
    """Make the trials from `first` to `count` that the log does not have yet, for at most so many seconds."""
    began = time.monotonic()
    with log.open("a", encoding="utf-8") as lines:
        for number in range(first + len(known(log)), count):
            if time.monotonic() - began > seconds:
                break
            print(json.dumps(perform(number)), file=lines, flush=True)


def known(log: Path) -> list[dict[str, Any]]:
    """The trials of a log; none where there is no log yet."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
