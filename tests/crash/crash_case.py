"""One case: a host as it was, a process that is killed, one that goes on, and everything that must be true then."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from fsm.engine.journal import Journal, Run
from fsm.errors import JournalError
from fsm.system.digest import hash_file
from tests.app_fixture import AppFixture
from tests.crash.child import PATIENCE
from tests.crash.scenarios import SCENARIOS, Scenario
from tests.git_fixture import GitFixture

ROOT: Final = Path(__file__).resolve().parents[2]
KILLED: Final = -9

_FREE: Final = (
    *("state/logs*", "state/services*", "*/aside/*/data/log", "*/.git/modules/*HEAD"),
    *("*/aside", "*/aside/[0-9]", "*/aside/[0-9]/serve.py", "*/.git/logs/*"),
)
"""What may be different or gone: logs of our own, how a service was started that has ended, what apps write at each
start, where a submodule is that belongs to no version of the checkout, what a check had written and not synced, and
git's reflogs: of what `core.fsync` names they are no part. The crash matrix, which cuts no power, looks at them."""

Kill = tuple[str, int]
"""A fault point, and how many times it is reached before it kills."""

Answer = dict[str, Any]


class Forge:
    """One server of `tests.crash.child`: forks processes, one at a time. A context manager.

    Args:
        log: the file that gets what its processes complain about.
        options: ``here``: its processes see what is mounted later.

    Attributes:
        patience: seconds in which a process has ended.
    """

    patience: ClassVar[float] = PATIENCE + 10

    def __init__(self, log: Path, *options: str) -> None:
        self._log, self._options = log, options

    def __enter__(self) -> Self:
        self._start("tests.crash.child")
        return self

    def _start(self, module: str, *inherited: int) -> None:
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", module, *self._options, *map(str, inherited)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                pass_fds=inherited,
            )

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(PATIENCE)
        self._server.stdout.close()

    def ask(self, app_fixture: Path, scenario: str, verb: str, kill: Kill | None, *, start: bool) -> Answer:
        """Have a new process do something; tells how it ended."""
        request = {"root": str(app_fixture), "scenario": scenario, "verb": verb, "kill": kill, "start": start}
        self._request(request)
        answer = self._answer(request)
        assert answer["exit"] in (0, KILLED), f"{verb} ended with {answer['exit']}: {self.complaints()}"
        return answer

    def _request(self, request: Mapping[str, Any]) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()

    def _answer(self, request: Mapping[str, Any]) -> Answer:
        assert self._server.stdout is not None
        ready, _, _ = select.select([self._server.stdout], [], [], self.patience)
        line = self._server.stdout.readline() if ready else ""
        if not line:
            self._server.kill()
            raise AssertionError(f"no answer to {request}: {self.complaints()}")
        answer: Answer = json.loads(line)
        return answer

    def kill(self) -> bool:
        """Kill the process that is at work just now; whether there was one."""
        pid = self._server.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        return bool(children)

    def complaints(self) -> str:
        """The end of what its processes wrote."""
        return self._log.read_text(errors="replace")[-4000:]


@dataclass
class Undisturbed:
    """How a scenario goes when nobody is in its way: what every crash case is compared with.

    Attributes:
        trail: the fault points, in the order in which they are reached.
        before, after: the listings.
        result: what the verb returned.
    """

    trail: list[str]
    before: dict[str, Any]
    after: dict[str, Any]
    result: Answer


@dataclass
class Workshop:
    """Makes one crash case: a copy of the template, with the app running."""

    forge: Forge
    name: str
    template: Path
    place: Path

    def crash_case(self) -> CrashCase:
        """The case."""
        subprocess.run(["cp", "-a", str(self.template), str(self.place)], check=True)
        for record in self.place.rglob(".app.fsm/backups/*/record.json"):
            record.write_text(record.read_text().replace(str(self.template), str(self.place)))
        with Journal(self.template / "state" / "journal.db", readonly=True) as journal:
            earlier = len(journal.runs())
        return CrashCase(self.forge, self.name, SCENARIOS[self.name].make_fixture(self.place), earlier)


@dataclass
class CrashCase:
    """One host in one scenario, with as many `earlier` runs. A context manager: nothing of it is left."""

    forge: Forge
    name: str
    app_fixture: AppFixture
    earlier: int
    started: bool = False

    @property
    def scenario(self) -> Scenario:
        """What is interrupted."""
        return SCENARIOS[self.name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.lose_power()
        if kind is None or "FSM_CRASH_KEEP" not in os.environ:
            shutil.rmtree(self.app_fixture.root)

    def ask(self, verb: str, kill: Kill | None = None) -> Answer:
        """Have a new process do something here; the first one finds the app running."""
        start = not self.started and self.scenario.before is not None
        self.started = True
        return self.forge.ask(self.app_fixture.root, self.name, verb, kill, start=start)

    def finish(self, kill: Kill | None = None) -> Answer:
        """What an operator's timer does after a crash: resume; where nothing had begun, begin."""
        if self.run is None:
            return self.ask(self.scenario.verb, kill)
        return self.ask("resume", kill)

    @property
    def run(self) -> Run | None:
        """The run of this scenario, of a set that of the set; None when it was not begun."""
        path = self.app_fixture.state / "journal.db"
        try:
            opened = Journal(path, readonly=True)
        except JournalError:  # a write was cut off: whoever may write takes it back, as a resume does
            opened = Journal(path)
        with opened as journal:
            runs = [run for run in journal.runs() if run.id > self.earlier and run.part_of is None]
        assert len(runs) <= 1, runs
        return runs[0] if runs else None

    def judge(self, wanted: Undisturbed) -> None:
        """Assert everything that must be true once the run has ended."""
        self.judge_journal()
        self.judge_service(self.scenario.version)
        self.compare(wanted.after)
        if isinstance(self.app_fixture, GitFixture) and self.scenario.version is not None:
            assert self.app_fixture.is_clean(self.scenario.version, self.scenario.changed), "git finds something"

    def lose_power(self) -> None:
        """Kill whatever runs here, and wait until it is gone."""
        self.app_fixture.kill()
        while left := _processes_of(self.app_fixture.root):
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def judge_after_a_boot(self, wanted: Undisturbed) -> None:
        """As `judge`, but for what is `_FREE` after the service was ended, and perhaps started twice."""
        found = listing(self.app_fixture.root)
        free = {name for name in wanted.after if any(fnmatch(name, pattern) for pattern in _FREE)}
        after = {
            name: found[name] if name in free else about
            for name, about in wanted.after.items()
            if name not in free or name in found
        }
        self.judge(replace(wanted, after=after))

    def judge_journal(self, outcome: str | None = None) -> None:
        """The run has ended as it should, and the journal is whole.

        Args:
            outcome: the state; None: as it ends where nothing fails.
        """
        run, outcome = self.run, outcome or self.scenario.outcome
        assert run is not None
        assert run.state == outcome, (run.state, run.reason, run.todo)
        with Journal(self.app_fixture.state / "journal.db", readonly=True) as journal:
            assert journal.verify()[0] == []
            assert journal.database.integrity() == []
            held = journal.policy.held(self.app_fixture.name)
            assert {own.state for own in journal.members(run.id)} <= {run.state}
            assert len(journal.members(run.id)) == (self.scenario.apps if self.scenario.apps > 1 else 0)
        assert (held is not None) == (self.scenario.verb == "rollback" and outcome == "done"), held

    def judge_service(self, version: str | None) -> None:
        """Exactly one process runs, with that version; none, where nothing is installed."""
        assert self.app_fixture.version() == version
        processes = _processes_of(self.app_fixture.root)
        if version is None:
            assert self.app_fixture.silent()
            assert processes == []
        else:
            answer = self.app_fixture.answer()
            assert answer == version, f"{answer} answers, not {version}"
            assert len(processes) == self.scenario.apps, [_described(pid) for pid in processes]

    def compare(self, wanted: Mapping[str, Any]) -> None:
        """Every file is there, unchanged, and no other. What is wanted decides whether the updater's own count."""
        found = listing(self.app_fixture.root)
        if not any(name.startswith("state/") for name in wanted):
            found = of_user(found)
        lost = sorted(wanted.keys() - found.keys())
        stray = sorted(found.keys() - wanted.keys())
        both = found.keys() & wanted.keys()
        differ = {name: (found[name], wanted[name]) for name in both if found[name] != wanted[name]}
        assert (lost, stray, differ) == ([], [], {}), f"lost {lost}, stray {stray}, different {differ}"


def listing(root: Path) -> dict[str, Any]:
    """Everything below a directory: kind, mode, owner, and of what counts also bytes and time."""
    found: dict[str, Any] = {}
    by_git = (root / "releases" / "HEAD").exists()
    for path in _walk(root):
        name = str(path.relative_to(root))
        if "/.git/" in name and (path.is_dir() or "/objects/" in name or path.name == "ORIG_HEAD"):
            continue  # git says itself whether its objects are whole, and keeps empty directories as it likes
        status = path.lstat()
        about: list[Any] = [stat.S_IFMT(status.st_mode), status.st_mode & 0o7777, status.st_uid, status.st_gid]
        if path.is_symlink():
            about.append(os.readlink(path))
        elif path.is_file() and not _varies(name):
            about += [hash_file(path)[0], status.st_mtime_ns if not _stamped(name, by_git) else 0]
        found[name] = about
    return found


def _walk(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _varies(name: str) -> bool:
    """What holds times, process ids and the like: that it is there is all that can be compared."""
    records = name.endswith(("record.json", ".inventory", ".pyc", ".tar.zst", "fsm-env.json"))
    of_git = "/.git/" in name and (name.endswith(("/index", "/config")) or "/logs/" in name)
    return records or of_git or name.startswith("state/") or "/envs/" in name


def _stamped(name: str, by_git: bool) -> bool:
    """What was written during the run, and so has another time each time."""
    if by_git and name.startswith("app/") and not name.startswith(("app/.env", "app/data", "app/local")):
        return True
    written = name.endswith(("installed.json", "installed.before.json", "migrated", "copy-in-begun"))
    return written or "/aside/" in name or "/saved/" in name


def of_user(found: Mapping[str, Any]) -> dict[str, Any]:
    """A listing without the journal, the logs and the pid files."""
    return {name: about for name, about in found.items() if not name.startswith("state")}


def preserved(found: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a listing that `preserve` names."""
    return {
        name: about
        for name, about in found.items()
        if name.removeprefix("second/").startswith(("app/.env", "app/data"))
    }


def _processes_of(root: Path) -> list[int]:
    """The processes that were started, at whatever remove, by a process of this case."""
    entry = b"FSM_CRASH_CASE=" + os.fsencode(root)
    found = []
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and entry in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                found.append(int(name))
    return found


def _described(pid: int) -> str:
    try:
        return f"{pid}: {Path(f'/proc/{pid}/cmdline').read_bytes().replace(bytes(1), b' ').decode(errors='replace')}"
    except OSError:
        return f"{pid}: gone"
