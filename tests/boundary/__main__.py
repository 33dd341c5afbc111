"""`make boundary`: attacks updates of components that belong to somebody else, and says what came of it."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from typing import Any, Final

from tests import series
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
    parser = series.options("tests.boundary", __doc__, "run", 2000)
    series.shared(parser, "run")
    parser.add_argument("--scene", default="", help="only scenes that have this in their names")
    parser.add_argument("--scenes", type=int, default=99, help="only so many of them, which the seed chooses")
    parser.add_argument("--containers", action="store_true", help="compose projects as well; needs a Docker engine")
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
    field = Field(ground)
    deck = field.deck(scenes, paths)
    chosen = f"-{len(scenes)}" if len(scenes) < len(every) else ""
    title = f"{given.seed}{given.scene}{chosen}"
    log = RESULTS / f"{title}-from-{given.first}.jsonl"
    if given.only is not None:
        trial = field.perform(deck.draw(given.seed, given.only))
        print(json.dumps(as_json(trial), indent=1), *trial.said, sep="\n")
        return [as_json(trial)]

    def perform(number: int) -> dict[str, Any]:
        return as_json(field.perform(deck.draw(given.seed, number)))

    series.go_on(log, given.first, given.runs, given.seconds, perform)
    logs = (series.known(path) for path in RESULTS.glob(f"{title}-from-*.jsonl"))
    return sorted((run for known in logs for run in known), key=lambda run: int(run["number"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
