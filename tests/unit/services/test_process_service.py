"""The manager `process`: starting, stopping and asking real daemons."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fsm.errors import CommandFailed, ConfigError, DeadlineExceeded, Interrupted, StepFailed
from fsm.services import ProcessSpec, ServiceManager, launch, open_service, process
from fsm.system.processes import alive, holding, identify
from tests.family import OF_THE_C_LIBRARY, children, in_background
from tests.unit.services.conftest import World, wait_for

pytestmark = [pytest.mark.needs_linux, pytest.mark.processes]

CLOSING = "import os, sys; os.closerange(3, 4096); os.execvp(sys.argv[1], sys.argv[1:])"
"""A program that closes what it inherited, the lock among it, and becomes another."""

FOREVER = "while :; do sleep 0.05; done"


def pid_of(service: ServiceManager) -> int:
    """The pid of a service that must be active."""
    pid = service.status().pid
    assert pid is not None
    return pid


def test_a_service_is_a_daemon(world: World, monkeypatch: pytest.MonkeyPatch):
    """Started, it is no child of ours, leads its own session, has no terminal, and is not marked as a run's child."""
    monkeypatch.setenv("FSM_RUN", "of an outer run")
    monkeypatch.setenv("NOTIFY_SOCKET", "of the updater's unit")
    before = children()
    service = world.process("sleep", "60")
    assert service.status().model_dump(exclude={"detail", "ended"}) == {"active": False, "pid": None, "since": None}
    with in_background():
        service.start(world.ctx)
    status = service.status()
    assert status.active
    assert status.since is not None
    pid = pid_of(service)
    assert os.getsid(pid) == os.getpgid(pid) == pid
    assert Path(f"/proc/{pid}/stat").read_text().split(") ")[1].split()[1] != str(os.getpid())
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert not any(entry.startswith((b"FSM_RUN=", b"FSM_CALL=", b"NOTIFY_SOCKET=")) for entry in environ)
    ignored = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn"))
    assert int(ignored.split()[1], 16) & ~OF_THE_C_LIBRARY == 0
    assert children() <= before


def test_start_and_stop_may_be_called_again(world: World):
    """A second start keeps the process, a second stop finds nothing to do."""
    service = world.process("sleep", "60")
    service.start(world.ctx)
    first = pid_of(service)
    service.start(world.ctx)
    assert pid_of(service) == first
    service.stop(world.ctx)
    assert not service.status().active
    service.stop(world.ctx)
    service.start(world.ctx)
    assert pid_of(service) != first
    service.stop(world.ctx)
    assert world.running() == []


def test_output_goes_to_a_log_that_is_set_aside(world: World):
    """The log gets both streams, is appended to, and is renamed at a start once it is too long."""
    log = world.path / "logs" / "web.log"
    service = world.script("echo out; echo err >&2; exec sleep 60", log_file=log, log_max_mb=1)
    for _ in range(2):
        service.start(world.ctx)
        service.stop(world.ctx)
    assert service.log_tail() == "out\nerr\nout\nerr"
    assert service.log_tail(1) == "err"
    log.write_bytes(b"x" * (1024 * 1024 + 1))
    service.start(world.ctx)
    assert service.log_tail() == "out\nerr"
    assert log.with_name("web.log.1").stat().st_size == 1024 * 1024 + 1


def test_a_relative_program_is_relative_to_its_directory(world: World):
    """The program is found in `cwd`, and runs there."""
    (world.path / "bin").mkdir()
    program = world.path / "bin" / "serve"
    program.write_text("#!/bin/sh\npwd; exec sleep 60\n")
    program.chmod(0o755)
    service = world.process("bin/serve", cwd=world.path)
    service.start(world.ctx)
    wait_for(lambda: service.log_tail() == str(world.path))
    with pytest.raises(ConfigError, match="`cwd` is not set"):
        world.process("bin/serve")


def test_a_name_must_not_leave_the_directory(tmp_path: Path):
    """A service's name becomes a file name."""
    with pytest.raises(ConfigError, match=r"cannot manage a service called '\.\./web'"):
        open_service(ProcessSpec(manager="process", command=("true",)), name="../web", state_dir=tmp_path)


def test_a_service_that_ignores_the_signal_is_killed(world: World):
    """TERM, the timeout, KILL, for every process of the group."""
    service = world.script(f"trap '' TERM; ({FOREVER}) & {FOREVER}", stop_timeout=0.3)
    service.start(world.ctx)
    service.stop(world.ctx)
    assert world.running() == []


def test_the_stop_signal_is_the_configured_one(world: World):
    """The group gets the signal once, and time to end in order."""
    script = f"trap 'echo asked; sleep 0.1; echo done; exit' INT; {FOREVER}"
    service = world.script(script, stop_signal="INT")
    service.start(world.ctx)
    service.stop(world.ctx)
    assert service.log_tail() == "asked\ndone"


def test_children_are_ended_wherever_they_went(world: World):
    """Children in the group, and in sessions of their own, end with the service."""
    service = world.script(f"sleep 60 & setsid sleep 60 & {FOREVER}")
    service.start(world.ctx)
    wait_for(lambda: len(world.running()) >= 4)
    service.stop(world.ctx)
    assert world.running() == []


def test_children_that_closed_and_forgot_everything_are_found_by_the_lock(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """A child without marks, in its own session, still holds the inherited lock: stop finds it by that."""
    monkeypatch.setattr(process, "_PATIENCE", 0.1)
    service = world.script(f"setsid env -i /bin/sleep 61 & echo $!; {FOREVER}")
    service.start(world.ctx)
    wait_for(service.log_tail)
    lost = identify(int(service.log_tail()))
    assert lost is not None
    service.stop(world.ctx)
    assert not alive(lost)


def test_a_service_that_closes_what_it_inherited_is_known(world: World):
    """Without the lock the record still says that it runs: no second copy, and stop ends it."""
    service = world.process(sys.executable, "-ISc", CLOSING, "sleep", "60")
    service.start(world.ctx)
    wait_for(lambda: holding(world.path / "state" / "services" / "web.lock") == [])
    first = pid_of(service)
    service.start(world.ctx)
    assert pid_of(service) == first
    service.stop(world.ctx)
    assert world.running() == []


def test_a_service_that_dies_at_once_was_not_started(world: World, monkeypatch: pytest.MonkeyPatch):
    """The error has the last lines of this start's log, not those of an earlier one."""
    monkeypatch.setattr(process, "_WATCH", 2.0)
    (world.path / "state" / "services").mkdir(parents=True)
    (world.path / "state" / "services" / "web.log").write_text("of an earlier start")
    service = world.script("echo cannot bind to port 80 >&2; exit 1")
    with pytest.raises(StepFailed, match="cannot start web: it ended at once; its log ends with: cannot bind"):
        service.start(world.ctx)
    assert "process" in service.status().detail
    assert not service.status().active


def test_a_silent_death_has_no_log(world: World, monkeypatch: pytest.MonkeyPatch):
    """A service that says nothing dies without a quotation."""
    monkeypatch.setattr(process, "_WATCH", 2.0)
    with pytest.raises(StepFailed) as caught:
        world.process("true").start(world.ctx)
    assert caught.value.why == "it ended at once"


def test_what_a_dead_service_left_is_ended_before_the_next_start(world: World, monkeypatch: pytest.MonkeyPatch):
    """Children that outlived their service hold its port and its lock; a start ends them first."""
    monkeypatch.setattr(process, "_PATIENCE", 0.1)
    service = world.script(f"sleep 60 & {FOREVER}")
    service.start(world.ctx)
    wait_for(lambda: len(world.running()) >= 3)
    before = world.running()
    os.kill(pid_of(service), signal.SIGKILL)
    wait_for(lambda: not service.status().active)
    assert any(alive(who) for who in before)
    service.start(world.ctx)
    assert not any(alive(who) for who in before)
    assert service.status().active


def test_children_without_the_lock_are_ended_before_the_next_start(world: World):
    """A child that closed the lock, and outlived its service, is found by its mark."""
    service = world.script(f"{sys.executable} -ISc '{CLOSING}' sleep 60 & echo $!; {FOREVER}")
    service.start(world.ctx)
    wait_for(lambda: b"sleep" in Path(f"/proc/{service.log_tail() or 'self'}/cmdline").read_bytes())
    before = world.running()
    os.kill(pid_of(service), signal.SIGKILL)
    wait_for(lambda: not service.status().active)
    service.start(world.ctx)
    assert not any(alive(who) for who in before)


@pytest.mark.parametrize("change", [{"start_time": 1}, {"boot_id": "before the power cut"}], ids=["start", "boot"])
def test_a_recorded_pid_that_went_to_somebody_else_means_nothing(world: World, change: dict[str, object]):
    """After a reboot, or with another start time, the recorded process is not this one, and is not signalled."""
    service = world.process("sleep", "60")
    service.start(world.ctx)
    pid = pid_of(service)
    record = world.path / "state" / "services" / "web.json"
    other = identify(os.getpid())
    assert other is not None
    record.write_text(json.dumps(other.model_dump() | change))
    assert not service.status().active
    service.stop(world.ctx)
    assert identify(pid) is None


def test_a_torn_record_means_nothing(world: World):
    """A record that cannot be read is none; stop finds the process by its mark."""
    service = world.process("sleep", "60")
    service.start(world.ctx)
    (world.path / "state" / "services" / "web.json").write_text('{"pid": 12')
    assert not service.status().active
    service.stop(world.ctx)
    assert world.running() == []


def test_a_record_that_may_not_be_read_is_an_error(world: World):
    """Where there is no telling, nobody says "inactive"."""
    service = world.process("sleep", "60")
    (world.path / "state" / "services" / "web.json").mkdir(parents=True)
    with pytest.raises(StepFailed, match="cannot tell whether web runs"):
        service.status()


def test_a_state_directory_that_cannot_be_made_is_an_error(world: World):
    """Trouble with the files is one error, with the directory to look at."""
    (world.path / "state").write_text("a file")
    for act in (world.process("sleep", "60").start, world.process("sleep", "60").stop):
        with pytest.raises(StepFailed, match=r"check .*/state/services"):
            act(world.ctx)


@pytest.mark.parametrize("kind", ["threads", "managers"])
def test_two_starts_at_once_make_one_copy(world: World, kind: str):
    """However many start it at the same time, one process runs, and all of them are content."""
    one = world.process("sleep", "60")
    managers = [one if kind == "threads" else world.process("sleep", "60") for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda manager: manager.start(world.ctx), managers))
    assert len(world.running()) == 1
    assert pid_of(managers[0]) == world.running()[0].pid


def test_a_missing_program_is_explained(world: World):
    """Nothing is launched for a program that is not there."""
    with pytest.raises(CommandFailed, match="it is not in any directory of PATH"):
        world.process("no-such-program").start(world.ctx)


def test_what_exec_refuses_is_explained(world: World):
    """The reason comes back from the launched process."""
    program = world.path / "data"
    program.write_text("not a program")
    program.chmod(0o755)
    with pytest.raises(CommandFailed, match=r"cannot start web: .*Exec format error; check the program"):
        world.process(str(program)).start(world.ctx)
    assert world.running() == []
    world.process("sleep", "60").start(world.ctx)
    assert len(world.running()) == 1


def test_a_launcher_that_is_killed_is_reported(world: World, monkeypatch: pytest.MonkeyPatch):
    """A launcher ended from outside reported nothing: that is no success."""
    monkeypatch.setattr(launch, "launcher", lambda mode: ["sh", "-c", "kill -9 $$"])
    with pytest.raises(StepFailed, match="its launcher was killed from outside"):
        world.process("sleep", "60").start(world.ctx)


def test_a_launcher_that_hangs_is_ended_in_time(world: World, monkeypatch: pytest.MonkeyPatch):
    """Without a report until the deadline, whatever was launched is ended."""
    monkeypatch.setattr(launch, "launcher", lambda mode: ["sh", "-c", "exec sleep 60"])
    service = world.process("sleep", "60", start_timeout=0.2)
    with pytest.raises(DeadlineExceeded, match="its program did not start in time"):
        service.start(world.ctx)
    assert world.running() == []


def test_an_interrupt_comes_through(world: World):
    """Told to stop, start and stop do so; what they began is found by their next call."""
    service = world.script(f"trap '' TERM; {FOREVER}", stop_timeout=0.3)
    service.start(world.ctx)
    world.ctx.stop = Interrupted("stop")
    with pytest.raises(Interrupted):
        service.stop(world.ctx)
    assert service.status().active
    world.ctx.stop = None
    service.stop(world.ctx)
    world.ctx.stop = Interrupted("stop")
    with pytest.raises(Interrupted):
        service.start(world.ctx)
    world.ctx.stop = None
    service.start(world.ctx)
    assert service.status().active
    service.stop(world.ctx)
    assert world.running() == []


def hold(world: World) -> int:
    """Hold the service's lock in this process, which nobody may end."""
    directory = world.path / "state" / "services"
    directory.mkdir(parents=True)
    descriptor = os.open(directory / "web.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def test_a_lock_that_is_never_free_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch):
    """With the lock in hands that cannot be emptied, start and stop say so in time."""
    monkeypatch.setattr(process, "_PATIENCE", 0.1)
    service = world.process("sleep", "60", start_timeout=0.3, stop_timeout=0.1)
    descriptor = hold(world)
    try:
        with pytest.raises(StepFailed, match=r"its lock .* is held"):
            service.start(world.ctx)
        with pytest.raises(StepFailed, match="cannot stop web: still there after KILL"):
            service.stop(world.ctx)
    finally:
        os.close(descriptor)


def test_a_lock_that_is_held_for_a_moment_is_waited_for(world: World):
    """A child of another thread may hold the descriptor until its exec: that is no leftover."""
    descriptor = hold(world)
    threading.Timer(0.2, os.close, [descriptor]).start()
    before = time.monotonic()
    world.process("sleep", "60").start(world.ctx)
    assert 0.2 <= time.monotonic() - before < 5


def test_a_process_that_cannot_be_ended_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch):
    """A stop that leaves something running has failed."""
    service = world.process("sleep", "60")
    service.start(world.ctx)
    monkeypatch.setattr(process, "end", lambda *targets, **options: False)
    with pytest.raises(StepFailed, match=f"still there after KILL: processes {pid_of(service)}"):
        service.stop(world.ctx)


def test_a_service_starts_on_a_full_disk(world: World):
    """Record and lock are written in place: once they are there, a start needs no space."""
    service = world.process("sleep", "60")
    service.start(world.ctx)
    record = world.path / "state" / "services" / "web.json"
    inode = record.stat().st_ino
    service.stop(world.ctx)
    size = record.stat().st_size
    service.start(world.ctx)
    assert (record.stat().st_ino, record.stat().st_size) == (inode, size)
