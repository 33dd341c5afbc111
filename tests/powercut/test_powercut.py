"""A sample of `make powercut`: power cuts on each file system, of which none may lose what was promised."""

from __future__ import annotations

import os
import random

import pytest

from tests.powercut.__main__ import CUT, perform
from tests.powercut.disk import KINDS, missing, no_writeback
from tests.powercut.outage import Cuts

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_root, pytest.mark.timeout(900)]

SCENARIOS, EACH = 5, 25
"""How many scenarios are drawn for a file system, and how many cuts are made there."""


@pytest.mark.parametrize("kind", KINDS)
def test_power_cuts(kind: str):
    """Whenever the power goes, and whatever the disk has by then; `FSM_POWERCUT_SEED` makes the same cuts again."""
    if why := missing(kind):
        pytest.skip(why)
    seed = int(os.environ.get("FSM_POWERCUT_SEED") or random.randrange(1_000_000))
    names = random.Random(f"{seed} {kind}").sample(CUT, SCENARIOS)
    with no_writeback(), Cuts(kind) as cuts:
        made = [perform(cuts, names, seed, number) for number in range(EACH)]
    assert [one for one in made if one["wrong"]] == [], f"FSM_POWERCUT_SEED={seed}"
