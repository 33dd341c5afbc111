"""Workers: processes that act as a component's user, by whom an engine must be served and cannot be harmed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from fsm.engine import spare
from fsm.engine.executor import Executor
from fsm.engine.journal import Kind
from fsm.engine.progress import EventKind
from fsm.engine.worker import process
from fsm.engine.worker.hearing import Deaf
from fsm.errors import DeadlineExceeded, WorkerFailed
from fsm.lifecycle import State
from fsm.system import faults
from fsm.system.processes import Identity, alive, identify, with_environment
from fsm.system.shell import MARKER
from tests.engine.worker_adapter import Act, Own
from tests.engine.worker_bench import PLACE, REGISTRY, Bench, request, wait
from tests.users import OTHER

pytestmark = pytest.mark.processes


def test_a_step_is_done_by_a_process_of_its_own(bench):
    """One that is confined before it does anything, and has nothing of the updater's environment."""
    told = bench.does("who")["data"]
    assert told["pid"] != os.getpid()
    assert (told["session"], told["no_new_privs"], told["core"], told["umask"]) == (True, "1", [0, 0], 0o022)
    assert told["looked_into_by"] == 0
    assert told["environ"] == {**bench.user.environment(), "PYDANTIC_DISABLE_PLUGINS": "__all__"}
    assert told["open"] == ["/dev/null", "pipe", "pipe", "socket"]
    assert told["cwd"] == "/"


def test_the_updaters_own_steps_stay_with_the_updater(bench):
    """Also where the plan has a user."""
    assert bench.does("pid", Own)["data"] == {"pid": os.getpid()}
    assert "1.0" in bench.does("asks", Own)["data"]["version"]
    assert bench.does("kept", Own)["data"] == {"kept": 1}


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
        ("stop", "a signal has stopped its process"),
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
    worker.be_ready(lambda: None, Deaf())
    worker.user = bench.user.model_copy(update={"uid": 77})
    call = request("steal", victim={"json": victim.model_dump_json()})
    with pytest.raises(WorkerFailed, match="it said that process 1 is its own"):
        worker.call(call, lambda: None, Deaf())
    assert not worker.usable


def test_a_worker_that_hangs_is_ended(bench, monkeypatch):
    """At its deadline, and a little later."""
    monkeypatch.setattr(process, "GRACE", 0.2)

    def late() -> None:
        if worker._ready:
            raise DeadlineExceeded("cannot act", "it took longer than its deadline")

    worker = process.Worker(bench.user, PLACE, {})
    with pytest.raises(DeadlineExceeded):
        worker.call(request("hang"), late, Deaf())
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

    mark = f"{MARKER}={bench.around.marker(1)}"
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
        "import sys, pathlib; import os; from fsm.system import users; from tests.engine.worker_bench import *\n"
        "bench = Bench(pathlib.Path(sys.argv[1]), users.numbered(os.getuid()))\n"
        "bench.run(Act(act='long_child'))\n"
    )
    engine = subprocess.Popen([sys.executable, "-c", script, tmp_path], cwd=Path(__file__).parents[2])
    try:
        wait(lambda: len(_children(bench)) == 2)
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    worker, child = _children(bench)
    wait(lambda: not alive(worker))
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


@pytest.mark.needs_root
@pytest.mark.parametrize("spared", [False, True])
def test_a_worker_is_nobody_but_its_user(other, spared):
    """No capability, no other group, no way back; neither has what it starts, nor a worker that began as root."""
    pid = _spare()[0] if spared else None
    told = other.does("who")["data"]
    if spared:
        assert (told["pid"], spare._waiting) == (pid, [])
    number = str(OTHER)
    assert (told["uids"], told["gids"], told["groups"]) == ([number] * 4, [number] * 4, [])
    assert told["capabilities"] == ["", "", "", ""]
    assert (told["no_new_privs"], told["looked_into_by"]) == ("1", 0)
    assert (told["session"], told["core"], told["umask"], told["cwd"]) == (True, [0, 0], 0o022, "/")
    assert told["environ"] == {**other.user.environment(), "PYDANTIC_DISABLE_PLUGINS": "__all__"}
    assert told["open"] == ["/dev/null", "pipe", "pipe", "socket"]
    assert other.does("child")["data"]["tail"] == f"out\n{OTHER}\n"


@pytest.mark.needs_root
def test_the_updaters_own_steps_run_programs_as_the_user(other):
    """Where they ask for it; and what they ask the adapter is answered by the user's process."""
    assert other.does("program", Own)["data"] == {"code": 0, "tail": f"{OTHER}\n"}


@pytest.mark.needs_root
def test_a_spare_worker_that_cannot_become_its_user_is_replaced(other, tmp_path, monkeypatch):
    """It has loaded as root what the user may not read: one that was started as the user says what is wrong."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(closed / "python"))
    spare.start(["python_app"])
    run, _ = other.run(Act(act="who"))
    assert f"{closed}/python cannot be run as that user: Permission denied" in run.reason


@pytest.mark.needs_root
def test_a_spare_worker_waits_whatever_the_configuration_calls_a_type(other):
    """Also where that looks like an adapter's class: it would begin to answer, as root."""
    spare.start([PLACE])
    (waiting,) = spare._waiting
    told = other.does("who")["data"]
    assert (told["pid"], told["uids"]) == (waiting.launched.pid, [str(OTHER)] * 4)


@pytest.mark.needs_root
def test_a_worker_that_is_not_its_user_is_asked_nothing(other, monkeypatch):
    """Whatever went wrong: what it would do for that user it would do with more rights."""
    roots = [spare.launch([PLACE], "root", env=spare.ENVIRONMENT)]
    monkeypatch.setattr(process, "spared", lambda *_: roots.pop() if roots else None)
    run, _ = other.run(Act(act="who"))
    assert run.state is State.ROLLED_BACK
    assert "it acts as another user" in run.reason


@pytest.mark.needs_root
def test_a_spare_worker_that_has_ended_is_nobodys(other):
    """Whoever wants one starts one."""
    pid, launched = _spare()
    os.kill(pid, signal.SIGKILL)
    wait(lambda: not launched.lives)
    assert other.does("who")["data"]["pid"] != pid


@pytest.mark.needs_root
def test_a_spare_worker_that_is_replaced_is_ended(other):
    """Also one that cannot hear that it is not wanted, since its user has stopped it."""
    pid, launched = _spare()
    os.kill(pid, signal.SIGSTOP)
    assert other.does("who")["data"]["pid"] != pid
    wait(lambda: not launched.lives)


def _spare() -> tuple[int, spare.Launched]:
    """A spare worker that waits: its number, and the process."""
    spare.start(["python_app"])
    (waiting,) = spare._waiting
    assert waiting.launched.pid is not None
    return waiting.launched.pid, waiting.launched


def test_a_spare_worker_that_nobody_takes_ends_with_its_engine():
    """Whether that has had its time or was killed; it waits for a word, and hears that there will be none."""
    script = (
        "from fsm.engine import spare; spare.start(['git'])\nprint(spare._waiting[0].launched.pid, flush=True); input()"
    )
    command = [sys.executable, "-c", script]
    for how in (signal.SIGKILL, None):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as engine:
            assert engine.stdout is not None
            waiting = identify(int(engine.stdout.readline()))
            assert waiting is not None
            if how is not None:
                engine.send_signal(how)
            engine.communicate("\n")
        wait(partial(_ended, waiting))


def _ended(process: Identity) -> bool:
    return not alive(process)
