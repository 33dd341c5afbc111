"""The inputs in the repository, and the limits that all of them are held to."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from fsm.errors import FsmError
from tests.fuzz.replay import CORPUS, HERE, REGRESSIONS, kept
from tests.fuzz.targets import NAMES, target

BUDGET = 300 << 10
"""Bytes of the corpus and the regressions."""


@pytest.mark.parametrize("name", NAMES)
def test_kept_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    """What once found a bug finds none any more, nor does what reaches the most of the product."""
    monkeypatch.chdir(tmp_path)
    for path in kept(name):
        try:
            with suppress(FsmError):
                target(name).run(path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{path.relative_to(HERE)} ends in {error!r}") from error


@pytest.mark.parametrize("name", NAMES)
def test_seeds_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    """A fuzzer that begins with a refused document goes nowhere."""
    monkeypatch.chdir(tmp_path)
    seeds = list(target(name).seeds())
    accepted = 0
    for seed in seeds:
        assert len(seed) <= target(name).LONGEST
        with suppress(FsmError):
            target(name).run(seed)
            accepted += 1
    assert accepted, "none of them is accepted"


def test_size():
    """The corpus stays small, and belongs to targets that there are."""
    paths = [path for folder in (CORPUS, REGRESSIONS) for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in paths) <= BUDGET
    assert {path.parent.name for path in paths} <= set(NAMES)


PLANTED = """
import os, subprocess, sys, tempfile
from pathlib import Path
from fsm.errors import ConfigError
from tests.fuzz.watch import Finding, Watch

def slow(data):
    import time
    until = time.process_time() + 1.2
    while time.process_time() < until:
        pass

def large(data):
    assert len(bytes(b"x" * (230 << 20)))

def outside(data):
    Path(sys.argv[1], "outside").write_bytes(data)

def above(data):
    os.mkdir("../above-the-place")

def link(data):
    os.symlink("/etc/passwd", "inside")

def child(data):
    subprocess.run(["true"])

def refused(data):
    raise ConfigError("cannot", "why", "todo")

watch = Watch(Path(tempfile.mkdtemp(dir=sys.argv[1])))
for run in (slow, large, outside, above, link, child, refused):
    try:
        watch.examine(run, b"data")
        print(run.__name__, "nothing")
    except Finding as found:
        print(run.__name__, str(found).split(" ")[0])
"""


@pytest.mark.needs_linux
def test_the_watch_sees(tmp_path: Path):
    """Slow, large, and touching what is outside are found; a link inside and a refusal are not."""
    command = [sys.executable, "-c", PLANTED, str(tmp_path)]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=100, check=False)
    told = dict(line.split() for line in done.stdout.splitlines())
    assert told == {
        "slow": "took",
        "large": "needed",
        **dict.fromkeys(("outside", "above", "child"), "touched"),
        **dict.fromkeys(("link", "refused"), "nothing"),
    }, done.stderr
