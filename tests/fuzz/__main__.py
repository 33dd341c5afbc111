"""`make fuzz`: fuzzes the product's readers, and says what came of it.

What an earlier series found in the way of inputs is kept in `build/fuzz` and gone on with; `--keep` puts the best of it
into the repository.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from tests.fuzz import series
from tests.fuzz.targets import NAMES

ROOT: Final = Path(__file__).resolve().parents[2]
PLACE: Final = ROOT / "build" / "fuzz"


def main(argv: list[str]) -> int:
    """The command line.

    Returns:
        The exit code: 1 if something was found.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one or several of: {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each of them")
    parser.add_argument("--seed", type=int, default=0, help="the same inputs in the same order; 0 draws one")
    parser.add_argument("--place", type=Path, default=PLACE, help="where inputs and results are kept")
    parser.add_argument("--keep", action="store_true", help="minimise the corpus into the repository, fuzz nothing")
    parser.add_argument("--page", action="store_true", help="write the table into docs/reliability.md, fuzz nothing")
    given = parser.parse_args(argv)
    if unknown := set(given.targets) - set(NAMES):
        parser.error(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    names = given.targets or list(NAMES)
    if given.page:
        series.write_page(given.place)
        return 0
    found = 0
    for name in names:
        if given.keep:
            print(series.keep(name, given.place), flush=True)
        else:
            result = series.fuzz(name, given.place, given.seconds, given.seed)
            print(result.line(), flush=True)
            found += len(result.findings)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
