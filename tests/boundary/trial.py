"""One attacked run: how it goes, and what must hold afterwards."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fsm.cli.codes import Code
from tests.boundary.armoury import Armoury
from tests.boundary.attacker import Attacker
from tests.boundary.canary import MARKERS, STICKY, Canary, differences, snapshot
from tests.boundary.drawing import KILLED, VERBS, Deck, Draw
from tests.boundary.ground import ATTACKER, NEIGHBOUR, Ground
from tests.boundary.plants import Arms
from tests.boundary.scenes import APP, OTHER, Scene, Site
from tests.boundary.verbs import Said, descendants, end_all, perform

_OVER: Final = frozenset({Code.DONE, Code.REFUSED, Code.ROLLED_BACK, Code.FAILED, Code.BUSY, Code.INTERRUPTED})
_STEERING: Final = frozenset(
    [
        *map(chr, range(32)),
        *map(chr, range(127, 160)),
        *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ]
) - {"\n", "\t", "\r"}
_SERVICES: Final = frozenset({"sleep", "sh"})
_MOST: Final = 8 << 20
_OTHERS: Final = "a secret of the neighbour's"
_APPS: Final = "a secret of the app's"


@dataclass
class Trial:
    """How a run went."""

    draw: Draw
    said: list[Said] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Field:
    """What all runs of a series have in common."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.armoury = Armoury(ground)
        self.canary = Canary(ground.canary, NEIGHBOUR)
        secrets = (ground.private / "token", ground.private / "fsm.toml", ground.host / "state" / "journal.db")
        other = ground.host / "homes" / OTHER
        self.arms, self.others_arms = (
            Arms(ground.canary, self.armoury.program, self.armoury.module, target, secrets)
            for target in (other, ground.host / "place" / APP)
        )

    def deck(self, scenes: Sequence[Scene], paths: Mapping[str, Sequence[str]]) -> Deck:
        """What runs of these scenes are drawn from."""
        there = {}
        for scene in scenes:
            template = self.ground.templates / scene.name
            ours = [path for path in paths[scene.name] if path.startswith("place/")]
            there[scene.name] = {path for path in ours if (template / path).parent.is_dir()}
        return Deck(scenes, paths, there, list(self.arms.targets))

    def perform(self, draw: Draw) -> Trial:
        """Do one run and judge it."""
        began = time.monotonic()
        ground, site, trial = self.ground, Site(self.ground, draw.scene), Trial(draw)
        ground.restore(draw.scene.name)
        ground.forget()
        site.configure()
        self.canary.rest()
        before = snapshot(site.other)
        attackers = [Attacker(ATTACKER, ground.host, self.arms, ground.loot)]
        attackers[0].begin(draw.deeds)
        if draw.second:
            attackers.append(Attacker(NEIGHBOUR, ground.host, self.others_arms, ground.loot))
            attackers[1].begin(draw.second)
        for index, words in enumerate(VERBS[draw.verb][1]):
            kill = draw.kill_after if draw.verb == KILLED and index == 0 else None
            trial.said.append(perform(ground.private, words, cwd=site.tree if draw.cwd else Path("/"), kill_after=kill))
        left = list(self._left({attacker.pid for attacker in attackers}))
        neighbour = [] if draw.second else differences(before, snapshot(site.other), "neighbour")
        if draw.neighbour:
            trial.said.append(perform(ground.private, ("update", OTHER)))
        for attacker in attackers:
            attacker.end()
        end_all(ground.ours)
        trial.violations = sorted({*self._judge(trial, site), *neighbour, *left})
        self._mend()
        trial.seconds = time.monotonic() - began
        return trial

    def _left(self, attackers: Set[int]) -> Iterator[str]:
        """Processes with more rights than an attacker's that should have ended with the command."""
        for _ in range(100):
            known = self.ground.ours | attackers
            found = {pid for pid, uid in descendants().items() if uid not in (ATTACKER, NEIGHBOUR)} - known
            called = {pid: name for pid in found if (name := _name(pid)) and name not in _SERVICES}
            if not called:
                return
            time.sleep(0.01)
        yield from (f"{name} was left running" for name in called.values())

    def _judge(self, trial: Trial, site: Site) -> Iterator[str]:
        yield from self.canary.harm()
        yield from self.canary.read()
        yield from self.armoury.wrong({ATTACKER, NEIGHBOUR} if trial.draw.second else {ATTACKER})
        yield from self.ground.loot.read_text(errors="replace").splitlines()
        for said in trial.said:
            yield from _of_command(said, may_fail=bool(trial.draw.second))
        yield from _of_files(site)

    def _mend(self) -> None:
        """Make the canary new where it is not what it was."""
        if self.canary.harm():
            shutil.rmtree(self.ground.canary)
            self.canary = Canary(self.ground.canary, NEIGHBOUR)
        for path in (self.ground.canary / STICKY).iterdir():
            if path.name != "roots":
                # Not even root may follow somebody's link in such a directory (fs.protected_symlinks).
                path.unlink() if path.is_symlink() or not path.is_dir() else shutil.rmtree(path)


def _of_command(said: Said, *, may_fail: bool) -> Iterator[str]:
    """What a command did not do as it should.

    Args:
        said: the command.
        may_fail: whether an update of the other component may fail: its own user spoils it.
    """
    verb = said.words[0] + f" {OTHER}" * (OTHER in said.words)
    if said.code is None:
        yield f"{verb}: did not end in time"
    elif not said.killed and said.code not in (_OVER if may_fail or OTHER not in said.words else {Code.DONE}):
        yield f"{verb}: ended with {said.code}"
    if "Traceback" in said.all:
        yield f"{verb}: a traceback"
    if odd := _STEERING.intersection(said.all):
        yield f"{verb}: prints {', '.join(sorted(map(repr, odd)))}"
    yield from (f"{verb}: prints {what}" for what, marker in MARKERS.items() if marker.decode() in said.all)


def _of_files(site: Site) -> Iterator[str]:
    """What lies where it should not."""
    homes, place = site.other.parent, site.parent
    strangers = {place: NEIGHBOUR, homes: ATTACKER}
    at_home = {_OTHERS: homes, _APPS: place}
    for folder, names, files in os.walk(site.ground.host):
        for name in (*names, *files):
            path = Path(folder, name)
            info = path.lstat()
            where = path.relative_to(site.ground.host).parts[0]
            if info.st_uid == 0 and info.st_mode & 0o6000 and not stat.S_ISLNK(info.st_mode):
                yield f"{where}: a file of root's with mode {stat.S_IMODE(info.st_mode):o}"
            if any(path.is_relative_to(tree) and info.st_uid == uid for tree, uid in strangers.items()):
                yield f"{where}: something of {info.st_uid}'s"
            if stat.S_ISREG(info.st_mode) and info.st_size <= _MOST:
                text = path.read_bytes()
                for what, marker in MARKERS.items():
                    if marker in text and not path.is_relative_to(at_home.get(what, path / "nowhere")):
                        yield f"{where}: has {what}"


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def as_json(trial: Trial) -> dict[str, Any]:
    """A trial as a line of a log."""
    return {
        "number": trial.draw.number,
        "scene": trial.draw.scene.name,
        "verb": trial.draw.verb,
        "deeds": [str(deed) for deed in (*trial.draw.deeds, *trial.draw.second)],
        "attackers": 2 if trial.draw.second else 1,
        "codes": [said.code for said in trial.said],
        "seconds": round(trial.seconds, 2),
        "violations": trial.violations,
    }
