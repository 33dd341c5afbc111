"""A sample of `make sweep`: whichever call of a run is its last, or fails, nothing of what was promised is lost."""

from __future__ import annotations

import os

import pytest

from tests.crash.scenarios import SCENARIOS
from tests.sweep.calls import missing
from tests.sweep.sweep import MODES, Sweep, perform

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_root, pytest.mark.timeout(900)]

GROUPS, EACH = 6, 52
"""In how many parts the scenarios are divided, and how many cases each part gets: more than 300 together."""


@pytest.mark.parametrize("group", range(GROUPS))
def test_struck_at_a_system_call(group: int):
    """Killed or refused there, it ends in one version, whole; `FSM_SWEEP_SEED` takes the same cases again."""
    if why := missing():
        pytest.skip(why)
    names, seed = list(SCENARIOS)[group::GROUPS], int(os.environ["FSM_SWEEP_SEED"])
    with Sweep() as sweep:
        cases = [perform(sweep, names, MODES, seed, number) for number in range(EACH)]
    wrong = [case for case in cases if case["wrong"]]
    assert wrong == [], f"FSM_SWEEP_SEED={seed}"
