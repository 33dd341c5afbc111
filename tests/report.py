"""`make report`: `docs/reliability.md` and `docs/benchmarks.md` anew, from one commit on one machine.

Each series writes its own table, as it does when it is called alone. What the tables were made from is packed into
`build/report/`. A night and a day of a machine that has nothing else to do; `--share 0.01` shows in minutes that all of
it works.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks import host
from tests.hosts.kills import page

ROOT: Final = Path(__file__).resolve().parents[1]
BUILD: Final = ROOT / "build"


class Part(NamedTuple):
    """A series.

    Attributes:
        name: of the directory in `build` that has what it found, too.
        trials: how many trials, or seconds, a whole report has.
        commands: what run it and write its tables, with places for the count and the seed.
    """

    name: str
    trials: int
    commands: tuple[str, ...]


PARTS: Final = (
    Part("powercut", 500, ("tests.powercut --page --cuts {count} --seed {seed}",)),
    Part("sweep", 3000, ("tests.sweep --page --cases {count} --seed {seed}",)),
    Part("boundary", 2000, ("tests.boundary --page --containers --runs {count} --seed {seed}",)),
    Part(
        "hostkills",
        60,
        (
            "tests.hosts.kills --page --kills {count} --seed {seed}",
            "tests.hosts.kills --page --kills {count} --seed {seed} --disk ext4",
            "tests.hosts.kills --page --kills {count} --seed {seed} --disk xfs",
        ),
    ),
    Part("fuzz", 3600, ("tests.fuzz --seconds {count} --seed {seed}", "tests.fuzz --page")),
    Part("figures", 1, ("benchmarks --check",)),
)


def main(argv: list[str]) -> int:
    """The command line.

    Returns:
        The exit code: 1 if a series found something, or a limit was missed.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.report", description=__doc__)
    names = [part.name for part in PARTS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all by default")
    parser.add_argument("--share", type=float, default=1.0, help="of the trials of a whole report")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    given = parser.parse_args(argv)
    if unknown := set(given.names) - set(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if _git("status", "--porcelain"):
        parser.error("the checkout has changes, and a report is of one commit: commit or stash them")
    parts = [part for part in PARTS if part.name in (given.names or names)]
    about, lines = host.describe(ROOT), ["| series | trials or seconds | took | exit code |", "|---|--:|--:|--:|"]
    codes = set()
    for part in parts:
        shutil.rmtree(BUILD / part.name, ignore_errors=True)
        count, begun = max(1, round(part.trials * given.share)), time.monotonic()
        code = perform(part, count, given.seed)
        codes.add(code)
        lines.append(f"| `{part.name}` | {count:,} | {(time.monotonic() - begun) / 60:.0f} min | {code} |")
    page.write({"report": f"{about}. Seed {given.seed}.\n\n" + "\n".join(lines)})
    print(f"what the tables were made from: {_pack(parts)}", *lines, sep="\n")
    return 1 if codes - {0} else 0


def perform(part: Part, count: int, seed: int) -> int:
    """Run all of a series, whatever is found; returns an exit code that is not 0 if there is one."""
    codes = [_run(command.format(count=count, seed=seed)) for command in part.commands]
    return max(codes, key=abs)  # that of a program that was killed is below 0


def _run(command: str) -> int:
    print(f"python -m {command}", flush=True)
    return subprocess.run([sys.executable, "-m", *command.split()], cwd=ROOT, check=False).returncode


def _pack(parts: list[Part]) -> Path:
    target = BUILD / "report" / f"{_git('rev-parse', '--short', 'HEAD')}.tar.gz"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:gz") as archive:
        for part in parts:
            if (BUILD / part.name).is_dir():
                archive.add(BUILD / part.name, part.name)
    return target


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
