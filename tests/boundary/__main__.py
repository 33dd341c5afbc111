"""`make boundary`: attacks updates of components that belong to somebody else, and says what came of it."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests.boundary import table
from tests.boundary.ground import Ground
from tests.boundary.scenes import CONTAINERS, SCENES
from tests.boundary.trial import Field, as_json
from tests.boundary.verbs import adopt, end_all
from tests.boundary.watch import ROOT, watched
from tests.hosts.engine import engine
from tests.hosts.kills import page

RESULTS: Final = ROOT / "build" / "boundary"


def main(argv: list[str]) -> int:
    """The command line. A series that was stopped goes on where it was: its runs are kept in `RESULTS`.

    Returns:
        The exit code: 1 if something happened that must not.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.boundary", description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--first", type=int, default=0, help="begin with this run: another process has the others")
    parser.add_argument("--only", type=int, help="this run alone, and all that its commands print")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so many")
    parser.add_argument("--scene", default="", help="only scenes that have this in their names")
    parser.add_argument("--scenes", type=int, default=99, help="only so many of them, which the seed chooses")
    parser.add_argument("--containers", action="store_true", help="compose projects as well; needs a Docker engine")
    parser.add_argument("--page", action="store_true", help="write the tables into docs/reliability.md")
    given = parser.parse_args(argv)
    RESULTS.mkdir(parents=True, exist_ok=True)
    if given.containers:
        os.environ.update(engine().env)
    ground = Ground()
    try:
        runs = _series(ground, given)
    finally:
        end_all()
        ground.close()
    print(table.text(runs, given.seed))
    if given.page:
        page.write({"boundary": table.text(runs, given.seed)})
    return 1 if any(run["violations"] for run in runs) else 0


def _series(ground: Ground, given: argparse.Namespace) -> list[dict[str, Any]]:
    adopt()
    every = (*SCENES, *(CONTAINERS if given.containers else ()))
    scenes = [scene for scene in every if given.scene in scene.name]
    if given.scenes < len(scenes):
        scenes = random.Random(given.seed).sample(scenes, given.scenes)
    paths = watched(ground, scenes, RESULTS)
    field, began = Field(ground), time.monotonic()
    deck = field.deck(scenes, paths)
    chosen = f"-{len(scenes)}" if len(scenes) < len(every) else ""
    series = f"{given.seed}{given.scene}{chosen}"
    log = RESULTS / f"{series}-from-{given.first}.jsonl"
    if given.only is not None:
        trial = field.perform(deck.draw(given.seed, given.only))
        print(json.dumps(as_json(trial), indent=1), *trial.said, sep="\n")
        return [as_json(trial)]
    with log.open("a") as lines:
        for number in range(given.first + len(_known(log)), given.runs):
            if time.monotonic() - began > given.seconds:
                break
            print(json.dumps(as_json(field.perform(deck.draw(given.seed, number)))), file=lines, flush=True)
    logs = (_known(path) for path in RESULTS.glob(f"{series}-from-*.jsonl"))
    return sorted((run for known in logs for run in known), key=lambda run: int(run["number"]))


def _known(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
