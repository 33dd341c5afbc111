"""What the matrix covers: no fault point is forgotten, and what every crash case is compared with is right itself."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import pytest

from tests import fault_points
from tests.containers.test_crashes import POINTS
from tests.crash import sample
from tests.crash.crash_case import ROOT, preserved
from tests.crash.crash_pool import CrashPool
from tests.crash.scenarios import SCENARIOS, read_table
from tests.crash.test_more_crashes import RESUMING, SET_RESUMING

DECLARED: Final = [name for name, _ in fault_points.declared(ROOT / "fsm", ROOT / "components")]

_KEPT_DOWN: Final = "tests/crash/test_more_crashes.py::test_a_service_that_was_started_behind_a_runs_back"
_BOOTED: Final = "tests/crash/test_more_crashes.py::test_a_service_that_a_boot_has_ended_runs_again"
_SYSTEMD: Final = "tests/unit/services/test_systemd_crash.py::test_the_next_one_goes_on"
_COMPOSE: Final = "tests/hosts/test_compose_service.py::test_an_updater_that_is_killed"
_LEFT: Final = "tests/containers/test_leftovers.py"
_EXAMPLE: Final = "tests/house/test_adapter_howto.py::test_the_example_survives_being_killed"
BACKUP: Final = ".app.fsm/backups/0.9.0@1/tree"
"""The tree that a rollback of most scenarios goes back to."""

_HELD: Final = "tests/hosts/test_held_port.py::test_killed_around_the_restart"

_OWNED: Final = "tests/boundary/test_app.py::test_an_update_that_is_killed_is_finished_by_a_resume"

AROUND: Final = "tests/git/test_compose.py::test_killed_around_the_images"
_APART: Final = "tests/boundary/test_git.py::test_killed_and_resumed"
BACK: Final = "tests/git/test_compose.py::test_killed_on_the_way_back"

ELSEWHERE: Final[dict[str, str]] = {
    "resume.kept_down": _KEPT_DOWN,
    **dict.fromkeys(("resume.kept_up", "service.started_again"), _BOOTED),
    "git.submodule.disconnected": "tests/git/test_submodules.py::test_a_first_checkout_that_was_cut_short",
    "git.settings.mended": "tests/git/test_submodules.py::test_what_a_power_cut_has_emptied_is_there_again",
    "stop_service.kept": _KEPT_DOWN,
    **{f"service.systemd.{name}": _SYSTEMD for name in ("reloaded", "start", "started", "stop", "stopped")},
    **{f"service.compose.{name}": _COMPOSE for name in ("start", "started", "stop", "stopped")},
    **dict.fromkeys(POINTS, "tests/containers/test_crashes.py::test_an_update_goes_on"),
    "engine.names.removed": f"{_LEFT}::test_a_new_container_beside_the_old_one",
    "engine.names.renamed": f"{_LEFT}::test_only_the_new_container_under_its_passing_name",
    **dict.fromkeys(("engine.restart.allowed", "engine.restart.done"), _HELD),
    **dict.fromkeys(("files.link.made", "files.link.renamed"), _EXAMPLE),
    **{f"git.apart.{name}": _APART for name in ("copy_made", "handed_over", "taken", "tidied", "forgotten")},
    **dict.fromkeys(("places.made", "places.removed"), _APART),
    "unstage.removed": _OWNED,
    "git.images.kept": AROUND,
    "git.images.built": AROUND,
    "git.images.named": AROUND,
    "git.images.dropped": BACK,
    "git.images.forgotten": BACK,
}
"""Points that no scenario comes to, with the test that crashes there."""


def test_every_name_stands_in_one_place():
    """A name that stands twice hides one place behind the other."""
    assert [name for name, count in Counter(DECLARED).items() if count > 1] == []


def test_no_point_is_forgotten():
    """Every point of the code is crashed at, here or in a test that is named."""
    covered = {point for points in read_table().values() for point in points}
    assert sorted(set(DECLARED) - covered - {*RESUMING, *SET_RESUMING} - ELSEWHERE.keys()) == []
    assert sorted(covered - set(DECLARED)) == []
    assert sorted(ELSEWHERE.keys() - set(DECLARED)) == []


def test_the_tests_elsewhere_exist():
    """A table that names tests is worth what they are worth."""
    for point, test in ELSEWHERE.items():
        path, _, name = test.partition("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert f"def {name}(" in text, test
        assert point in text, test


@pytest.mark.parametrize("seed", "012")
def test_a_sample_has_each_point_once(seed: str):
    """And no scenario whose points all lie on the ways of the others: to make one ready takes as long as some kills."""
    cases = {f"test[{name}-{point}]": point for name, points in read_table().items() for point in points}
    names = sample.chosen("test", cases, seed)
    assert sorted(cases[name] for name in names) == sorted(set(cases.values()))
    used = {sample.scenario(name, cases[name]) for name in names}
    for one in used:
        assert not set(read_table()[one]) <= {point for other in used - {one} for point in read_table()[other]}, one


@pytest.mark.parametrize("seed", "012")
def test_a_sample_of_other_crashes_has_each_kind(seed: str):
    """The second crash is what such a test is about, where it has one."""
    cases = {f"test[{again}-update-first{n}]": "" for again in ("", "a", "b") for n in range(9)}
    test = "test_a_service_that_a_boot_has_ended_runs_again"
    kinds = Counter(name.partition("[")[2].partition("-")[0] for name in sample.chosen(test, cases, seed))
    assert kinds == {"": 3, "a": 3, "b": 3}


@pytest.mark.crash
@pytest.mark.needs_linux
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_table_is_what_the_code_passes(crash_pool: CrashPool, name: str):
    """A scenario comes to the points of the table, all of them and no others."""
    passed = {point for point in crash_pool.undisturbed(name).trail if point.startswith(SCENARIOS[name].only)}
    table = set(read_table()[name])
    assert (sorted(passed - table), sorted(table - passed)) == ([], []), "run `python -m tests.crash.record`"


@pytest.mark.crash
@pytest.mark.needs_linux
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_undisturbed_run_keeps_what_users_wrote(crash_pool: CrashPool, name: str):
    """Preserved files are byte-identical, with mode, owner and time; other local files are somewhere, unchanged."""
    scenario, found = SCENARIOS[name], crash_pool.undisturbed(name)
    restores = scenario.verb == "bring_back" or scenario.options.get("rollback_data") == "restore"
    if restores and scenario.outcome == "done":
        assert preserved(found.after) == preserved(_as_live(found.before, BACKUP))
    elif not (scenario.verb == "bring_back_written" and scenario.outcome == "done"):
        assert preserved(found.after) == preserved(found.before)
    if scenario.before is None or scenario.apps > 1:
        return
    local = found.before["app/local.txt"]
    kept = [name for name, about in found.after.items() if name.endswith("/local.txt") and about == local]
    assert kept, "the local file is lost"
    if scenario.outcome == "rolled_back" or scenario.kind == "git" or scenario.verb.startswith("bring_back"):
        assert "app/local.txt" in kept
    else:
        assert any("local file" in note for note in found.result["notes"]) or scenario.verb == "rollback"


@pytest.mark.crash
@pytest.mark.needs_linux
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith(("keep", "bring-back"))])
def test_what_gives_way_to_other_files_is_kept(crash_pool: CrashPool, name: str):
    """Files of the kept version, or of today, lie where `fsm data` finds them; after a failure where they were."""
    scenario, found = SCENARIOS[name], crash_pool.undisturbed(name)
    was = "app" if scenario.verb == "bring_back" else BACKUP
    now = f".app.fsm/data/{found.result['run']}/files" if scenario.outcome == "done" else was
    then = preserved(_as_live(found.before, was))
    assert then
    assert preserved(_as_live(found.after, now)) == then


def _as_live(found: dict[str, Any], tree: str) -> dict[str, Any]:
    """A listing of a tree, as if it were the live one."""
    return {name.replace(tree, "app", 1): about for name, about in found.items() if name.startswith(f"{tree}/")}
