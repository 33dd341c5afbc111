"""What the tests of service managers share: a runner with a real shell, and services that tell what they are."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from fsm.services import ServiceManager, ServiceSpec, open_service, process
from fsm.system.processes import Identity, with_environment
from fsm.system.shell import Shell


class Context:
    """A runner as the executor makes one; `stop` has every check raise it."""

    def __init__(self) -> None:
        self.stop: BaseException | None = None
        self._shell = Shell(marker=uuid.uuid4().hex, record=lambda child: None, poll=self.check, grace=0.5)

    def check(self) -> None:
        """Raise when it is time to stop."""
        if self.stop is not None:
            raise self.stop

    def run(
        self, argv: Any, *, cwd: Any = None, env: Any = None, timeout: float | None = None, as_user: bool = False
    ) -> Any:
        """Run a child."""
        return self._shell.run(argv, cwd=cwd, env=env, timeout=timeout or 20)


class World:
    """One service of one state directory.

    Attributes:
        mark: an environment entry that every process of the service carries.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mark = f"FSM_TEST={uuid.uuid4().hex}"
        self.ctx = Context()

    def process(self, *command: str, **options: object) -> ServiceManager:
        """A service of manager `process`."""
        key, _, value = self.mark.partition("=")
        given = {"command": command, "env": {key: value}, "stop_timeout": 5, "start_timeout": 10} | options
        return self.open("process", given)

    def script(self, text: str, **options: object) -> ServiceManager:
        """A service that is a shell script."""
        return self.process("sh", "-c", text, **options)

    def open(self, manager: str, options: dict[str, Any]) -> ServiceManager:
        """The service as a configuration describes it."""
        data = json.dumps({"manager": manager} | options, default=str)
        spec: Any = TypeAdapter(ServiceSpec).validate_json(data)
        return open_service(spec, name="web", state_dir=self.path / "state")

    def running(self) -> list[Identity]:
        """Every process of the service, whether its manager knows it or not."""
        return with_environment(self.mark)

    def clean(self) -> None:
        """End whatever a test left."""
        while found := self.running():
            for who in found:
                with suppress(ProcessLookupError):
                    os.kill(who.pid, signal.SIGKILL)


def stand_in(program: Path) -> None:
    """Put the stand-in for systemd's programs where one of them would be, with this Python: it starts at once."""
    text = Path(__file__).with_name("stand_in_systemctl.py").read_text(encoding="utf-8")
    program.write_text(f"#!{sys.executable} -IS\n{text.partition(chr(10))[2]}", encoding="utf-8")
    program.chmod(0o755)


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until something is true."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not come true"
        time.sleep(0.01)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose processes end with the test, and whose services are not watched for long."""
    monkeypatch.setattr(process, "_WATCH", 0.02)
    made = World(tmp_path)
    yield made
    made.clean()
