"""What is drawn for an attacked run: a scene, commands, and what the attacker does meanwhile. Same seed, same run."""

from __future__ import annotations

import fnmatch
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from tests.boundary.attacker import Deed, Moment
from tests.boundary.plants import KINDS
from tests.boundary.scenes import APP, OTHER, Scene

Words = tuple[str, ...]

VERBS: Final[dict[str, tuple[int, tuple[Words, ...]]]] = {
    "update": (4, (("update", APP),)),
    "update, rollback": (2, (("update", APP), ("rollback", APP))),
    "update, killed, resume": (3, (("update", APP), ("resume",))),
    "rollback": (2, (("rollback", APP),)),
    "rollback, data": (
        2,
        (("rollback", APP, "--data", "keep"), ("data", APP, "list"), ("data", APP, "bring-back", "1")),
    ),
    "doctor": (1, (("doctor",),)),
    "status": (1, (("status",),)),
    "plan": (1, (("plan", APP),)),
}
"""What is done, with its share of the runs."""

KILLED: Final = "update, killed, resume"

MOMENTS: Final[Mapping[Moment, int]] = {"before": 8, "exchange": 8, "when there": 4, "when missing": 1}

CLASSICS: Final[tuple[tuple[str, str], ...]] = (
    ("filled link", "place/app/.git"),
    ("filled link", "place/app"),
    ("filled link", "place/app/data"),
    ("filled link", "place/.app.fsm"),
    ("compose file", "place/app/docker-compose.yml"),
    ("fifo", "place/app/docker-compose.yml"),
    ("link to a secret", "place/app/docker-compose.yml"),
    ("link to a secret", "place/app/.env"),
    ("git settings", "place/app/.git"),
    ("git objects elsewhere", "place/app/.git"),
    ("programs", "place/app"),
    ("programs", "place/.app.fsm/envs/*"),
    ("program", "place/.app.fsm/envs/*/bin/python*"),
    ("program", "place/app/*.sh"),
    ("program", "place/app/migrate.py"),
    ("program", "place/.app.fsm/run-2/tree/migrate.py"),
    ("record", "place/.app.fsm/*.json"),
    ("record", "place/.app.fsm/*.inventory"),
    ("fifo", "place/app/VERSION"),
    ("fifo", "place/app/.git"),
    ("fifo", "place/app/.git/HEAD"),
    ("fifo", "place/app/data/log"),
    ("fifo", "place/app/.env"),
    ("fifo", "place/.app.fsm/*.json"),
    ("link to a device", "place/app/VERSION"),
    ("link to a device", "place/app/.env"),
    ("link to a secret", "place/app/VERSION"),
    ("link to a secret", "place/app/.git/HEAD"),
    ("link to a secret", "place/.app.fsm/*.json"),
    ("link to an environment", "place/app/VERSION"),
    ("hostile words", "place/app/VERSION"),
    ("hostile words", "place/app/.git/HEAD"),
    ("hostile names", "place/app"),
    ("hostile names", "place/app/data"),
    ("sparse file", "place/app/data/log"),
    ("link to an empty directory", "place/app/conf"),
    ("link to nothing yet", "place/app/conf/second"),
    ("link to a directory", "place/app/.git/objects/*"),
    ("link to a directory", "place/app/.git/refs/*"),
    ("link to a directory", "place/.app.fsm/run-*"),
    ("link to a directory", "place/.app.fsm/aside"),
    ("link to a directory", "place/.app.fsm/backups"),
    ("link to a private directory", "place/app/data"),
)
"""What every attacker would try first, in half of the deeds; the paths are those of the watched ones that match."""

_EXCHANGED: Final = ("fifo", "directory", "file", "program", "nothing", "socket")
_DIRECTORIES: Final = ("place/app", "place/app/*", "place/app/data/*", "place/.app.fsm*", "place/.app.fsm/*/*")
_LINKS: Final = ("a directory", "an empty directory", "a private directory", "the neighbour's tree")
_LONGEST: Final = 3.0
_SECOND: Final = 0.2
"""The share of runs in which the other component's user attacks as well."""

_TREE: Final = re.compile(rf"^place/(\.?){APP}(?=[./]|$)")


@dataclass(frozen=True)
class Draw:
    """All that is needed to have a run again.

    Attributes:
        cwd: whether the commands are typed in the component's tree.
        neighbour: whether the other component is updated afterwards, while the attack goes on.
        kill_after: seconds after which an update is killed.
        second: what the other component's user does meanwhile, to what is his; often nothing.
    """

    number: int
    scene: Scene
    verb: str
    deeds: tuple[Deed, ...]
    cwd: bool
    neighbour: bool
    kill_after: float
    second: tuple[Deed, ...] = ()


class Deck:
    """What runs are drawn from.

    Args:
        scenes: the scenes.
        paths: for each by its name the paths that are touched.
        there: for each those that exist before a run, or could be made.
        targets: what links can lead to.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        paths: Mapping[str, Sequence[str]],
        there: Mapping[str, Set[str]],
        targets: Sequence[str],
    ) -> None:
        self._scenes, self._paths, self._there = scenes, paths, there
        self._links = [f"link to {target}" for target in targets]

    def draw(self, seed: int, number: int) -> Draw:
        """Draw a run."""
        rng = Random(f"{seed} {number}")
        scene = rng.choices(self._scenes, [1 if scene.rich else 2 for scene in self._scenes])[0]
        verb = rng.choices(list(VERBS), [share for share, _ in VERBS.values()])[0]
        deeds = (*self._plants(rng, scene.name), *self._others(rng, scene.name))
        kill_after = rng.uniform(0.05, _LONGEST if scene.rich else _LONGEST / 2)
        cwd, neighbour = rng.random() < 0.3, rng.random() < 0.3
        second = tuple(self._second(rng)) if rng.random() < _SECOND else ()
        return Draw(number, scene, verb, deeds, cwd, neighbour or bool(second), kill_after, second)

    def _second(self, rng: Random) -> Iterator[Deed]:
        """Plants in the other component, an app whose paths are those of the first scene's."""
        likeness = next((scene.name for scene in self._scenes if scene.kind == "python_app"), None)
        for deed in self._plants(rng, likeness) if likeness else ():
            yield replace(deed, path=_TREE.sub(rf"homes/\1{OTHER}", deed.path))

    def _plants(self, rng: Random, scene: str) -> Iterator[Deed]:
        """Plants; what is exchanged is exchanged in several places at once."""
        for _ in range(rng.choice((1, 2, 2, 3, 4))):
            moment = rng.choices(list(MOMENTS), list(MOMENTS.values()))[0]
            if moment == "exchange":
                yield from self._exchanges(rng, scene)
            elif rng.random() < 0.5:
                kind, path = self._classic(rng, scene, there=moment == "before")
                yield Deed(path, kind, moment)
            else:
                path = self._anywhere(rng, scene, there=moment == "before")
                yield Deed(path, rng.choice(self._links if rng.random() < 0.5 else list(KINDS)), moment)

    def _exchanges(self, rng: Random, scene: str) -> Iterator[Deed]:
        for _ in range(rng.choice((1, 2, 4))):
            if rng.random() < 0.6:
                found = [path for path in self._paths[scene] if any(fnmatch.fnmatch(path, one) for one in _DIRECTORIES)]
                yield Deed(rng.choice(found), f"link to {rng.choice(_LINKS)}", "exchange")
            else:
                kinds = self._links if rng.random() < 0.7 else _EXCHANGED
                yield Deed(self._anywhere(rng, scene, there=False), rng.choice(kinds), "exchange")

    def _classic(self, rng: Random, scene: str, *, there: bool) -> tuple[str, str]:
        paths = self._there[scene] if there else self._paths[scene]
        able = {
            (kind, pattern): found
            for kind, pattern in CLASSICS
            if (found := sorted(path for path in paths if fnmatch.fnmatch(path, pattern)))
        }
        if not able:
            return rng.choice(self._links), self._anywhere(rng, scene, there=there)
        (kind, _), found = rng.choice(list(able.items()))
        return kind, rng.choice(found)

    def _anywhere(self, rng: Random, scene: str, *, there: bool) -> str:
        """One of the paths; each level of the tree and each directory of a level has the same share."""
        folders: defaultdict[str, list[str]] = defaultdict(list)
        for path in sorted(self._there[scene]) if there else self._paths[scene]:
            if path.startswith("place/"):
                folders[os.path.dirname(path)].append(path)
        levels = Counter(folder.count("/") for folder in folders)
        chosen = rng.choices(list(folders), [1 / levels[folder.count("/")] for folder in folders])[0]
        return rng.choice(folders[chosen])

    def _others(self, rng: Random, scene: str) -> Iterator[Deed]:
        """What is done to locks and processes."""
        state = [path for path in self._paths[scene] if path.startswith("state/")]
        if rng.random() < 0.1:
            yield from (Deed(path, "lock", "locks") for path in rng.sample(state, min(len(state), 20)))
        more: tuple[tuple[Moment, float], ...] = (("spy", 0.1), ("kill", 0.04), ("stop", 0.04))
        for moment, share in more:
            if rng.random() < share:
                yield Deed("", moment, moment)
