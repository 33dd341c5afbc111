"""``python -m benchmarks [NAME...] [--quick] [--check] [--place DIR]``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks import host, page
from benchmarks.figures import Figure
from benchmarks.rig import ROOT, Bench

NAMES: Final = (
    "journal",
    "resume",
    "downtime",
    "users",
    "before",
    "containers",
    "checkouts",
    "served",
    "backup",
    "startup",
    "hashing",
    "github",
    "scale",
    "curves",
)


def run(name: str, bench: Bench) -> list[Figure]:
    """Perform one benchmark."""
    measure: Callable[[Bench], list[Figure]] = import_module(f"benchmarks.{name}").measure
    return measure(bench)


def main(arguments: Sequence[str] | None = None) -> int:
    """Perform benchmarks, print their tables, and write them into the page.

    Returns:
        1 when a limit was missed and `--check` was given, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="only see that it works; nothing is written")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a limit is missed")
    parser.add_argument("--place", type=Path, default=ROOT / "build" / "benchmarks", help="where to measure")
    given = parser.parse_args(arguments)
    for name in given.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name!r}; there are {', '.join(NAMES)}")
    bench = Bench(given.place, quick=given.quick)
    missed = 0
    for name in given.names or NAMES:
        print(f"\n{name}", flush=True)
        machine = host.describe(bench.place)
        figures = run(name, bench)
        print(page.table(figures), flush=True)
        missed += sum(figure.ok is False for figure in figures)
        if not bench.quick:
            page.write(name, figures, machine)
            _keep(name, figures, machine)
    return 1 if given.check and missed else 0


def _keep(name: str, figures: list[Figure], machine: str) -> None:
    """Have the numbers of the newest table for programs, in `build/figures`."""
    target = ROOT / "build" / "figures" / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine, "figures": [asdict(figure) for figure in figures]}
    target.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
