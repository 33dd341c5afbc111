"""Questions to a component's user, and the processes that one call of a verb has for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fsm.adapter import Target
from fsm.engine.questions import LIMIT, Questions
from fsm.engine.worker import process
from fsm.engine.worker.hearing import Deaf
from fsm.errors import WorkerFailed
from fsm.model import Version
from fsm.system.processes import identify
from tests.engine.worker_adapter import Acts, ActsSpec, Facts, Own
from tests.engine.worker_bench import Bench, request, wait
from tests.users import OTHER

pytestmark = pytest.mark.processes


def test_one_worker_does_one_call_after_the_other(bench):
    """Two calls at the same time have two; one that was ended is replaced."""
    first = bench.does("who")["data"]["pid"]
    assert bench.does("who")["data"]["pid"] == first
    with bench.workers.lend(bench.user, Acts()) as one, bench.workers.lend(bench.user, Acts()) as two:
        assert one.identity is not None
        assert two.identity is not None
        assert {one.identity.pid, two.identity.pid} > {first}
    os.kill(first, signal.SIGKILL)
    wait(lambda: not one.usable)
    assert bench.does("who")["data"]["pid"] == two.identity.pid


def test_a_worker_outlives_the_thread_that_asked_for_it(bench):
    """The kernel ends a child with the thread that started it; the members of a set are driven by several."""
    thread = threading.Thread(target=bench.workers.prepare, args=(bench.user, Acts()))
    thread.start()
    thread.join()
    with bench.workers.lend(bench.user, Acts()) as worker:
        assert worker.call(request("context"), lambda: None, Deaf())


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


def test_a_process_that_its_user_stops_is_not_waited_for(bench):
    """The limit of a question is for those who work; who stops a process could have it waited for by every command."""
    questions, target = _questions(bench)
    begin = time.monotonic()
    found = questions.inspect(target, ActsSpec(answer="stop"))
    assert "a signal has stopped its process" in found.why_unknown
    assert time.monotonic() - begin < LIMIT / 2


def test_what_a_question_has_started_ends_with_a_killed_engine(bench, tmp_path):
    """No journal knows it, and no resume would end it."""
    script = (
        "import os, pathlib, sys; from fsm.adapter import Target; from fsm.engine.questions import Questions\n"
        "from fsm.engine.worker import Workers; from fsm.system import users\n"
        "from tests.engine.worker_adapter import Acts, ActsSpec\n"
        "place, user = pathlib.Path(sys.argv[1]), users.numbered(os.getuid())\n"
        "target = Target(name='a', state_dir=place, user=user)\n"
        "Questions(Acts(), Workers()).inspect(target, ActsSpec(path=place, answer='ask'))\n"
    )
    engine = subprocess.Popen([sys.executable, "-c", script, tmp_path], cwd=Path(__file__).parents[2])
    said = tmp_path / "asked"
    try:
        wait(lambda: said.exists() and said.read_text().endswith("\n"))
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    pid = int(said.read_text())
    wait(lambda: identify(pid) is None)


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
        worker.call(request("who"), lambda: None, Deaf())


@pytest.mark.needs_root
def test_another_user_is_asked_as_that_user(other):
    """Also by a step that is the updater's own."""
    questions, target = _questions(other)
    assert questions.inspect(target, ActsSpec()) == Facts(version=Version("1.0"), why_unknown="a [31mb", uid=OTHER)
    assert other.does("kept", Own)["data"] == {"kept": 1}
