"""The worker's side of the conversation, in a thread: what it does with a call, and what it says meanwhile."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fsm.adapter import Done
from fsm.engine.worker import Bug, protocol
from fsm.engine.worker.serve import serve
from fsm.errors import ConfigError, StepFailed, Transient
from fsm.system import faults
from fsm.version import __version__
from tests.engine.worker_adapter import Act
from tests.engine.worker_bench import PLACE, request

pytestmark = pytest.mark.processes


class Engine:
    """What speaks to a worker."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        self._socket = connection
        self._lines = connection.makefile("rb")

    def say(self, **message: Any) -> None:
        """Say something."""
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def hear(self) -> Any:
        """The next message."""
        return protocol.unpack(self._lines.readline())

    def asks(self, verb: str, **more: Any) -> Any:
        """What it answers."""
        self.say(**{"verb": verb, "adapter": PLACE, "faults": False, **more})
        return self.hear()

    def does(self, act: str, **more: Any) -> Any:
        """What comes first of a step."""
        return self.asks(**{**request(act), **more})

    def close(self) -> None:
        """The engine is gone."""
        self._lines.close()
        self._socket.close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    """One that a worker has said to that it is there."""
    ours, theirs = socket.socketpair()

    def work() -> None:
        with suppress(SystemExit):  # the engine has closed the line
            serve(theirs, PLACE)

    thread = threading.Thread(target=work)
    thread.start()
    made = Engine(ours)
    assert made.hear() == protocol.Ready(version=__version__)
    yield made
    made.close()
    thread.join(60)
    theirs.close()
    faults.install(None)
    assert not thread.is_alive()


def value(said: Any) -> Any:
    """What a call came to."""
    assert isinstance(said, protocol.Result), said
    return json.loads(said.value)


def test_a_step_is_made_of_its_data(engine):
    """And gets what the engine knows of the run."""
    done = protocol.unpack_result(engine.does("context").value)
    assert isinstance(done, Done)
    assert done.data["run_id"] == 1
    assert value(engine.does("retry"))["why"] == "not yet"
    assert value(engine.does("context", verb="keep_down"))["kind"] == "Done"
    assert value(engine.does("failed", verb="undo"))["kind"] == "Done"
    assert value(engine.does("asks"))["kind"] == value(engine.does("kept"))["kind"] == "Done"


def test_what_a_step_raises_keeps_its_meaning(engine):
    """A bug says where it is."""
    assert (
        protocol.exception_of(engine.does("step_failed")).args == StepFailed("cannot do it", "of that", "do this").args
    )
    transient = protocol.exception_of(engine.does("transient"))
    assert isinstance(transient, Transient)
    assert transient.after == 1000.0
    assert isinstance(protocol.exception_of(engine.does("os_error")), OSError)
    bug = protocol.exception_of(engine.does("bug"))
    assert isinstance(bug, Bug)
    assert (type(bug).__name__, str(bug)) == ("ZeroDivisionError", "a bug")
    assert bug.where.startswith("worker_adapter.py:")
    assert protocol.exception_of(engine.does("nothing")).args == ("it returned NoneType, not a StepResult",)
    assert "not valid JSON" in engine.does("no_json").what
    assert "the answer has 9 MiB" in engine.does("large").why


def test_what_only_the_updater_knows_is_not_believed():
    """Somebody's wish to stop, a journal that is broken."""
    with pytest.raises(ValueError, match="which only the updater does"):
        protocol.exception_of(protocol.Raised(kind="JournalError"))
    assert type(protocol.exception_of(protocol.Raised(kind="1 + 1", bug=True))).__name__ == "Error"
    with pytest.raises(ValueError, match="nested too deeply"):
        protocol.unpack_result(protocol.pack_result(Act(act="deep").do(None)))  # type: ignore[arg-type] # not looked at
    with pytest.raises(ValueError, match="blame"):
        protocol.unpack_result('{"kind":"Failed","why":"","todo":"","blame":"nobody"}')
    assert len(protocol.shown("x" * 10_000)) == protocol.SHOWN + 3


def test_a_child_waits_until_it_is_known(engine):
    """Of a step, and of a program alone."""
    options = {"argv": ["sh", "-c", "sleep 1; exit 3"], "cwd": "/", "env": None, "timeout": 60.0}
    said = engine.asks("run", context=request("who")["context"], **options)
    assert (said.said, said.child.argv0) == ("started", "sh")
    engine.say(heard=True)
    assert value(engine.hear())["code"] == 3


def test_why_to_stop_is_the_engines_to_say(engine):
    """While a step sleeps, and while it waits for an answer."""
    stop = {"kind": "Interrupted", "what": "interrupted", "why": "", "todo": ""}
    assert engine.does("slow").said == "progress"
    engine.say(stop=stop)
    while (said := engine.hear()).said == "progress":
        pass
    assert (said.said, said.kind) == ("raised", "Interrupted")
    assert engine.does("long_child").said == "started"
    engine.say(stop=stop)
    engine.say(heard=True)
    assert engine.hear().kind == "Interrupted"


def test_a_deadline_is_counted_here_as_well(engine):
    """It knows what took so long."""
    call = request("slow")
    call["context"]["remaining"] = 0.2
    engine.say(**call, faults=False)
    while (said := engine.hear()).said == "progress":
        pass
    assert (said.kind, said.what) == ("DeadlineExceeded", "cannot act")


def test_fault_points_wait_for_the_engine(engine):
    """Where it has asked for them."""
    assert engine.does("points", faults=True).name == "worker.first"
    engine.say(heard=True)
    assert engine.hear().name == "worker.second"
    engine.say(heard=True)
    assert value(engine.hear())["kind"] == "Done"


def test_questions_are_answered_by_the_adapter(engine, tmp_path: Path):
    """Of this process's own user here."""
    about = {"target": {"name": "a", "state_dir": str(tmp_path)}, "spec": {"path": str(tmp_path)}}
    installed = value(engine.asks("inspect", **about))
    assert installed["version"] == "1.0"
    release = {"version": "2.0"}
    assert value(engine.asks("look", **about, installed=installed, release=release))["after"] == "1.0 2.0"
    assert value(engine.asks("look", **about, installed=installed, release=None))["after"] == "1.0 None"
    assert value(engine.asks("backups", **about))[0]["version"] == "0.9"
    assert value(engine.asks("doctor", **about))[0]["level"] == "ok"
    assert value(engine.asks("last_run", **about)) == 7
    assert value(engine.asks("leftovers", **about))[0].startswith(str(tmp_path))


def test_what_is_not_there_is_named(engine):
    """An adapter, a step."""
    assert isinstance(protocol.exception_of(engine.does("who", adapter="nowhere:At")), ConfigError)
    assert "does not know it" in engine.does("who", step="other").why
