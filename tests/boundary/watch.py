"""Which paths the updater touches: a run's own system calls say it, so that a new step cannot be forgotten.

``strace`` watches every process of a few undisturbed commands. What lies beside, in or below the component's tree, and
in the state directory, is where attackers plant: each path itself, and each directory above it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from fsm.cli.codes import Code
from tests.boundary.ground import Ground
from tests.boundary.scenes import APP, Scene, Site, prepare
from tests.boundary.verbs import end_all, named, reap, started, wait

ROOT: Final = Path(__file__).resolve().parents[2]

_CALL: Final = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<at>/[^>]*)>, )?"(?P<name>(?:[^"\\]|\\.)*)"')
_RETURNED: Final = re.compile(r"= \d+<(?P<path>/[^>]*)>$")
_RANDOM: Final = re.compile(r"(?<=/)(\.fsm-tmp-|\.doctor-|tmp_obj_|\.[\w.-]+\.(?=\d+$))[\w-]+(?=/|$)")
_CODES: Final = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-f]{2})|(.))")
_SIGNS: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}

Words = tuple[str, ...]

WATCHED: Final[tuple[Words, ...]] = (
    ("status",),
    ("doctor",),
    ("plan", APP),
    ("update", APP),
    ("rollback", APP, "--data", "keep"),
    ("data", APP, "list"),
)
"""Undisturbed commands, one after the other on the same host; before them an update that is killed, and its resume."""


def watched(ground: Ground, scenes: Sequence[Scene], cache: Path) -> dict[str, list[str]]:
    """The paths of each scene by its name; what was seen of the same code is not watched again.

    A star in a path stands for what is different each time.
    """
    digest = hashlib.sha256()
    for path in sorted(
        path for folder in ("fsm", "components", "tests/boundary") for path in (ROOT / folder).rglob("*.py")
    ):
        digest.update(path.read_bytes())
    cache.mkdir(parents=True, exist_ok=True)
    paths = {}
    for scene in scenes:
        site = prepare(ground, scene)
        known = cache / f"{scene.slug}-{digest.hexdigest()[:16]}.json"
        if not known.exists():
            known.write_text(json.dumps(watch(ground, site), indent=1))
        paths[scene.name] = json.loads(known.read_text())
    return paths


def watch(ground: Ground, site: Site) -> list[str]:
    """The paths below the ground's host that the commands of a scene touch, relative to it, sorted.

    Raises:
        AssertionError: a command that nobody disturbs does not succeed.
    """
    logs = ground.private / "watched"
    logs.mkdir()
    ground.restore(site.scene.name)
    if site.scene.kind != "container":
        _strace(ground, logs, ("update", APP), kill_at="[5/")
        _strace(ground, logs, ("resume",))
        end_all(ground.ours)
    ground.restore(site.scene.name)
    for words in WATCHED:
        _strace(ground, logs, words, refused=site.scene.kind == "container")
    # A watcher ends, and has written everything, when the last process ends that it watches: a service, too.
    end_all(ground.ours | named("strace"))
    while named("strace"):
        reap()
        time.sleep(0.005)
    found = {path for log in logs.iterdir() for path in _paths(log, site)}
    shutil.rmtree(logs)
    return sorted(found)


def _strace(ground: Ground, logs: Path, words: Words, *, kill_at: str = "", refused: bool = False) -> None:
    """Run a command with a watcher on it from its first moment, and kill it once it says `kill_at`."""
    log = logs / str(len(list(logs.iterdir())))
    reading, writing = os.pipe()
    pid = started(ground.private, words, gate=reading)
    watching = ["strace", "-f", "-y", "-qq", "-s", "4096", "-o", str(log), "-e", "trace=%file", "-p", str(pid)]
    subprocess.Popen(watching, stderr=subprocess.DEVNULL)
    while "TracerPid:\t0" in Path(f"/proc/{pid}/status").read_text():
        time.sleep(0.001)
    os.write(writing, b".")
    os.close(writing)
    os.close(reading)
    said = ground.private / "err"
    while (code := wait(pid, time.monotonic() + 0.005)) is None:
        if kill_at and kill_at in said.read_text():
            os.kill(pid, signal.SIGKILL)
    expected = {-signal.SIGKILL} if kill_at else {Code.DONE, Code.ROLLED_BACK}
    if refused:
        expected |= {Code.REFUSED, Code.FAILED}
    assert code in expected, f"{words}: {code}: {said.read_text()}"


def _paths(log: Path, site: Site) -> Iterator[str]:
    with log.open(errors="surrogateescape") as lines:
        for line in lines:
            for path in _named(line.rstrip("\n")):
                yield from _below(os.path.normpath(path), site)


def _named(line: str) -> Iterator[str]:
    for match in _CALL.finditer(line):
        name = _plain(match["name"])
        if name.startswith("/"):
            yield name
        elif match["at"] and name:
            yield f"{match['at']}/{name}"
    if returned := _RETURNED.search(line):
        yield returned["path"]


def _below(path: str, site: Site) -> Iterator[str]:
    host = str(site.ground.host)
    for watched in map(str, site.watched):
        while path.startswith(f"{watched}/"):
            yield _RANDOM.sub(r"\1*", path[len(host) + 1 :])
            path = os.path.dirname(path)


def _plain(text: str) -> str:
    """A string as strace writes it, as it was."""

    def sign(match: re.Match[bytes]) -> bytes:
        if match[1]:
            return bytes([int(match[1], 8)])
        return bytes([int(match[2], 16)]) if match[2] else _SIGNS.get(match[3], match[3])

    return os.fsdecode(_CODES.sub(sign, os.fsencode(text)))
