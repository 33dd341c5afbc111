"""Machines that lose their power in the middle of an update: a sample; `make hostkills` does many."""

from __future__ import annotations

import pytest

from tests.hosts.kills.page import failures, outcomes, states, write
from tests.hosts.kills.scenario import Scenario
from tests.hosts.kills.scenarios import SCENARIOS
from tests.hosts.kills.series import Series, perform_series
from tests.hosts.kills.trial import Trial
from tests.powercut.disk import missing

SAMPLE = 5
SEED = 5
OURS = [scenario for scenario in SCENARIOS if scenario.components]


@pytest.mark.needs_machine
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", OURS, ids=lambda scenario: scenario.name)
def test_a_killed_machine_ends_in_a_good_state(scenario: Scenario):
    """After the boot its runs are done or rolled back, that version answers, and preserved files are the same."""
    series = perform_series(scenario, SAMPLE, SEED, budget=60)
    assert not series.problems
    assert series.counted, f"no kill came in the middle of an update of {series.span:.1f} s"


@pytest.mark.needs_machine
@pytest.mark.needs_linux
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "disk"), [("container", "xfs"), ("set", "ext4")])
def test_a_machine_whose_disk_is_cut_ends_in_a_good_state(name: str, disk: str):
    """The same where what nobody had synced is lost, of the engine's as well."""
    if why := missing(disk):
        pytest.skip(why)
    (scenario,) = (scenario for scenario in OURS if scenario.name == name)
    series = perform_series(scenario, SAMPLE, SEED, disk=disk, budget=60)
    assert not series.problems
    assert series.counted, f"no kill came in the middle of an update of {series.span:.1f} s"


SERIES = Series(
    "app",
    7,
    1.5,
    [
        Trial(1, False, 0.5, killed_in="updating", outcome="done", resume_seconds=1.0, answer_seconds=2.0),
        Trial(2, True, 0.9, killed_in="rolling_back", outcome="rolled_back", resume_seconds=3.0, answer_seconds=4.0),
        Trial(3, False, 0.0, killed_in="not begun", outcome="not begun", resume_seconds=0.1, answer_seconds=1.0),
        Trial(4, False, 0.7, killed_in="updating", again=1.0, problems=["app 1.3.0 answers, not app 1.4.0\nlog"]),
    ],
)


def test_only_kills_in_the_middle_of_an_update_count():
    """What came too early or too late shows nothing."""
    assert [trial.number for trial in SERIES.counted] == [1, 2, 4]
    assert outcomes([SERIES], {"app": "An app"}).splitlines()[2] == (
        "| An app | 3 | 1 | 1 | 0 | **1** | 2.0 / 3.0 s | 3.0 / 4.0 s |"
    )
    assert states([SERIES], {"app": "An app"}).splitlines()[2] == "| An app | 0 | 0 | 2 | 0 | 0 | 1 | 1 | 1 |"


def test_a_problem_is_told_with_the_seed_that_leads_to_it():
    """So that it can be had again; the page says what kinds there are, not each."""
    assert SERIES.problems == [
        "app, seed 7, kill 4 in updating after 0.70 s: app 1.3.0 answers, not app 1.4.0\nlog",
    ]
    assert failures([SERIES], {"app": "An app"}) == "- An app: app … answers, not app … (1 times)"
    assert failures([], {}) == "Nothing was."


def test_the_page_keeps_what_is_between_no_marks(tmp_path):
    """And a page without the marks is an error, not a page without the figures."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured: x -->\nold\n<!-- end of x -->\nafter\n")
    write({"x": "new"}, page)
    assert page.read_text() == "before\n<!-- measured: x -->\n\nnew\n\n<!-- end of x -->\nafter\n"
    with pytest.raises(ValueError, match="no marks for 'y'"):
        write({"y": "new"}, page)
