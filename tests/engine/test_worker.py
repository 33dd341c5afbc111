"""Workers: processes that act as a component's user, by whom an engine must be served and cannot be harmed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fsm.adapter import Draft, Registry, Target, User
from fsm.engine.executor import Control, Executor, Surroundings
from fsm.engine.journal import Journal, Kind, Run
from fsm.engine.plan import freeze
from fsm.engine.progress import EventKind, ProgressEvent
from fsm.engine.questions import Questions
from fsm.engine.worker import Workers, process
from fsm.engine.worker.hearing import Deaf
from fsm.errors import DeadlineExceeded, WorkerFailed
from fsm.lifecycle import State
from fsm.model import Version
from fsm.system import faults, users
from fsm.system.processes import Identity, alive, identify, with_environment
from fsm.system.shell import MARKER
from tests.engine.worker_adapter import Act, Acts, ActsSpec, Facts, Own
from tests.users import OTHER, python_for_all

pytestmark = pytest.mark.processes

REGISTRY = Registry.of(Acts())

PLACE = "tests.engine.worker_adapter:Acts"


class Bench:
    """Runs of one step, or of two, as a user."""

    def __init__(self, directory: Path, user: User) -> None:
        self.directory = directory
        self.user = user
        self.workers = Workers()
        self.control = Control()
        self.events: list[ProgressEvent] = []
        self.around = Surroundings(directory, self.control, observers=[self._hear], workers=self.workers)
        self.on_progress: Any = lambda event: None

    def _hear(self, event: ProgressEvent) -> None:
        self.events.append(event)
        if event.kind is EventKind.PROGRESS:
            self.on_progress(event)

    def journal(self) -> Journal:
        """The journal."""
        return Journal(self.directory / "journal.db")

    def run(self, *steps: Act) -> tuple[Run, list[Any]]:
        """Drive a new run; it, and the rows of its log."""
        with self.journal() as journal:
            executor = Executor(journal, REGISTRY, self.around)
            begun = journal.begin("a", "acts", from_version="1")
            ended = executor.drive(begun, lambda run, context: self.plan(*steps))
            return ended, list(journal.log(ended.id))

    def plan(self, *steps: Act) -> Any:
        """A plan of these steps."""
        draft = Draft(steps=steps)
        return freeze("a", "acts", draft, from_version=Version("1"), to_version=Version("2"), user=self.user)

    def does(self, act: str, step: type[Act] = Act, **more: Any) -> dict[str, Any]:
        """What a step returns."""
        run, rows = self.run(step(act=act, timeout=60.0, **more))
        assert run.state is State.DONE, run.reason
        (done,) = [row.data for row in rows if row.kind is Kind.STEP_DONE]
        return dict(done)

    def fails(self, act: str, step: type[Act] = Act, timeout: float = 60.0) -> dict[str, Any]:
        """How a step fails."""
        run, rows = self.run(step(act=act, timeout=timeout))
        assert run.state is State.ROLLED_BACK, run.reason
        (failed,) = [row.data for row in rows if row.kind is Kind.STEP_FAILED]
        return dict(failed)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench whose user is who runs the tests: all but the change of the user is the same."""
    made = Bench(tmp_path, users.numbered(os.getuid()))
    with closing(made.workers):
        yield made


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A bench with another user."""
    monkeypatch.setattr(sys, "executable", python_for_all())
    tmp_path.chmod(0o700)
    made = Bench(tmp_path, users.numbered(OTHER))
    with closing(made.workers):
        yield made


def test_a_step_is_done_by_a_process_of_its_own(bench):
    """One that is confined before it does anything, and has nothing of the updater's environment."""
    told = bench.does("who")["data"]
    assert told["pid"] != os.getpid()
    assert (told["session"], told["no_new_privs"], told["core"], told["umask"]) == (True, "1", [0, 0], 0o022)
    assert told["looked_into_by"] == 0
    assert told["environ"] == bench.user.environment()
    assert told["open"] == ["/dev/null", "pipe", "pipe", "socket"]
    assert told["cwd"] == "/"


def test_the_updaters_own_steps_stay_with_the_updater(bench):
    """Also where the plan has a user."""
    assert bench.does("pid", Own)["data"] == {"pid": os.getpid()}


def test_the_updaters_own_steps_have_the_user_run_programs(bench):
    """Where they ask for it: what lies in the user's tree is never the updater's."""
    assert bench.does("program", Own)["data"] == {"code": 0, "tail": f"{os.getuid()}\n"}
    _, rows = bench.run(Own(act="program"), Act(act="pid"))
    told = [row.data["data"] for row in rows if row.kind is Kind.STEP_DONE]
    known = [row.data["identity"]["pid"] for row in rows if row.kind is Kind.CHILD]
    assert told[1]["pid"] in known


def test_a_step_sees_the_run(bench):
    """And its words reach people without what a terminal would obey."""
    done = bench.does("context")
    told = done["data"]
    assert (told["run_id"], told["component"], told["results"]) == (1, "a", {})
    assert (told["touched"], told["provisional"], told["some_time"]) == (False, False, True)
    assert done["notes"] == ["one [31m", "two"]


@pytest.mark.parametrize("act", ["failed", "step_failed", "refused", "os_error", "bug", "names", "no_json", "nothing"])
def test_failures_mean_the_same_on_both_sides(bench, act):
    """Whose fault it is, what to do, and where a bug is."""
    told, here = bench.fails(act), bench.fails(act, Own)
    if act == "failed":
        here["why"] = "it is broken"  # on one line
    elif act in ("names", "no_json", "nothing"):
        assert told.pop("why").partition(" returned ")[2].split(" (")[0] in here.pop("why")
    assert told == here
    assert bool(told["todo"]) == (act != "refused")


def test_what_is_tried_again_is_tried_again(bench):
    """A step that asks for it, and one that met something transient."""
    for act in ("retry", "transient"):
        assert "gave up after 60 s and 1 try" in bench.fails(act)["why"]


@pytest.mark.parametrize(
    ("act", "why"),
    [
        ("die", "ended by signal 9; it wrote: I cannot go on"),
        ("rubbish", "it said '[31mhello'"),
        ("endless", "it does not come to an end"),
        ("ready", "it said ready"),
        ("fault", "it said fault"),
        ("early", "Unable to extract tag"),
        ("nan", "Input should be a finite number"),
        ("cancelled", "it raised Cancelled, which only the updater does"),
        ("deep", "its data is nested too deeply"),
        ("large", "the answer has 9 MiB"),
    ],
)
def test_a_worker_that_is_of_no_use_is_the_hosts_trouble(bench, act, why):
    """The run is rolled back by another one, and the release may be tried again."""
    failed = bench.fails(act)
    assert why in failed["why"]
    assert failed["blame"] == ("release" if act == "large" else "host")


def test_a_worker_cannot_have_a_process_of_somebody_elses_ended(bench):
    """A resume ends what a run has started: what is not the user's is not believed."""
    victim = identify(1)
    assert victim is not None
    worker = process.Worker(bench.user, PLACE, {})
    worker.user = bench.user.model_copy(update={"uid": 77})
    request = _request("steal", victim={"json": victim.model_dump_json()})
    with pytest.raises(WorkerFailed, match="it said that process 1 is its own"):
        worker.call(request, lambda: None, Deaf())
    assert not worker.usable


def _request(act: str, **results: Any) -> dict[str, Any]:
    facts = {"title": "act", "marker": "m", "run_id": 1, "component": "a", "results": results, "remaining": 60.0}
    context = {**facts, "touched": False, "provisional": False}
    return {"verb": "do", "adapter": PLACE, "step": "act", "args": {"act": act}, "context": context}


def test_a_worker_that_hangs_is_ended(bench, monkeypatch):
    """At its deadline, and a little later."""
    monkeypatch.setattr(process, "GRACE", 0.2)

    def late() -> None:
        if worker._ready:
            raise DeadlineExceeded("cannot act", "it took longer than its deadline")

    worker = process.Worker(bench.user, PLACE, {})
    with pytest.raises(DeadlineExceeded):
        worker.call(_request("hang"), late, Deaf())
    assert worker.identity is not None
    assert not alive(worker.identity)


def test_children_are_the_journals(bench):
    """With the worker itself: a resume ends what a dead engine has left."""
    run, rows = bench.run(Act(act="child"))
    assert run.state is State.DONE, run.reason
    first = next(row.data["argv0"] for row in rows if row.kind is Kind.CHILD)
    assert first == f"the worker of user {bench.user.name}"
    (done,) = [row.data["data"] for row in rows if row.kind is Kind.STEP_DONE]
    assert done == {"code": 0, "tail": f"out\n{os.getuid()}\n"}
    log = (bench.directory / "logs/a.log").read_text()
    assert "$ act, as " in log
    assert f"out\n{os.getuid()}\n" in log


def test_a_cancelled_run_ends_its_children(bench):
    """The worker is told to stop, and ends what it started."""

    def cancel() -> None:
        while not with_environment(mark):
            time.sleep(0.02)
        with bench.journal() as journal:
            journal.request_cancel(journal.runs()[0], "requested by the user")

    mark = f"{MARKER}={bench.around.name}.1"
    thread = threading.Thread(target=cancel)
    thread.start()
    run, rows = bench.run(Act(act="long_child"))
    thread.join()
    assert (run.state, run.reason) == (State.ROLLED_BACK, "cancelled: requested by the user")
    assert [row.data["argv0"] for row in rows if row.kind is Kind.CHILD][1:] == ["sh"]
    assert with_environment(mark) == []


def test_an_interrupted_run_waits_for_its_resume(bench):
    """Progress is heard meanwhile; what was asked to stop stops at the worker's next check."""
    bench.on_progress = lambda event: bench.control.stop()
    run, rows = bench.run(Act(act="slow"))
    assert (run.state, rows[-1].kind) == (State.UPDATING, Kind.INTERRUPTED)
    heard = next(event for event in bench.events if event.kind is EventKind.PROGRESS)
    assert (heard.total, heard.unit) == (1000, "things")


def test_fault_points_are_the_engines(bench):
    """A test kills the engine at them, wherever they are reached."""
    seen: list[str] = []
    faults.install(seen.append)
    try:
        bench.does("points")
    finally:
        faults.install(None)
    assert [name for name in seen if name.startswith("worker.")] == ["worker.first", "worker.second"]


def test_the_kernel_ends_a_worker_with_its_engine(bench, tmp_path):
    """At once, whatever it does; its children are ended by the resume, which finds them in the journal."""
    script = (
        "import sys, pathlib; from tests.engine.test_worker import *\n"
        "bench = Bench(pathlib.Path(sys.argv[1]), users.numbered(os.getuid()))\n"
        "bench.run(Act(act='long_child'))\n"
    )
    engine = subprocess.Popen([sys.executable, "-c", script, tmp_path], cwd=Path(__file__).parents[2])
    try:
        _wait(lambda: len(_children(bench)) == 2)
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    worker, child = _children(bench)
    _wait(lambda: not alive(worker))
    assert alive(child)
    with bench.journal() as journal:
        executor = Executor(journal, REGISTRY, bench.around)
        run = journal.active("a")
        assert run is not None
        journal.request_cancel(run)
        assert executor.resume(run, lambda run, context: bench.plan()).state is State.ROLLED_BACK
    assert not alive(child)


def _children(bench: Bench) -> list[Identity]:
    if not (bench.directory / "journal.db").exists():
        return []
    with bench.journal() as journal:
        rows = [row for run in journal.runs() for row in journal.log(run.id) if row.kind is Kind.CHILD]
    return [Identity.model_validate(row.data["identity"]) for row in rows]


def _wait(until: Any) -> None:
    limit = time.monotonic() + 60
    while not until():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_one_worker_does_one_call_after_the_other(bench):
    """Two calls at the same time have two; one that was ended is replaced."""
    first = bench.does("who")["data"]["pid"]
    assert bench.does("who")["data"]["pid"] == first
    with bench.workers.lend(bench.user, Acts()) as one, bench.workers.lend(bench.user, Acts()) as two:
        assert one.identity is not None
        assert two.identity is not None
        assert {one.identity.pid, two.identity.pid} > {first}
    os.kill(first, signal.SIGKILL)
    _wait(lambda: not one.usable)
    assert bench.does("who")["data"]["pid"] == two.identity.pid


def test_a_worker_outlives_the_thread_that_asked_for_it(bench):
    """The kernel ends a child with the thread that started it; the members of a set are driven by several."""
    thread = threading.Thread(target=bench.workers.prepare, args=(bench.user, Acts()))
    thread.start()
    thread.join()
    with bench.workers.lend(bench.user, Acts()) as worker:
        assert worker.call(_request("context"), lambda: None, Deaf())


def _questions(bench: Bench) -> tuple[Questions, Target]:
    return Questions(Acts(), bench.workers), Target(name="a", state_dir=bench.directory, user=bench.user)


def test_questions_are_asked_of_the_users_process(bench):
    """Held to the adapter's model, about no other component, and fit to be shown."""
    questions, target = _questions(bench)
    spec, me = ActsSpec(path=bench.directory), os.getuid()
    installed = questions.inspect(target, spec)
    assert installed == Facts(version=Version("1.0"), why_unknown="a [31mb", uid=me)
    looked = questions.look(target, spec, installed, None)
    assert isinstance(looked, Facts)
    assert looked.after == "1.0 None"
    (backup,) = questions.backups(target, spec)
    assert (backup.run_id, backup.made_at) == (me, "2026")
    (finding,) = questions.doctor(target, spec)
    assert (finding.subject, finding.message) == ("a", f"uid {me} [1m")
    assert questions.leftovers(target, spec) == [bench.directory / f"run-{me}"]
    assert questions.last_run(target, spec) == 7
    assert questions.last_run(target, ActsSpec(answer="huge")) == 0


def test_a_question_that_kills_or_hangs_its_process_leaves_the_version_unknown(bench, monkeypatch):
    """And says why; `fsm status` shows the other components all the same."""
    questions, target = _questions(bench)
    found = questions.inspect(target, ActsSpec(answer="die"))
    assert found.version is None
    assert "its process ended by signal 9" in found.why_unknown


def test_an_answer_is_waited_for_only_so_long(bench, monkeypatch):
    """Outside of a run there is no other deadline."""
    monkeypatch.setattr("fsm.engine.questions.LIMIT", 2.0)
    monkeypatch.setattr(process, "GRACE", 0.2)
    questions, target = _questions(bench)
    found = questions.inspect(target, ActsSpec(answer="hang"))
    assert "it took longer than 2 s" in found.why_unknown


def test_an_updater_that_the_user_cannot_run_says_so(bench, monkeypatch):
    """In one line, with the remedy."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    questions, target = _questions(bench)
    assert "/nowhere/python cannot be run as that user" in questions.inspect(target, ActsSpec()).why_unknown
    with pytest.raises(WorkerFailed, match="install fsm-updater where every user may read it"):
        questions.doctor(target, ActsSpec())


def test_an_adapter_that_another_process_cannot_make_says_so(bench):
    """One that a program defines inside of a function, for example."""
    worker = process.Worker(bench.user, "tests.engine.worker_adapter:NotThere", {})
    with pytest.raises(WorkerFailed, match=r"its process ended with code 1; it wrote: .*cannot load the adapter"):
        worker.call(_request("who"), lambda: None, Deaf())


@pytest.mark.needs_root
def test_a_worker_is_nobody_but_its_user(other):
    """No capability, no other group, no way back; neither has what it starts."""
    told = other.does("who")["data"]
    number = str(OTHER)
    assert (told["uids"], told["gids"], told["groups"]) == ([number] * 4, [number] * 4, [])
    assert told["capabilities"] == ["", "", "", ""]
    assert (told["no_new_privs"], told["looked_into_by"]) == ("1", 0)
    assert other.does("child")["data"]["tail"] == f"out\n{OTHER}\n"


@pytest.mark.needs_root
def test_the_updaters_own_steps_run_programs_as_the_user(other):
    """Where they ask for it; and what they ask the adapter is answered by the user's process."""
    assert other.does("program", Own)["data"] == {"code": 0, "tail": f"{OTHER}\n"}
    questions, target = _questions(other)
    assert questions.inspect(target, ActsSpec()) == Facts(version=Version("1.0"), why_unknown="a [31mb", uid=OTHER)
    assert json.loads(json.dumps(other.does("kept", Own)["data"])) == {"kept": 1}
