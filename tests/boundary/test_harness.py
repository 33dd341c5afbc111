"""The harness itself: whatever an updater could do wrong is noticed, and what it does right is not blamed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.boundary.armoury import Armoury
from tests.boundary.attacker import Attacker, Deed
from tests.boundary.canary import MARKERS, OPEN, STICKY, Canary
from tests.boundary.drawing import Deck
from tests.boundary.ground import ATTACKER, NEIGHBOUR, Ground, on_ground
from tests.boundary.plants import KINDS, Arms, plant
from tests.boundary.scenes import LAYOUTS, OTHER, Scene

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_root]


HARM: dict[str, Callable[[Path], object]] = {
    "canary/file has another size, content": lambda canary: _keeping_times(canary / "file", b"?"),
    "canary/file has another mode": lambda canary: (canary / "file").chmod(0o666),
    "canary/secret has another owner": lambda canary: os.chown(canary / "secret", ATTACKER, ATTACKER),
    "canary/dir/one is gone": lambda canary: (canary / "dir/one").unlink(),
    "canary/dir/new is new": lambda canary: (canary / "dir/new").touch(),
    "canary/link is gone": lambda canary: (canary / "link").unlink(),
    "canary/empty has another": lambda canary: os.utime(canary / "empty"),
    "canary/open has another mode": lambda canary: (canary / OPEN).chmod(0o600),
    "canary/sticky/mine is new": lambda canary: (canary / STICKY / "mine").touch(),
    "canary/program has another mode": lambda canary: os.chown(canary / "program", 0, 0),
    "canary/fifo is gone": lambda canary: (canary / "fifo").rename(canary / STICKY / "fifo"),
}


def _keeping_times(path: Path, data: bytes) -> None:
    info = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


@pytest.mark.parametrize("told", HARM)
def test_harm_is_noticed(told: str):
    """Bytes, modes, owners, times, and what is gone or new."""

    def body(ground: Ground) -> None:
        canary = Canary(ground.canary, NEIGHBOUR)
        HARM[told](ground.canary)
        assert any(line.startswith(told) for line in canary.harm()), canary.harm()

    on_ground(body)


def test_another_name_of_what_everybody_may_write_is_no_harm():
    """Also in a directory where everybody may have one: whoever gave it that name, root need not have."""

    def body(ground: Ground) -> None:
        canary = Canary(ground.canary, NEIGHBOUR)
        os.link(ground.canary / OPEN, ground.canary / STICKY / "name")
        assert canary.harm() == []
        os.link(ground.canary / "file", ground.canary / STICKY / "other")
        assert "canary/sticky/other is new, of 0" in canary.harm()

    on_ground(body)


def test_what_only_root_may_read_is_noticed():
    """Reading leaves a time of access, looking for harm leaves none."""

    def body(ground: Ground) -> None:
        canary = Canary(ground.canary, NEIGHBOUR)
        assert canary.harm() == canary.read() == []
        (ground.canary / "secret").read_bytes()
        list((ground.canary / "private").iterdir())
        assert canary.read() == ["canary/secret was read", "canary/private was read"]
        canary.rest()
        assert canary.harm() == canary.read() == []

    on_ground(body)


def test_who_runs_a_program_is_noticed():
    """As root, or with a variable of the updater's; as the attacker it may run."""

    def body(ground: Ground) -> None:
        armoury = Armoury(ground)
        as_attacker = partial(subprocess.run, user=ATTACKER, group=ATTACKER, extra_groups=[], check=True)
        as_attacker([armoury.program], env={}, stdout=subprocess.DEVNULL)
        assert len(armoury.said()) == 1
        assert armoury.wrong() == []
        assert armoury.wrong({NEIGHBOUR}) == [f"program ran as {ATTACKER}"]
        secret = MARKERS["the updater's environment"].decode()
        as_attacker([armoury.program], env={"A": secret}, stdout=subprocess.DEVNULL)
        subprocess.run(["python3", armoury.module], check=True)
        subprocess.run([armoury.program], env={}, check=True, stdout=subprocess.DEVNULL)
        assert armoury.wrong() == [
            "module.py ran as root",
            "program ran as root",
            "program was given the updater's environment",
        ]

    on_ground(body)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plant_grows_and_is_no_harm_itself(kind: str):
    """Each kind changes what the attacker has, and nothing that he has not."""

    def body(ground: Ground) -> None:
        canary, armoury = Canary(ground.canary, NEIGHBOUR), Armoury(ground)
        arms = Arms(ground.canary, armoury.program, armoury.module, ground.canary / "dir", ())
        home = ground.host / "home"
        home.mkdir(parents=True)
        subprocess.run(["git", "init", "--quiet", str(home)], check=True)
        (home / "it").write_text('{"path": "a/b"}')
        subprocess.run(["chown", "-R", f"{ATTACKER}:{ATTACKER}", str(home)], check=True)
        before = subprocess.run(["ls", "-laR", home], capture_output=True, check=True).stdout
        attacker = Attacker(ATTACKER, ground.host, arms, ground.loot)
        attacker.begin([Deed("home/it", kind, "before")])
        attacker.end()
        after = subprocess.run(["ls", "-laR", home], capture_output=True, check=True).stdout
        # Kernels keep second names of secrets from those who may not read them.
        assert (before != after) == (kind != "hard link to a secret")
        assert canary.harm() == canary.read() == []

    on_ground(body)


def test_two_users_attack_what_is_theirs():
    """The second one is drawn for a part of the runs, and keeps to the tree of the other component."""
    scenes = [Scene("python_app", layout, False) for layout in LAYOUTS]
    known = (
        "place/app",
        "place/app/data",
        "place/app/.git",
        "place/.app.fsm/one.json",
        "place/.app.fsm",
        "place/apple",
    )
    paths = {scene.name: known for scene in scenes}
    deck = Deck(scenes, paths, {name: set(found) for name, found in paths.items()}, ["a file"])
    draws = [deck.draw(1, number) for number in range(200)]
    second = [deed.path for draw in draws for deed in draw.second]
    assert 10 < sum(bool(draw.second) for draw in draws) < 90
    assert all(draw.neighbour for draw in draws if draw.second)
    his = {path.removeprefix("homes/").partition("/")[0] for path in second if path != "place/apple"}
    assert his == {OTHER, f".{OTHER}.fsm"}


def test_an_exchange_goes_on_and_on():
    """A path is a directory, then a link, then a directory, thousands of times a second."""

    def body(ground: Ground) -> None:
        Canary(ground.canary, NEIGHBOUR)
        armoury = Armoury(ground)
        arms = Arms(ground.canary, armoury.program, armoury.module, ground.canary / "dir", ())
        home = ground.host / "home"
        (home / "data").mkdir(parents=True)
        os.chown(home, ATTACKER, ATTACKER)
        os.chown(home / "data", ATTACKER, ATTACKER)
        attacker = Attacker(ATTACKER, ground.host, arms, ground.loot)
        attacker.begin([Deed("home/data", "link to a directory", "exchange")])
        seen: list[bool] = []
        until = time.monotonic() + 20
        while time.monotonic() < until and len(seen) < 20:
            if (now := (home / "data").is_symlink()) not in seen[-1:]:
                seen.append(now)
        attacker.end()
        assert len(seen) == 20

    on_ground(body)


def test_an_attacker_waits_for_nobody():
    """The other one has put a pipe where a record is to be changed."""

    def body(ground: Ground) -> None:
        armoury = Armoury(ground)
        arms = Arms(ground.canary, armoury.program, armoury.module, ground.canary, ())
        ground.host.mkdir()
        os.mkfifo(ground.host / "it")
        os.chown(ground.host / "it", ATTACKER, ATTACKER)
        attacker = Attacker(ATTACKER, ground.host, arms, ground.loot)
        begun = time.monotonic()
        attacker.begin([Deed("it", "record", "before")])
        attacker.end()
        assert time.monotonic() - begun < 60

    on_ground(body)


def test_a_plant_that_may_not_be_made_is_no_error(tmp_path: Path):
    """What the attacker may not do is what protects the host."""
    plant("record", tmp_path / "missing", Arms(tmp_path, tmp_path, tmp_path, tmp_path, ()))
    assert list(tmp_path.iterdir()) == []
