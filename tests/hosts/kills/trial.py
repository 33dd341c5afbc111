"""One kill: a machine updates, loses its power at some moment, boots, and is examined."""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fsm.engine.journal import Journal
from fsm.lifecycle import RESTING
from tests.hosts.home import BedError
from tests.hosts.kills.scenario import Scenario
from tests.hosts.machine import Machine

JOURNAL: Final = "/var/lib/fsm"
_RESUME: Final = "fsm-resume.service"
_ANSWER_WITHIN: Final = 60.0
"""Seconds after a boot: a host whose service has not come by then has lost it."""

_FOREIGN_WITHIN: Final = 20.0
"""The same where nobody resumes: what the boot does not start nobody starts."""

BEFORE, AFTER, FOREIGN = "not begun", "over", "–"
"""States of a run that were none: the kill came too early, too late, or there is no updater of ours."""


@dataclass
class Trial:
    """What became of one kill.

    Attributes:
        number: counts the kills of one machine; the release is 1.<number>.0.
        broken: whether the release was broken.
        moment: seconds after the call, or the first word of an updater of ours, at which the power was cut.
        killed_in: the state of the run then, see `fsm.lifecycle`, or BEFORE, AFTER, FOREIGN.
        written: of the files that a disk of its own had written without being asked, what decides which; None: none.
        again: seconds after the boot of a second power cut; None where there was none.
        outcome: the run's state in the end; for a foreign updater what is there: `new`, `old`, or `half` of each.
        resume_seconds: how long `fsm-resume` worked after the last boot.
        answer_seconds: from power on (the last time) until the service answered.
        problems: what is wrong; empty where all is well.
    """

    number: int
    broken: bool
    moment: float
    killed_in: str = ""
    written: int | None = None
    again: float | None = None
    outcome: str = ""
    resume_seconds: float | None = None
    answer_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def counts(self) -> bool:
        """Whether the kill came in the middle of an update."""
        return self.killed_in not in (BEFORE, AFTER)


def perform(scenario: Scenario, host: Machine, trial: Trial) -> None:
    """Publish, begin, kill, boot, examine.

    Args:
        scenario: what is updated.
        host: a machine that was prepared for it, and is on.
        trial: its moment, number and kind; the rest is filled in.
    """
    old, before = scenario.installed(host), scenario.preserved(host)
    new = dict.fromkeys(old, f"1.{trial.number}.0")
    last = {name: _last_run(host, name) for name in scenario.components}
    scenario.publish(host, f"1.{trial.number}.0", broken=trial.broken)
    written = None if trial.written is None else random.Random(trial.written)
    _kill_amid(scenario, host, trial.moment, written)
    trial.killed_in = _state_at_kill(scenario, host, last)
    began = time.monotonic()
    host.boot(wait=False)
    if trial.again is not None:
        time.sleep(trial.again)
        host.kill(written)
        began = time.monotonic()
        host.boot(wait=False)
    try:
        _examine(scenario, host, trial, began, (old, new), last)
    except (BedError, subprocess.TimeoutExpired) as error:
        trial.problems.append(f"cannot be examined: {error}")
        return
    if scenario.preserved(host) != before:
        trial.problems.append("preserved files differ")
    if _is_ours(host, trial):
        trial.problems.extend(scenario.oddities(host))


def _is_ours(host: Machine, trial: Trial) -> bool:
    """Whether a run of ours was to see to the services: what an engine makes of a disk that was cut is else its own."""
    return trial.counts or host.disk is None


def _kill_amid(scenario: Scenario, host: Machine, moment: float, written: random.Random | None) -> None:
    if host.disk is not None:
        os.sync()  # what was there before the update, and the release in its source, is not what is tried
    child = begin(scenario, host)
    try:
        with suppress(subprocess.TimeoutExpired):
            child.communicate(timeout=moment)
        host.kill(written)
    finally:
        child.kill()
        child.communicate()


def begin(scenario: Scenario, host: Machine) -> subprocess.Popen[bytes]:
    """Call the update. An updater of ours is given time until its first word: before, there is nothing to interrupt."""
    child = host.begin(*scenario.command)
    if scenario.components and child.stdout is not None:
        select.select([child.stdout], [], [], 60.0)
    return child


def _examine(
    scenario: Scenario,
    host: Machine,
    trial: Trial,
    began: float,
    versions: tuple[dict[str, str], dict[str, str]],
    last: dict[str, int],
) -> None:
    """Wait until the host is in its last state, and compare that with what it should be."""
    old, new = versions
    host.wait_ready(1500)
    if not scenario.components:
        _examine_foreign(scenario, host, trial, began, versions)
        return
    trial.resume_seconds = _await_resume(host, trial)
    trial.outcome = _outcome(scenario, host, trial, last)
    wanted = {"done": new, "rolled_back": old, BEFORE: old, AFTER: scenario.installed(host)}.get(trial.outcome, {})
    answer = _await_answer(scenario, host, [wanted], _ANSWER_WITHIN)
    trial.answer_seconds = time.monotonic() - began
    if (answer != wanted or not wanted) and _is_ours(host, trial):
        trial.problems.append(f"{_words(answer) or 'nobody'} answers, not {_words(wanted) or 'a known version'}")
    if scenario.installed(host) != wanted:
        trial.problems.append(f"the files are {_words(scenario.installed(host))}, not {_words(wanted)}")
    if trial.broken and trial.outcome == "done":
        trial.problems.append("a broken release was accepted")


def _examine_foreign(
    scenario: Scenario, host: Machine, trial: Trial, began: float, versions: tuple[dict[str, str], dict[str, str]]
) -> None:
    """What is there after the boot of a host on which nobody resumes: only what is broken counts as a problem."""
    answer = _await_answer(scenario, host, versions, _FOREIGN_WITHIN)
    trial.answer_seconds = time.monotonic() - began
    if answer not in versions:
        trial.problems.append(f"{_words(answer) or 'nobody'} answers")
    if answer != scenario.installed(host):
        trial.outcome = "half"
    else:
        trial.outcome = "new" if answer == versions[1] else "old"


def _await_answer(
    scenario: Scenario, host: Machine, wanted: Sequence[dict[str, str]], seconds: float
) -> dict[str, str]:
    """What answers: one of those wanted, or what there is when the time is over."""
    until = time.monotonic() + seconds
    while (answer := scenario.answers(host)) not in wanted and time.monotonic() < until:
        time.sleep(0.1)
    return answer


def _words(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def _await_resume(host: Machine, trial: Trial) -> float:
    """Wait until `fsm-resume` has ended; how long it worked."""
    until = time.monotonic() + 1500
    names = ("ActiveState", "Result", "ExecMainStartTimestampMonotonic", "ExecMainExitTimestampMonotonic")
    while True:
        shown = host.run("systemctl", "show", _RESUME, *(f"--property={name}" for name in names))
        found = dict(line.split("=", 1) for line in shown.splitlines())
        if found["ActiveState"] in ("inactive", "failed"):
            break
        if time.monotonic() > until:
            raise BedError(f"{_RESUME} does not end: {shown}")
        time.sleep(0.1)
    if found["Result"] != "success":
        trial.problems.append(f"{_RESUME}: {found['Result']}\n{host.journal('-u', _RESUME, lines=15)}")
    return (int(found[names[3]]) - int(found[names[2]])) / 1e6


def _outcome(scenario: Scenario, host: Machine, trial: Trial, last: dict[str, int]) -> str:
    """The state in which all runs of this trial ended; several, where they differ."""
    if trial.killed_in in (BEFORE, AFTER):
        return trial.killed_in
    states = set()
    for name in scenario.components:
        run = json.loads(host.run("fsm", "status", "--json", name))["results"][0]["last"]
        states.add(run["state"] if run and run["run"] > last[name] else BEFORE)
    if "rolled_back" in states and len(scenario.components) > 1:
        # What had not begun when another member failed was not begun any more, or was refused.
        states -= {BEFORE, "idle"}
    if states - {"done", "rolled_back"}:
        trial.problems.append(f"ended in {', '.join(sorted(states))}")
    elif len(states) > 1:
        trial.problems.append("some members are done, some rolled back")
    return " and ".join(sorted(states))


def _last_run(host: Machine, name: str) -> int:
    run = json.loads(host.run("fsm", "status", "--json", name))["results"][0]["last"]
    return int(run["run"]) if run else 0


def _state_at_kill(scenario: Scenario, host: Machine, last: dict[str, int]) -> str:
    """What the dead machine's journal says: the state of the run that was in progress."""
    if not scenario.components:
        return FOREIGN
    with tempfile.TemporaryDirectory() as folder:
        if host.engine.run("cp", f"{host.name}:{JOURNAL}/.", folder).returncode != 0:
            return BEFORE  # it was never called before
        with Journal(Path(folder) / "journal.db") as journal:
            runs = [journal.latest(name) for name in scenario.components]
            found = [run for run in runs if run and run.id > last[run.component]]
            if not found:
                # A set is being checked before its members have runs.
                begun = journal.active(scenario.set_name) if scenario.set_name else None
                return str(begun.state) if begun else BEFORE
            going = [run for run in found if run.state not in RESTING]
            if not going:
                return AFTER
            return str(going[-1].state)


def draw(random_: random.Random, scenario: Scenario, number: int, span: float, span_broken: float) -> Trial:
    """The next kill: when, of which release, and whether the boot is killed as well.

    Args:
        random_: seeded.
        scenario: what is updated.
        number: of the kill.
        span: seconds that an undisturbed update takes.
        span_broken: the same of a broken release, with its rollback.
    """
    broken = scenario.can_break and random_.random() < 0.25
    moment = random_.uniform(0.0, span_broken if broken else span)
    again = random_.uniform(0.0, 2.5) if random_.random() < 0.25 else None
    written = random_.randrange(1 << 30) if random_.random() < 0.5 else None
    return Trial(number=number, broken=broken, moment=moment, again=again, written=written)
