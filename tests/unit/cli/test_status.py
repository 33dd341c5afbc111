"""`fsm status`: what it shows, and that the quick way tells the same as the façade."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fsm.adapter import Registry
from fsm.engine import plan, run_facts
from fsm.engine.locks import ComponentLock
from fsm.engine.report import ComponentStatus
from fsm.host import places, quick_status
from fsm.host.config import load
from fsm.sources import Announced
from fsm.updater import Updater
from tests.unit.cli.conftest import FAILS, Line, damage, interrupted


def _same_both_ways(line: Line) -> None:
    """The long way, which remembers; then at a glance."""
    (line.app_fixture.state / quick_status.NAME).unlink(missing_ok=True)
    long = [status.model_dump(mode="json") for status in Updater.from_config(line.path).status()]
    quick_status.remember(load(line.path), Registry.discover())
    assert quick_status.read(line.path) == long
    assert json.loads(json.dumps(quick_status.read(line.path))) == long
    assert line("status", "--json").results == long


def _checked(line: Line) -> None:
    line("check")


def _updated(line: Line) -> None:
    line("update")


def _killed(line: Line) -> None:
    line("check")
    interrupted(line)


def _rolled_back(line: Line) -> None:
    line.configure(app=line.another("x", install_path=str(line.app_fixture.live), post_checks=[FAILS]))
    line("update")


def _went_back(line: Line) -> None:
    line("update")
    line("rollback")


def _pinned(line: Line) -> None:
    line("check")
    line("pin", "app", "~=1.0.0")
    line("hold", "app")


def _unknown_version(line: Line) -> None:
    line("check")
    (line.app_fixture.live / "VERSION").write_text("who knows")


def _other_source(line: Line) -> None:
    line("check")
    other = {"type": "directory", "allow_unsigned": True, "path": str(line.app_fixture.root / "elsewhere")}
    line.configure(app=line.another("x", install_path=str(line.app_fixture.live), source=other))


def _several(line: Line) -> None:
    line.configure(lib=line.another("lib", prereleases=True), tool=line.another("tool", source=None))
    line.app_fixture.publish("2.0.0rc1")
    line("check")


@pytest.mark.processes
@pytest.mark.parametrize(
    "arrange",
    [
        *(_checked, _updated, _killed, _rolled_back, _went_back, _pinned, _unknown_version, _other_source, _several),
        lambda line: None,
    ],
)
def test_a_glance_tells_what_the_facade_tells(arrange: Callable[[Line], None], updated: Line):
    """Whatever state the host is in."""
    updated.app_fixture.state.mkdir()
    arrange(updated)
    _same_both_ways(updated)


@pytest.mark.processes
def test_the_second_status_needs_neither_pydantic_nor_the_adapters(updated: Line):
    """Start-up time is a measured number."""
    updated("check")
    script = (
        f"import sys; sys.argv = ['fsm', '--config', {str(updated.path)!r}, 'status']\nfrom fsm.cli import main\n"
        "code = main()\n"
        "slow = ('click', 'pydantic', 'fsm.updater', 'fsm_python_app', 'importlib.metadata', 'packaging.tags', 'rich',"
        " 'urllib3')\n"
        "print(code, [name for name in slow if name in sys.modules])"
    )
    for expected in ("0 ['click', 'pydantic', 'fsm.updater', 'fsm_python_app'", "0 []"):
        # Coverage, where it watches children, loads some of these itself.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environ)
        assert done.stdout.splitlines()[-1].startswith(expected)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line.path.write_text(line.path.read_text() + "\n# a comment\n"),
        lambda line: (line.app_fixture.state / quick_status.NAME).write_text("{"),
        lambda line: (line.app_fixture.state / quick_status.NAME).write_text("{}"),
        lambda line: (line.app_fixture.state / quick_status.NAME).unlink(),
        lambda line: damage(line.app_fixture.state / "journal.db"),
    ],
    ids=["configuration edited", "cache torn", "cache of another kind", "no cache", "journal damaged"],
)
def test_whatever_does_not_fit_leads_the_long_way(spoil: Callable[[Line], object], updated: Line):
    """A cache that could be wrong is not believed."""
    updated("check")
    updated("status")
    assert quick_status.read(updated.path) is not None
    spoil(updated)
    assert quick_status.read(updated.path) is None


def test_a_changed_adapter_leads_the_long_way(updated: Line):
    """What decides how the version is read may have changed with it."""
    updated("check")
    updated("status")
    cache = updated.app_fixture.state / quick_status.NAME
    kept = json.loads(cache.read_text())
    kept["modules"][0][1] -= 1
    cache.write_text(json.dumps(kept))
    assert quick_status.read(updated.path) is None


@pytest.mark.processes
def test_a_version_that_is_in_no_file_is_never_remembered(updated: Line):
    """One such component, and all are asked the long way."""
    updated("check")
    updated.configure(lib=updated.another("lib", version={"command": ["/bin/echo", "1.5.0"]}))
    (updated.app_fixture.root / "apps/lib").mkdir()
    for _ in range(2):
        assert updated("status", "lib", "--json").results[0]["installed"] == "1.5.0"
    assert not (updated.app_fixture.state / quick_status.NAME).exists()


@pytest.mark.processes
@pytest.mark.parametrize(
    ("program", "why"), [("yes", "more than 65,536 bytes"), ("exit 3", "with code 3"), (":", "nothing")]
)
def test_a_command_that_says_no_version(updated: Line, program: str, why: str):
    """Its answer is short, or it is none; one that writes for ever is ended."""
    updated.configure(lib=updated.another("lib", version={"command": ["sh", "-c", program]}))
    (updated.app_fixture.root / "apps/lib").mkdir()
    status = updated("status", "lib", "--json").results[0]
    assert status["installed"] is None
    assert why in status["why_unknown"]


def test_nothing_is_remembered_where_there_is_no_place(updated: Line):
    """A status makes no state directory; a configuration in memory has no file."""
    assert updated("status").code == 0
    assert not updated.app_fixture.state.exists()
    updated.app_fixture.state.mkdir()
    quick_status.remember(Updater.from_data(updated.app_fixture.config).config, Registry.discover())
    assert not list(updated.app_fixture.state.iterdir())


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_what_is_remembered_is_for_nobody_else(mode: int, updated: Line):
    """A configuration may hold a service's passwords."""
    updated.app_fixture.state.mkdir()
    updated.path.chmod(mode)
    updated("status")
    assert (updated.app_fixture.state / quick_status.NAME).stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_remembered_leaves_nothing_behind(updated: Line):
    """A cache is worth no error."""
    (updated.app_fixture.state / quick_status.NAME / "in the way").mkdir(parents=True)
    assert updated("status").code == 0
    assert [path.name for path in updated.app_fixture.state.iterdir()] == [quick_status.NAME]


def test_an_adapter_without_a_file_is_not_remembered(updated: Line, monkeypatch: pytest.MonkeyPatch):
    """Made at run time, it could be another one next time."""
    updated.app_fixture.state.mkdir()
    monkeypatch.setattr(sys.modules["fsm_python_app.adapter"], "__file__", None)
    quick_status.remember(load(updated.path), Registry.discover())
    assert not (updated.app_fixture.state / quick_status.NAME).exists()


@pytest.mark.parametrize("state_dir", [None, "state", "~/state"])
def test_the_state_directory_is_found_as_the_configuration_finds_it(
    state_dir: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The default, relative to the file, or below the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    path = tmp_path / "fsm.toml"
    path.write_text("" if state_dir is None else f'[fsm]\nstate_dir = "{state_dir}"\n')
    assert places.state_dir_of(places.settings_in(path.read_text()), path.parent) == load(path).state_dir


def test_the_schema_of_plans_is_the_same():
    """`fsm.engine.run_facts` cannot import `fsm.engine.plan`."""
    assert run_facts.PLAN_SCHEMA == plan.SCHEMA


def test_all_keys_are_there(updated: Line):
    """A field that is added to the typed status must be added to the facts."""
    updated("update")
    (found,) = updated("status", "--json").results
    assert set(found) == set(ComponentStatus.model_fields)
    assert ComponentStatus.model_validate_json(json.dumps(found)).installed == "1.1.0"


# The table


def test_an_empty_host(line: Line):
    """Nothing configured, nothing to show."""
    line.path.write_text(f'[fsm]\nstate_dir = "{line.app_fixture.state}"\n')
    assert line("status")[:2] == (0, "no component is configured\n")


def test_before_anything_happened(line: Line):
    """Unknown is said to be unknown."""
    assert line("status").out.splitlines() == [
        "COMPONENT  INSTALLED  LATEST       LAST RUN  HELD OR PINNED",
        "app        unknown    not checked  -         -",
        f"app: the installed version is unknown: nothing is installed at {line.app_fixture.live}",
    ]
    line.app_fixture.publish("1.0.0")
    line("update")
    assert "  #1 installed 1.0.0, " in line("status").out


def test_one_line_for_each_component(updated: Line):
    """Installed, latest, last run with its number and age, holds and pins."""
    updated("check")
    row = updated("status").out.splitlines()[1].split("  ")
    assert [cell.strip() for cell in row if cell.strip()] == ["app", "1.0.0", "1.1.0 (new)", "-", "-"]
    updated("update")
    updated("hold", "--why", "holidays")
    updated("pin", "app", "<2")
    row = updated("status", "app").out.splitlines()[1].split("  ")
    cells = [cell.strip() for cell in row if cell.strip()]
    assert cells[:3] == ["app", "1.1.0", "1.1.0"]
    assert cells[3].startswith("#1 updated 1.0.0 -> 1.1.0, ")
    assert cells[4] == "held: holidays, pinned to <2"


@pytest.mark.processes
def test_an_interrupted_run_comes_with_the_command_that_continues_it(updated: Line):
    """With the step at which it stands."""
    interrupted(updated)
    text = updated("status").out
    assert "#1 interrupted 1.0.0 -> 1.1.0, " in text
    assert "app: interrupted while updating at step 3/" in text
    assert text.endswith("(unpack the release beside the live tree); run `fsm resume app` to continue\n")


@pytest.mark.processes
def test_a_run_that_goes_on_now(updated: Line):
    """Who does it, since when; no advice to resume."""
    interrupted(updated)
    with ComponentLock(updated.app_fixture.state, "app"):
        text = updated("status").out
    assert "#1 in progress 1.0.0 -> 1.1.0, " in text
    assert "app: updating at step 3/" in text
    assert f" now, by process {os.getpid()} (" in text
    assert "fsm resume" not in text
    updated("resume")
    updated.configure(lib=updated.another("lib"))
    with ComponentLock(updated.app_fixture.state, "lib"):
        assert f"lib: in use by process {os.getpid()}" in updated("status", "lib").out


def test_refusals_and_rollbacks_come_with_their_reason(updated: Line):
    """And what a rollback by hand left behind."""
    updated("update")
    updated("rollback")
    text = updated("status").out
    assert "#2 rolled back 1.1.0 -> 1.0.0, " in text
    assert "held: rolled back from 1.1.0 to 1.0.0 on request" in text
    updated("update")
    assert "app: refused: cannot update app: updates have been held since " in updated("status").out
    updated("rollback", "--to", "9.9")
    assert "#4 rollback refused, " in updated("status").out


def test_an_interrupted_check_has_no_step(updated: Line):
    """A run that was killed before it had a plan."""
    found = Updater.from_config(updated.path)
    with found._host.journal() as journal:
        journal.begin("app", "python_app")
    assert "app: interrupted while checking; run `fsm resume app` to continue\n" in updated("status").out


def test_an_unknown_component(updated: Line):
    """Also when the rest is remembered."""
    updated("check")
    updated("status")
    assert updated("status", "nobody").code == 2


def test_a_future_run_is_not_negative(updated: Line):
    """A clock that was set back does not confuse the table."""
    from fsm.cli import output

    assert output.ago("2999-01-01T00:00:00.000+00:00", datetime.now(UTC)) == "0 s ago"
    assert output.ago(None, datetime.now(UTC)) == "never"


def test_a_glance_knows_all_that_a_source_remembers():
    """A field that only one of them has would end every status with an error, of sources that fill it."""
    assert quick_status._Known._fields == tuple(Announced.model_fields)
