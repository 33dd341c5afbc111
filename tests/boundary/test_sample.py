"""A sample of `make boundary`: attacked runs of every component type, of which none may show anything."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from tests.boundary.watch import ROOT

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_root]


@pytest.mark.timeout(600)
def test_attacked_runs():
    """An attacker who owns a component gains nothing by it."""
    attack(40)


@pytest.mark.timeout(600)
@pytest.mark.needs_docker
def test_attacked_compose_projects():
    """Neither does one who owns a compose file: nothing of it is read with root's rights."""
    attack(15, "--containers", "--scene", "container")


def attack(runs: int, *options: str) -> None:
    """Perform a series; `FSM_BOUNDARY_SEED` takes the seed of one that failed again."""
    seed = os.environ.get("FSM_BOUNDARY_SEED") or str(random.randrange(1_000_000))
    done = subprocess.run(
        [sys.executable, "-m", "tests.boundary", "--runs", str(runs), "--seed", seed, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )
    assert done.returncode == 0, f"FSM_BOUNDARY_SEED={seed}\n{done.stdout[-6000:]}\n{done.stderr[-4000:]}"
