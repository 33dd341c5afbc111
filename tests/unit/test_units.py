"""The texts of the units: what they say, in which order they stand, and that every word is quoted for systemd."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fsm.host.boot import units


def facts(**more: Any) -> units.Facts:
    """Facts of a host with one unit."""
    given: dict[str, Any] = {
        "command": ("/usr/bin/python3", "-m", "fsm", "--config", "/etc/fsm/fsm.toml"),
        "user": False,
        "environment": {},
        "before": ("app.service",),
        "mounts": (Path("/var/lib/fsm"),),
        "within": 600.0,
        "hours": 24.0,
    }
    return units.Facts(**given | more)


def lines(text: str) -> list[str]:
    """The settings of a unit."""
    return [line for line in text.splitlines() if line and not line.startswith(("#", "["))]


def test_the_resume_stands_before_the_units():
    """After the file systems, before the managed units, without a network; its children live on."""
    found = lines(units.resume(facts()))
    assert {
        "Type=notify",
        "KillMode=process",
        "After=local-fs.target",
        "Before=app.service",
        "RequiresMountsFor=/var/lib/fsm",
        "WantedBy=multi-user.target",
        "ExecStart=/usr/bin/python3 -m fsm --config /etc/fsm/fsm.toml resume --within 600",
        "TimeoutStartSec=1200",
    } <= set(found)
    assert not [line for line in found if "network" in line]


def test_units_of_a_user_have_another_boot():
    """A user's manager knows neither the system's targets nor its file systems."""
    found = "".join(units.texts(facts(user=True)).values())
    assert "WantedBy=default.target" in found
    assert "local-fs" not in found
    assert "network" not in found


def test_a_host_without_units_of_systemd():
    """Nothing is ordered that is not there."""
    found = units.resume(facts(before=(), mounts=()))
    assert "Before=" not in found
    assert "RequiresMountsFor=" not in found


@pytest.mark.parametrize(
    ("hours", "calendar", "spread"),
    [
        (24.0, "*-*-* 00:00:00", "360min"),
        (100.0, "*-*-* 00:00:00", "360min"),
        (7.0, "*-*-* 00/6:00:00", "90min"),
        (1.5, "*-*-* 00/1:00:00", "15min"),
        (0.0, "*-*-* 00/1:00:00", "15min"),
    ],
)
def test_how_often_is_checked(hours: float, calendar: str, spread: str):
    """As often as the configuration says, in steps that divide a day, spread, and made up for."""
    found = lines(units.timer(facts(hours=hours)))
    assert f"OnCalendar={calendar}" in found
    assert f"RandomizedDelaySec={spread}" in found
    assert "FixedRandomDelay=true" in found
    assert "Persistent=true" in found


AWKWARD = ["/opt/my app/fsm", "100%", "$HOME", 'say "hi"', "back\\slash", "it's", "ä", "", ";", "a\tb"]


def test_every_word_is_quoted():
    """Specifiers, variables, quotes and blanks are literal."""
    assert units.quoted(["plain", "/a/b.c", "--x=1"]) == "plain /a/b.c --x=1"
    assert units.quoted(["my app", "100%", "$HOME"]) == '"my app" 100%% $$HOME'
    assert units.quoted(['a"b', "c\\d", "", "it's"]) == '"a\\"b" "c\\\\d" "" "it\'s"'


@pytest.mark.processes
@pytest.mark.needs_linux
def test_systemd_finds_nothing_to_say(tmp_path: Path):
    """Against units with the most awkward words, where `systemd-analyze` is installed (and in tests/hosts always)."""
    analyze = shutil.which("systemd-analyze")
    command = ("/bin/echo", *AWKWARD)
    environment = {"DOCKER_HOST": "unix:///a b/100%/$x", "QUOTED": 'a"b'}
    found = units.texts(facts(command=command, environment=environment, mounts=(Path("/srv/my app"), Path("/a%b"))))
    for name, text in found.items():
        (tmp_path / name).write_text(text)
    if analyze is None:
        assert found
        return
    done = subprocess.run(
        [analyze, "verify", "--man=no", *(str(tmp_path / name) for name in found)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if "fsm-" in line]
    assert said == []
