"""A sample of `make boundary`: attacked runs, of which none may show anything."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from tests.boundary.watch import ROOT

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_root, pytest.mark.timeout(900)]


def test_attacked_runs():
    """An attacker who owns a component gains nothing by it, whatever its type."""
    attack("--runs", "25", "--scenes", "3")


@pytest.mark.needs_docker
def test_attacked_compose_projects():
    """Neither does one who owns a compose file: nothing of it is read with root's rights."""
    attack("--runs", "8", "--containers", "--scene", "container")


def attack(*options: str) -> None:
    """Perform a series; `FSM_BOUNDARY_SEED` takes the seed of one that failed again."""
    seed = os.environ.get("FSM_BOUNDARY_SEED") or str(random.randrange(1_000_000))
    argv = [sys.executable, "-m", "tests.boundary", "--seed", seed, *options]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=880)
    assert done.returncode == 0, f"FSM_BOUNDARY_SEED={seed}\n{done.stdout[-6000:]}\n{done.stderr[-4000:]}"
