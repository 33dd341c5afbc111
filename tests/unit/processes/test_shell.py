"""Running commands: what comes back, what is ended, and what is not left behind."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fsm.adapter import CommandResult
from fsm.errors import CommandFailed, DeadlineExceeded, Interrupted, StepFailed, Unsupported
from fsm.system.processes import Identity, alive, boot_id, identify, with_environment
from fsm.system.shell import CALL, MARKER, SERVICE, UNMARKED, Child, Shell, orphans, running
from tests.family import OF_THE_C_LIBRARY, children, in_background

pytestmark = [pytest.mark.needs_linux, pytest.mark.processes]


class World:
    """A shell, and what it told. Its options replace those of the shell."""

    def __init__(self, **options: object) -> None:
        self.marker = uuid.uuid4().hex
        self.children: list[Child] = []
        self.polls = 0
        given = {"record": self.children.append, "poll": self._count, "grace": 0.3} | options
        self.shell = Shell(marker=self.marker, **given)  # type: ignore[arg-type]  # a test's shorthand

    def run(self, *argv: str, timeout: float = 20, **options: object) -> CommandResult:
        """Run a command."""
        return self.shell.run(argv, timeout=timeout, **options)  # type: ignore[arg-type]  # a test's shorthand

    def left(self) -> list[Identity]:
        """What still runs of this world."""
        return with_environment(f"FSM_RUN={self.marker}")

    def _count(self) -> None:
        self.polls += 1


@pytest.fixture
def make() -> Iterator[Callable[..., World]]:
    """Makes worlds, which must be empty after the test."""
    made: list[World] = []

    def world(**options: object) -> World:
        made.append(World(**options))
        return made[-1]

    yield world
    for one in made:
        assert one.left() == []


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    """A plain world."""
    return make()


def test_code_and_output_come_back(world: World):
    """Any exit code is a result; stdout and stderr come in order; stdin is empty."""
    result = world.run("sh", "-c", "echo out; echo err >&2; cat; exit 7")
    assert (result.code, result.tail) == (7, "out\nerr\n")


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_signal_is_a_negative_code(world: World, signum: signal.Signals):
    """A child that a signal ended has minus its number as code."""
    assert world.run("sh", "-c", f"kill -{int(signum)} $$").code == -signum


def test_arguments_meet_no_shell(world: World, tmp_path: Path):
    """What a shell would expand arrives as it is; a relative program is relative to cwd."""
    script = tmp_path / "show"
    script.write_text('#!/bin/sh\nprintf "%s|" "$@"; pwd')
    script.chmod(0o755)
    result = world.run("./show", "a b", "*", "$HOME", "", "--x=`id`", "é", cwd=tmp_path)
    assert result.tail == f"a b|*|$HOME||--x=`id`|é|{tmp_path}\n"


def test_the_environment_is_extended_and_marked(world: World, monkeypatch: pytest.MonkeyPatch):
    """Ours, one language, no questions, the step's own variables, and the mark that cannot be overridden."""
    monkeypatch.setenv("INHERITED", "yes")
    monkeypatch.setenv("FSM_SERVICE", "the updater's own")
    env = {"MINE": "1", "GIT_TERMINAL_PROMPT": "2", "FSM_RUN": "another"}
    lines = world.run("env", env=env).tail.splitlines()
    assert {"INHERITED=yes", "LC_ALL=C.UTF-8", "MINE=1", "GIT_TERMINAL_PROMPT=2", f"FSM_RUN={world.marker}"} <= set(
        lines
    )
    assert not any(line.startswith("FSM_SERVICE=") for line in lines)


def test_signals_are_as_a_program_expects_them(world: World):
    """No ignored signal is inherited, whoever ignores it, and no descriptor but the three."""
    with in_background():
        lines = world.run("sh", "-c", "grep SigIgn /proc/self/status; ls /proc/self/fd | wc -l").tail
    _, ignored, descriptors = lines.split()
    assert int(ignored, 16) & ~OF_THE_C_LIBRARY == 0
    assert descriptors == "4"  # the fourth is the directory that ls reads


def test_the_child_is_recorded_while_it_runs(make: Callable[..., World]):
    """The record has the identity of the living child, which leads a group and a session of its own."""
    seen = []

    def record(child: Child) -> None:
        pid = child.identity.pid
        seen.append((child.argv0, alive(child.identity), os.getpgid(pid) == os.getsid(pid) == pid))

    make(record=record).run("sleep", "0.2")
    assert seen == [("sleep", True, True)]


def test_polling_goes_on_during_a_flood(world: World):
    """A child that prints without pause keeps nobody from asking whether to stop."""
    world.run("timeout", "0.5", "yes")
    assert world.polls >= 5


@pytest.mark.parametrize("script", ["trap '' TERM; echo nearly; sleep 60 & sleep 60", "echo nearly; exec sleep 60"])
def test_time_up_ends_the_whole_group(world: World, script: str):
    """TERM, the grace, KILL; the error names the program, the time and the last output line."""
    before = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"cannot finish sh: it was still running after 0\.3 s .* was: nearly;"):
        world.run("sh", "-c", script, timeout=0.3)
    assert time.monotonic() - before < 3


def test_time_up_ends_who_left_the_group(world: World):
    """A grandchild in a session of its own is found by its mark."""
    with pytest.raises(DeadlineExceeded, match="it printed nothing"):
        world.run("sh", "-c", "trap '' TERM; setsid sleep 60 & sleep 60", timeout=0.3)


def test_a_child_may_say_good_bye_at_length(make: Callable[..., World]):
    """While a child is ended its output is read on, so that a full pipe does not cost it the grace."""
    script = "trap 'head -c 300000 /dev/zero | tr \\\\0 x; echo bye; exit 0' TERM; while :; do sleep 0.01; done"
    with pytest.raises(DeadlineExceeded, match="bye"):
        make(grace=10.0).run("sh", "-c", script, timeout=0.3)


@pytest.mark.parametrize("error", [Interrupted("stop"), KeyboardInterrupt()])
def test_what_polling_raises_ends_the_child_first(make: Callable[..., World], error: BaseException):
    """Interrupted, cancelled or anything else: nothing runs any more when the exception comes through."""

    def poll() -> None:
        raise error

    world = make(poll=poll)
    with pytest.raises(type(error)):
        world.run("sh", "-c", "sleep 60 & sleep 60")
    assert world.left() == []


def test_a_second_interrupt_kills_at_once(make: Callable[..., World], monkeypatch: pytest.MonkeyPatch):
    """An interrupt during the grace ends the waiting, not the killing."""
    drained = 0

    def drain(self: running.Running) -> None:
        nonlocal drained
        drained += 1
        if drained == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(running.Running, "drain", drain)
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        make(grace=60.0).run("sh", "-c", "trap '' TERM; sleep 60; sleep 60", timeout=0.2)
    assert time.monotonic() - before < 5


def test_a_failing_record_ends_the_child(make: Callable[..., World]):
    """A child that could not be journaled must not run."""

    def record(child: Child) -> None:
        raise StepFailed("cannot write the journal")

    with pytest.raises(StepFailed, match="cannot write the journal"):
        make(record=record).run("sleep", "60")


def test_no_time_starts_nothing(world: World, tmp_path: Path):
    """With a deadline that has passed, the child is not started."""
    with pytest.raises(DeadlineExceeded, match="no time is left"):
        world.run("touch", str(tmp_path / "ran"), timeout=0)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
def test_a_grandchild_that_keeps_the_output_open_is_not_waited_for(world: World, trap: str):
    """The end of the direct child ends the call, and what it left in its group."""
    before = time.monotonic()
    result = world.run("sh", "-c", f"{trap}sleep 60 & echo started", timeout=30)
    assert (result.code, result.tail) == (0, "started\n")
    assert time.monotonic() - before < 1.5


def test_a_start_command_may_leave_its_service_running(world: World):
    """Run unmarked, what a command leaves behind stays, and carries no mark."""
    own = uuid.uuid4().hex
    script = "sleep 60 >/dev/null 2>&1 & echo $!"
    pid = int(world.run("sh", "-c", script, env={"OWN": own, **UNMARKED}).tail)
    who = identify(pid)
    assert who is not None
    environ = Path(f"/proc/{pid}/environ").read_bytes()
    os.kill(pid, signal.SIGKILL)
    assert not {CALL, MARKER, SERVICE} & {entry.partition(b"=")[0].decode() for entry in environ.split(b"\0")}
    assert own.encode() in environ


def test_a_program_that_is_missing_is_explained(world: World):
    """A missing program is an error with a remedy, and nothing is started."""
    with pytest.raises(CommandFailed, match="install it, or write its full path"):
        world.run("no-such-program-anywhere")


def test_a_file_that_is_no_program_is_explained(world: World, tmp_path: Path):
    """What exec refuses is told, and leaves no zombie."""
    before = children()
    program = tmp_path / "data"
    program.write_text("not a program")
    program.chmod(0o755)
    with pytest.raises(CommandFailed, match="Exec format error"):
        world.run(str(program))
    with pytest.raises(CommandFailed, match="can't encode"):
        world.run("echo", "\udcff")
    assert children() <= before


def test_secrets_are_nowhere(make: Callable[..., World], tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Not in the tail, not in an error, not in the output file, not in a log, although the child got them."""
    caplog.set_level(logging.DEBUG)
    log = tmp_path / "out.log"
    world = make(secrets=["hunter2", "/no/secret/path"], output=log)
    result = world.run("sh", "-c", 'echo "$1" | tr 3 2', "x", "hunter3 hunter2")
    assert result.tail == "*** ***\n"
    assert "hunter2" not in log.read_text()
    with pytest.raises(DeadlineExceeded) as slow:
        world.run("sh", "-c", "echo hunter2; sleep 60", timeout=0.3)
    program = tmp_path / "hunter2"
    program.write_text("not a program")
    program.chmod(0o755)
    with pytest.raises(CommandFailed) as failed:
        world.run(str(program))
    assert "hunter2" not in f"{slow.value} {failed.value} {caplog.text}"


def test_somebody_who_collects_our_children_is_told(make: Callable[..., World]):
    """An exit code that another part of the program took is an error, not a success."""

    def steal(child: Child) -> None:
        time.sleep(0.2)  # a thread of sh has looked by now, and does so again after a second
        os.kill(child.identity.pid, signal.SIGKILL)
        os.waitpid(child.identity.pid, 0)

    with pytest.raises(CommandFailed, match="cannot tell how sleep ended"):
        make(record=steal).run("sleep", "60")


def test_a_child_that_hangs_in_the_kernel_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch):
    """What even KILL does not end is not waited for, and the error says so."""
    monkeypatch.setattr("fsm.system.processes.ending.KILL_WAIT", 0.1)
    monkeypatch.setattr(running, "KILL_WAIT", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", lambda number, signum: None)
        patch.setattr(signal, "pidfd_send_signal", lambda handle, signum: None)
        with pytest.raises(DeadlineExceeded, match="hangs in the kernel"):
            world.run("sleep", "60", timeout=0.1)
    os.kill(world.children[0].identity.pid, signal.SIGKILL)
    limit = time.monotonic() + 5
    while threading.active_count() > 1 and time.monotonic() < limit:
        time.sleep(0.05)


def test_kernels_without_pidfd_are_served(world: World, monkeypatch: pytest.MonkeyPatch):
    """Without pidfd_open the end of a child is found by asking more often."""
    monkeypatch.setattr(running, "_open_handle", lambda pid: None)
    assert world.run("sh", "-c", "sleep 0.1; exit 3").code == 3


def test_a_child_that_is_gone_already_has_no_handle():
    """A child that ended before it could be asked is no error."""
    child = subprocess.Popen(["true"])
    child.wait()
    assert running._open_handle(child.pid) is None


def test_many_runs_leave_nothing(world: World):
    """After 200 commands there are no more threads, descriptors or zombies than before."""

    def count() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    world.run("true")
    family, before = children(), count()
    for _ in range(200):
        world.run("true")
    limit = time.monotonic() + 5
    while count() > before and time.monotonic() < limit:
        time.sleep(0.05)  # a cancelled timer of sh is still on its way out
    assert count() <= before
    assert children() <= family


def test_threads_do_not_disturb_each_other(world: World):
    """Several threads run commands at a time; each gets its own code and output."""

    def one(number: int) -> bool:
        result = world.run("sh", "-c", f"echo {number}; sleep 0.05; exit {number}", timeout=20)
        return (result.code, result.tail) == (number, f"{number}\n")

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, range(24)))


def test_a_flood_stays_out_of_memory(tmp_path: Path):
    """200 MB of output raise the peak memory by less than 20 MB, in a few seconds, and fill no disk."""
    script = f"""
        import time
        from pathlib import Path
        from fsm.system.shell import Shell
        shell = Shell(marker="m", record=lambda c: None, poll=lambda: None, output=Path({str(tmp_path / "log")!r}))
        peak = lambda: int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])  # in KiB
        shell.run(["true"], timeout=10)
        before, begun = peak(), time.monotonic()
        result = shell.run(["head", "-c", "200000000", "/dev/zero"], timeout=60)
        print(result.code, len(result.tail), peak() - before < 20_000, time.monotonic() - begun < 10)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "65536", "True", "True"]
    assert (tmp_path / "log").stat().st_size < 9_000_000


def test_a_program_that_is_gone_has_no_name():
    """An orphan that ends while it is described is just a process."""
    assert orphans._program_of(2**22 + 1) == "a process"


def test_systems_without_sh_are_told(world: World, monkeypatch: pytest.MonkeyPatch):
    """Where sh cannot be imported (Windows), or there is no /proc (macOS), the error says so."""
    running._import_sh.cache_clear()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "sh", None)
        with pytest.raises(Unsupported, match="works on Unix only"):
            world.run("true")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        boot_id.cache_clear()
        with pytest.raises(Unsupported, match="needs Linux's /proc"):
            world.run("true")
