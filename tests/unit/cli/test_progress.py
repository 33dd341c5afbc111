"""What is shown while a run goes on: plain lines in logs, bars on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from fsm.cli import progress
from fsm.cli.progress import Bars, Lines, line
from fsm.engine.progress import EventKind, ProgressEvent
from fsm.lifecycle import State
from tests.unit.cli.conftest import Line

if TYPE_CHECKING:
    from rich.progress import Progress


def _event(kind: EventKind, message: str = "", **values: object) -> ProgressEvent:
    fields = {"state": State.UPDATING, "step": "unpack", "index": 3, "count": 12, **values}
    return ProgressEvent(kind=kind, component="app", run=1, message=message, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (_event(EventKind.STEP, "unpack the release"), "app [3/12] unpack the release"),
        (_event(EventKind.UNDO, "remove it"), "app [3/12] undo: remove it"),
        (_event(EventKind.UNDO), "app [3/12] undo: unpack"),
        (_event(EventKind.RETRY, "no network; next try in 1.0 s"), "app [3/12] no network; next try in 1.0 s"),
        (_event(EventKind.FAILED, "it is broken"), "app [3/12] failed: it is broken"),
        (
            _event(EventKind.CANCELLED, "cancelled: requested by the user"),
            "app [3/12] cancelled: requested by the user",
        ),
        (_event(EventKind.STATE, state=State.CHECKING, index=0), "app checking"),
        (_event(EventKind.STATE, state=State.ROLLING_BACK, index=0), "app rolling back"),
        (_event(EventKind.STATE, state=State.DONE, index=0), None),
        (_event(EventKind.STEP_DONE, "unpack the release"), None),
        (_event(EventKind.NOTE, "3 local files stay"), None),
        (_event(EventKind.PROGRESS, done=1 << 20, total=4 << 20, unit="bytes"), "app [3/12] 25 % of 4.0 MiB"),
        (_event(EventKind.PROGRESS, done=1 << 20, total=None, unit="bytes"), "app [3/12] 1.0 MiB"),
        (_event(EventKind.PROGRESS, done=5, total=10, unit="files"), "app [3/12] 50 % of 10 files"),
    ],
)
def test_events_as_lines(event: ProgressEvent, text: str | None):
    """Each kind has its own form, or none."""
    assert line(event) == text


def test_how_far_a_step_is_comes_seldom():
    """A download of minutes must not fill the log."""
    now, told = 0.0, list[str]()
    lines = Lines(told.append, clock=lambda: now)
    for second in range(0, 21):
        now = float(second)
        lines(_event(EventKind.PROGRESS, done=second, total=20, unit="files"))
    assert told == [f"app [3/12] {percent} % of 20 files" for percent in (25, 50, 75, 100)]
    lines(_event(EventKind.STEP_DONE))
    lines(_event(EventKind.STEP, "two\nlines"))
    assert told[-1] == "app [3/12] two lines"


def _on_a_terminal(updated: Line, environ: dict[str, str]) -> tuple[int, str]:
    """Run an update whose standard error is a terminal; its exit code, and what the terminal got."""
    main, side = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "fsm", "--config", str(updated.path), "update"],
        stdout=subprocess.PIPE,
        stderr=side,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **environ},
    )
    os.close(side)
    screen = b""
    while True:
        try:
            chunk = os.read(main, 4096)
        except OSError:  # the other side has been closed
            break
        if not chunk:
            break
        screen += chunk
    os.close(main)
    out, _ = child.communicate(timeout=30)
    assert out.startswith(b"app: ")
    return child.returncode, screen.decode()


@pytest.mark.processes
@pytest.mark.needs_linux
def test_a_terminal_gets_bars(updated: Line):
    """One that vanishes at the end; failures stay."""
    updated.configure(
        app=updated.another(
            "x", install_path=str(updated.app_fixture.live), post_checks=[{"type": "command", "argv": ["/bin/false"]}]
        )
    )
    code, screen = _on_a_terminal(updated, {})
    assert code == 30
    assert "\x1b[" in screen
    assert "failed: " in screen
    assert "[1/" in screen or "[2/" in screen or "/12]" in screen


@pytest.mark.processes
@pytest.mark.needs_linux
def test_no_color(updated: Line):
    """NO_COLOR leaves the bar, without colours; a dumb terminal gets lines."""
    _, screen = _on_a_terminal(updated, {"NO_COLOR": "1"})
    assert "\x1b[3" not in screen
    assert "\x1b[9" not in screen
    updated("rollback")
    updated("unhold")
    _, screen = _on_a_terminal(updated, {"TERM": "dumb"})
    assert "\x1b" not in screen
    assert "app [1/" in screen


def test_bars(capsys: pytest.CaptureFixture[str]):
    """They take every kind of event, from any component."""
    with progress.bars() as observer:
        observer(_event(EventKind.STATE, state=State.CHECKING, index=0))
        observer(_event(EventKind.STEP, "unpack [bold]"))
        observer(_event(EventKind.PROGRESS, done=1, total=2, unit="files"))
        observer(_event(EventKind.PROGRESS, done=1, total=None, unit="files"))
        observer(_event(EventKind.STEP_DONE))
        observer(_event(EventKind.RETRY, "no [red]network[/]"))
    assert "no [red]network[/]" in capsys.readouterr().err


class Drawn:
    """What a bar has been told to show, as `rich.progress.Progress` takes it."""

    def __init__(self) -> None:
        self.shares: dict[int, list[float]] = {}
        self.texts: dict[int, str] = {}
        self.said: list[str] = []
        self.console = self

    def print(self, text: str, **options: bool) -> None:
        """A line that stays."""
        self.said.append(text)

    def add_task(self, text: str, *, total: float | None, completed: float = 0) -> int:
        """A new bar."""
        self.shares[len(self.shares)] = [completed / total if total else 0.0]
        return len(self.shares) - 1

    def update(self, task: int, **shown: Any) -> None:
        """What is to be seen of it from now on."""
        self.texts[task] = shown.get("description") or self.texts.get(task, "")
        if shown.get("total"):
            self.shares[task].append(shown["completed"] / shown["total"])

    def remove_task(self, task: int) -> None:
        """It is gone."""


def _drawn(events: Sequence[ProgressEvent]) -> Drawn:
    drawn = Drawn()
    bars = Bars(cast("Progress", drawn))
    for event in events:
        bars(event)
    return drawn


def test_a_bar_never_jumps_back():
    """A download that begins anew, a step that counts twice, a state, a late word of an earlier step."""
    drawn = _drawn(
        [
            _event(EventKind.STATE, state=State.CHECKING, index=0, count=0),
            _event(EventKind.STEP, "download", index=1),
            _event(EventKind.PROGRESS, index=1, done=9, total=10),
            _event(EventKind.RETRY, "no network", index=1),
            _event(EventKind.PROGRESS, index=1, done=1, total=10),
            _event(EventKind.PROGRESS, index=1, done=5),
            _event(EventKind.STEP_DONE, index=1),
            _event(EventKind.STATE, state=State.VERIFYING, index=0),
            _event(EventKind.STEP, "verify", index=2),
            _event(EventKind.PROGRESS, index=1, done=2, total=10),
            _event(EventKind.STATE, state=State.DONE, index=0),
        ]
    )
    (shares,) = drawn.shares.values()
    assert shares == sorted(shares)
    assert 0.9 / 12 in shares
    assert shares[-1] == 1.0
    assert drawn.texts[0] == "app done"


def test_a_rollback_has_a_bar_of_its_own_that_grows():
    """From the last step that was begun down to the first: the way back is no falling bar."""
    back = {"state": State.ROLLING_BACK}
    drawn = _drawn(
        [
            _event(EventKind.STEP, "swap", index=3),
            _event(EventKind.CANCELLED, "cancelled: requested by the user", index=3),
            _event(EventKind.STATE, index=0, **back),
            _event(EventKind.UNDO, "swap back", index=3, **back),
            _event(EventKind.PROGRESS, index=3, done=1, total=2, **back),
            _event(EventKind.UNDO_DONE, "swap back", index=3, **back),
            _event(EventKind.FAILED, "it is busy", index=1, **back),
            _event(EventKind.UNDO, "remove it", index=1, **back),
            _event(EventKind.UNDO_DONE, "remove it", index=1, **back),
            _event(EventKind.STATE, state=State.ROLLED_BACK, index=0),
        ]
    )
    forward, backward = drawn.shares.values()
    assert forward == sorted(forward)
    assert backward == sorted(backward)
    assert backward[1:] == [0.0, 0.5 / 3, 1 / 3, 2 / 3, 1.0, 1.0]
    assert drawn.texts[1] == "app rolled back"
    assert drawn.said == [
        "app [3/12] cancelled: requested by the user",
        "app [3/12] undo: swap back (0.0 s)",
        "app [1/12] failed: it is busy",
        "app [1/12] undo: remove it (0.0 s)",
    ]


def test_each_run_has_its_bar():
    """A component that is taken up again begins anew; a set says where it is."""
    drawn = _drawn(
        [
            _event(EventKind.STEP, "unpack", index=6),
            replace(_event(EventKind.STEP, "unpack", index=1), run=2),
            replace(_event(EventKind.STATE, state=State.UPDATING, index=0, count=0), component="@all", run=3),
        ]
    )
    assert [shares[-1] for shares in drawn.shares.values()] == [5 / 12, 0.0, 0.0]
    assert drawn.texts[2] == "@all updating"


def test_finished_steps_stay(capsys: pytest.CaptureFixture[str]):
    """One line for each step, with the time that it took; and for each undo. What has not ended leaves none."""
    with progress.bars() as observer:
        observer(_event(EventKind.STEP, "unpack [bold]"))
        observer(_event(EventKind.STEP_DONE, "unpack [bold]"))
        observer(_event(EventKind.STEP, "start", index=4))
        observer(_event(EventKind.UNDO, "remove it", state=State.ROLLING_BACK))
        observer(_event(EventKind.UNDO_DONE, state=State.ROLLING_BACK))
        observer(_event(EventKind.UNDO_DONE, state=State.ROLLING_BACK, index=2))
    kept = [text for text in capsys.readouterr().err.splitlines() if text.endswith(" s)")]
    assert kept == ["app [3/12] unpack [bold] (0.0 s)", "app [3/12] undo: remove it (0.0 s)"]


def test_shown_takes_what_fits(updated: Line, monkeypatch: pytest.MonkeyPatch):
    """A terminal that can draw gets bars, everything else lines."""
    monkeypatch.setattr(progress, "on_terminal", lambda: True)
    ended = updated("update")
    assert ended.code == 0
    assert updated.app_fixture.version() == "1.1.0"
    steps = [text for text in ended.err.splitlines() if text.startswith("app [")]
    assert len(steps) == 12
    assert all(text.endswith(" s)") for text in steps)


def test_no_standard_error_is_no_terminal(monkeypatch: pytest.MonkeyPatch):
    """As under pythonw, or with the stream closed."""
    monkeypatch.setattr(sys, "stderr", None)
    assert not progress.on_terminal()


@pytest.mark.processes
def test_the_log_of_the_library_stays_out_of_sight(updated: Line, tmp_path: Path):
    """Its tracebacks are for FSM_DEBUG."""
    script = (
        "import sys\nfrom fsm.cli.run import run\nfrom fsm.engine.progress import log\n"
        f"code = run(['--config', {str(updated.path)!r}, 'check'])\n"
        "try: 1 / 0\nexcept ZeroDivisionError: log.exception('oh')\nsys.exit(code)\n"
    )
    for debug, expected in (("", False), ("1", True)):
        environ = {**os.environ, "FSM_DEBUG": debug}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True, timeout=60
        )
        assert ("Traceback" in done.stderr) is expected
