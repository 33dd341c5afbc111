"""Services of a component that has a user: their programs are that user's, and so is what they see."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from fsm.errors import StepFailed
from fsm.services import ServiceManager, ServiceSpec, open_service
from fsm.system import users
from fsm.system.processes import holding
from tests.unit.services.conftest import Context
from tests.users import OTHER

pytestmark = [pytest.mark.needs_root, pytest.mark.processes]

TELL = 'env > told; id >> told; cat /proc/self/status >> told; ls -l /proc/self/fd >> told; mv told tells; exec "$@"'


class Recorded(Context):
    """A runner that knows what was asked to run as the user."""

    def __init__(self) -> None:
        super().__init__()
        self.as_user: list[Any] = []

    def run(self, argv: Any, *, as_user: bool = False, **options: Any) -> Any:
        """Run a child."""
        if as_user:
            self.as_user.append(list(argv))
        return super().run(argv, **options)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of the user's, whose way there is open; a secret is in the updater's environment."""
    monkeypatch.setenv("SECRET_OF_ROOT", "x")
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_mode & 0o001 == 0:
            path.chmod(path.stat().st_mode | 0o011)
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    os.chown(place, OTHER, OTHER)
    return place


def service(home: Path, **options: Any) -> ServiceManager:
    """A service of that user's."""
    spec: Any = TypeAdapter(ServiceSpec).validate_json(json.dumps({"cwd": str(home), **options}))
    return open_service(spec, name="web", state_dir=home.parent / "state", user=users.numbered(OTHER))


def told(home: Path) -> str:
    """What the service says that it is."""
    limit = time.monotonic() + 30
    while not (home / "tells").exists():
        assert time.monotonic() < limit
        time.sleep(0.02)
    return (home / "tells").read_text()


def test_a_process_is_its_users(home):
    """With no right, no secret and no file of the updater's; the log is the updater's all the same."""
    (home / "run").write_text(f"#!/bin/sh\n{TELL}\n")
    (home / "run").chmod(0o755)
    manager = service(home, manager="process", command=["./run", "sleep", "600"], env={"PORT": "1"})
    manager.start(Context())
    try:
        said = told(home)
        assert f"uid={OTHER}" in said
        assert "PORT=1" in said
        assert "SECRET_OF_ROOT" not in said
        assert "CapEff:\t0000000000000000" in said
        assert "Groups:\t \n" in said
        assert manager.status().active
    finally:
        manager.stop(Context())
    assert not manager.status().active
    assert (home.parent / "state/services/web.log").stat().st_uid == 0


def test_a_program_that_is_not_there_says_so(home):
    """The user's process looks for it: to root, what lies in the user's tree may be anything."""
    os.mkfifo(home / "run", 0o777)
    with pytest.raises(StepFailed, match="cannot start web"):
        service(home, manager="process", command=["./run"]).start(Context())
    with pytest.raises(StepFailed, match="No such file"):
        service(home, manager="process", command=["./nothing"]).start(Context())


def test_a_log_of_the_users_is_opened_by_the_user(home):
    """A link there leads nowhere that is not the user's own."""
    secret = home.parent / "secret"
    secret.write_text("secret\n")
    (home / "log").symlink_to(secret)
    manager = service(home, manager="process", command=["sh", "-c", "echo hello"], log_file=str(home / "log"))
    with pytest.raises(StepFailed) as error:
        manager.start(Context())
    assert "secret" not in str(error.value)
    assert secret.read_text() == "secret\n"
    assert manager.log_tail() == ""


@pytest.mark.parametrize("manager", ["process", "command"])
def test_the_launcher_is_steered_by_no_library_of_the_users(home, manager):
    """While it is root: what the service's environment has it load for the user, it loads for the user only."""
    source = home.parent / "evil.c"
    source.write_text(
        "#include <stdio.h>\n#include <unistd.h>\n__attribute__((constructor)) static void begin(void) {\n"
        f'FILE *said = fopen("{home}/said", "a"); if (said) {{ fprintf(said, "%d\\n", geteuid()); fclose(said); }} }}\n'
    )
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(home / "evil.so"), str(source)], check=True)
    (home / "evil.so").chmod(0o755)
    env = {"LD_PRELOAD": str(home / "evil.so")}
    script = "touch up; exec sleep 60"
    if manager == "process":
        made = service(home, manager="process", command=["sh", "-c", script], env=env)
    else:
        begin, status = ["sh", "-c", "touch up"], ["test", "-e", "up"]
        made = service(home, manager="command", start=begin, stop=["rm", "up"], status=status, env=env)
    made.start(Context())
    try:
        limit = time.monotonic() + 30
        while not (home / "up").exists() and time.monotonic() < limit:
            time.sleep(0.02)
        assert set((home / "said").read_text().split()) == {str(OTHER)}
    finally:
        made.stop(Recorded())


def test_a_lock_that_is_sent_away_ends_nobody(home, monkeypatch):
    """A daemon of root's that was handed the service's lock is none of the service's processes."""
    monkeypatch.setattr("fsm.services.process._PATIENCE", 0.2)
    manager = service(home, manager="process", command=["sleep", "60"], stop_timeout=1.0, start_timeout=2.0)
    manager.start(Context())
    lock = home.parent / "state/services/web.lock"
    pid = manager.status().pid
    assert pid is not None
    pidfd, number = (
        os.pidfd_open(pid),
        next(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.resolve() == lock.resolve()),
    )
    held = ctypes.CDLL(None).syscall(438, pidfd, number, 0)  # pidfd_getfd(2): as if it had been sent
    with subprocess.Popen(["sleep", "60"], pass_fds=[held]) as daemon:
        try:
            assert daemon.pid in [who.pid for who in holding(lock)]
            os.close(held)
            with pytest.raises(StepFailed, match="cannot stop web"):
                manager.stop(Context())
            assert daemon.poll() is None
        finally:
            daemon.kill()


def test_commands_are_the_users(home):
    """What starts, asks and stops a service."""
    (home / "ctl").write_text('#!/bin/sh\nid -u >> "did-$1"\nenv >> "did-$1"\ntest "$1" != status || test -e up\n')
    (home / "ctl").chmod(0o755)
    begin = ["sh", "-c", "./ctl start; touch up"]
    end = ["sh", "-c", "rm up"]
    manager = service(home, manager="command", start=begin, stop=end, status=["./ctl", "status"], env={"PORT": "1"})
    runner = Recorded()
    manager.start(runner)
    assert (home / "up").stat().st_uid == OTHER
    for verb in ("start", "status"):
        said = (home / f"did-{verb}").read_text()
        assert said.startswith(f"{OTHER}\n")
        assert "PORT=1" in said
        assert "SECRET_OF_ROOT" not in said
    manager.stop(runner)
    assert runner.as_user == [end]
    with pytest.raises(StepFailed, match=r"cannot run \./nothing"):
        service(home, manager="command", start=begin, stop=end, status=["./nothing"]).status()
