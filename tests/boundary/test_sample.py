"""A sample of `make boundary`: attacked runs of every component type, of which none may show anything."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from tests.boundary.watch import ROOT

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_root]

RUNS = 40


@pytest.mark.timeout(600)
def test_attacked_runs():
    """An attacker who owns a component gains nothing by it; `make boundary` takes the seed of a failure again."""
    seed = os.environ.get("FSM_BOUNDARY_SEED") or str(random.randrange(1_000_000))
    done = subprocess.run(
        [sys.executable, "-m", "tests.boundary", "--runs", str(RUNS), "--seed", seed],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )
    assert done.returncode == 0, f"make boundary RUNS={RUNS} SEED={seed}\n{done.stdout[-6000:]}\n{done.stderr[-4000:]}"
