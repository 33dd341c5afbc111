"""Commands of a host whose clock jumps: one without a battery wakes up in the past, a wrong server is in 2041."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from fsm.cli.codes import Code
from tests.app_fixture import AppFixture
from tests.config_file import toml

pytestmark = pytest.mark.needs_linux

ROOT: Final = Path(__file__).resolve().parents[2]

YEAR: Final = 31_556_952

NOW, PAST, FUTURE = 0, -25 * YEAR, 15 * YEAR
"""Seconds by which a clock is ahead."""


@pytest.fixture(scope="session")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that has another time, see its source."""
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", made, ROOT / "tests" / "clock.c", "-ldl"], check=True)
    return made


Shell = subprocess.Popen[str]


@pytest.fixture(scope="session")
def shell(clock: Path) -> Iterator[Shell]:
    """Does commands under another clock, see `tests.cli.warm_clock`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "FSM_"))}
    environ |= {"LD_PRELOAD": str(clock), "FSM_TEST_CLOCK": str(NOW)}
    command = [sys.executable, "-m", "tests.cli.warm_clock"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as shell:
        yield shell


class Host:
    """An app at 1.0.0 whose 1.1.0 is published, and commands about it."""

    def __init__(self, app: AppFixture, shell: Shell) -> None:
        self.app = app
        self._shell = shell

    def fsm(self, ahead: int, *words: str, code: int = 0, killed_at: str = "") -> str:
        """What a command prints while the clock is so far ahead; killed at a fault point, if one is named."""
        config = self.app.root / "fsm.toml"
        config.write_text(toml(self.app.config))
        said = {name: str(self.app.root / name) for name in ("out", "err")}
        request = {"words": ["--config", str(config), *words], "ahead": ahead, "killed_at": killed_at, **said}
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        print(json.dumps(request), file=self._shell.stdin, flush=True)
        ended = int(self._shell.stdout.readline())
        out, err = (Path(path).read_text(encoding="utf-8") for path in said.values())
        assert ended == (-signal.SIGKILL if killed_at else code), out + err
        assert "Traceback" not in err
        return out


@pytest.fixture
def host(tmp_path: Path, shell: Shell) -> Iterator[Host]:
    """See `Host`."""
    with AppFixture(tmp_path) as app:
        app.publish("1.0.0")
        app.install("1.0.0")
        app.start()
        app.publish("1.1.0")
        yield Host(app, shell)


def test_the_clock_is_another_one(clock: Path):
    """Else nothing here would show anything."""
    script = f"import os, time; os.environ['FSM_TEST_CLOCK'] = '{PAST}'; print(int(time.time()), time.monotonic())"
    environ = {"LD_PRELOAD": str(clock), "FSM_TEST_CLOCK": str(FUTURE)}
    said = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    wall, since_boot = map(float, said.stdout.split())
    assert abs(wall - (time.time() + PAST)) < 60
    assert abs(since_boot - time.monotonic()) < 60


@pytest.mark.parametrize(
    ("times", "killed_at"),
    [
        ((NOW, PAST, NOW), "unpack.unpacked"),
        ((NOW, FUTURE, NOW), "exchange.done"),
        ((FUTURE, PAST, FUTURE), "start_service.done"),
        ((PAST, FUTURE, PAST), "exchange.done"),
    ],
)
def test_a_clock_that_jumps_while_a_run_is_interrupted(host, times, killed_at):
    """The run goes on, the next one follows it, and what is told of them is in the order in which they were."""
    before, meanwhile, after = times
    host.fsm(before, "update", "app", killed_at=killed_at)
    assert "1.1.0" in host.fsm(meanwhile, "resume")
    assert host.app.answer() == "1.1.0"
    host.app.publish("1.2.0")
    host.fsm(after, "update", "app")
    assert host.app.answer() == "1.2.0"
    host.fsm(meanwhile, "rollback", "app")
    assert host.app.answer() == "1.1.0"
    told = json.loads(host.fsm(after, "history", "--json"))["results"][::-1]
    assert [(run["state"], run["to_version"]) for run in told] == [
        ("done", "1.1.0"),
        ("done", "1.2.0"),
        ("done", "1.1.0"),
    ]
    assert all(run["seconds"] >= 0 and (run["downtime"] or 0) >= 0 for run in told)
    host.fsm(after, "history", "--verify")
    host.fsm(after, "status")
    assert "error   clock: it shows 2001" in host.fsm(PAST, "doctor", code=Code.FAILED)


@pytest.mark.parametrize(("blamed", "then"), [(FUTURE, NOW), (NOW, PAST), (PAST, NOW)])
def test_a_release_that_was_blamed_at_another_time(host, blamed, then):
    """However far the clock was ahead or behind, a better release is installed at once."""
    host.app.publish("1.2.0", "BROKEN")
    host.fsm(blamed, "update", "app", code=Code.ROLLED_BACK)
    host.app.publish("1.3.0")
    host.fsm(then, "update", "app")
    assert host.app.answer() == "1.3.0"
