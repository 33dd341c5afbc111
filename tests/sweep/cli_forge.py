"""Runs commands of a host, strikes at their system calls, and keeps what they said."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from tests.boundary.verbs import descendants
from tests.config_file import toml
from tests.crash.crash_case import Answer, Forge, Kill
from tests.crash.scenarios import SCENARIOS
from tests.pair import Pair
from tests.sweep.notifier import Fault, Mode, Notifier, Seen, serves

WORDS: Final = {
    "update": ("update", "app"),
    "update_set": ("update", "--set", Pair.set_name),
    "rollback": ("rollback", "app"),
    "bring_back": ("data", "app", "bring-back", "1"),
    "bring_back_written": ("data", "app", "bring-back", "1-written"),
    "resume": ("resume",),
}


@dataclass(frozen=True)
class Heard:
    """One command, and what came of it.

    Attributes:
        words: the command.
        fault: what was to happen.
        code: its exit code; negative: the signal that ended it.
        said: all that it wrote.
        seen: the calls that change something.
        struck: those of them at which something happened.
    """

    words: tuple[str, ...]
    fault: Fault | None
    code: int
    said: str
    seen: list[Seen]
    struck: list[Seen]

    def __str__(self) -> str:
        at = f" {self.fault.kind} {self.struck[0]}" if self.fault and self.struck else ""
        return f"fsm {' '.join(self.words)}:{at} -> {self.code} {self.said.strip()[-600:]}"


class CliForge(Forge):
    """A server of `tests.sweep.server`. A context manager.

    Args:
        place: a directory for its log, the configuration and the outputs.

    Attributes:
        fault: what happens to the next command, and to no other.
        heard: the commands of the present case; whoever begins one clears it.
        patience: see `Forge`; a fetch that can open no file tries for a minute.
    """

    patience: ClassVar[float] = 120.0

    def __init__(self, place: Path) -> None:
        super().__init__(place / "forge.log")
        self._place = place
        self.fault: Fault | None = None
        self.heard: list[Heard] = []
        self._killing = threading.Lock()

    def __enter__(self) -> Self:
        self._listeners, theirs = socket.socketpair()
        self._listeners.settimeout(self.patience)
        with theirs:
            self._start("tests.sweep.server", theirs.fileno())
        return self

    def __exit__(self, *exc: object) -> None:
        self._listeners.close()
        super().__exit__(*exc)

    def ask(self, app_fixture: Path, scenario: str, verb: str, kill: Kill | None, *, start: bool) -> Answer:
        """Have a new process do something, with `fault`; tells how it ended."""
        return self.perform(app_fixture, scenario, WORDS[verb], start=start, traced=self.fault is not None)

    def perform(
        self, root: Path, scenario: str, words: tuple[str, ...], *, start: bool = False, traced: bool = False
    ) -> Answer:
        """Run one command on a host; what it changes is asked for only if it is `traced`."""
        fault, self.fault = self.fault, None
        config = self._place / "fsm.toml"
        config.write_text(toml(SCENARIOS[scenario].make_fixture(root).config))
        config.chmod(0o600)
        request = {"root": str(root), "scenario": scenario, "words": words, "start": start, "traced": traced}
        with self._killing:
            pass  # whoever kills what the last command has left must not see this one
        self._request({**request, "place": str(self._place)})
        notifier = Notifier(root, fault, self._kill)
        if traced:
            _, (listener,), *_ = socket.recv_fds(self._listeners, 1, 1)
            notifier.listen(listener)
        code = int(self._answer(request)["exit"])
        notifier.over.set()
        said = "".join((self._place / name).read_text(errors="replace") for name in ("out", "err"))
        self.heard.append(Heard(words, fault, code, said, notifier.seen, notifier.struck))
        return {"exit": code, "trail": [], "results": []}

    def kill(self) -> bool:
        """Kill all that runs; whether there was something."""
        killed = False
        while left := list(self._everything()):
            killed = True
            _end(left)
        return killed

    def _kill(self, mode: Mode, struck: int) -> None:
        """Kill what a fault kills; returns once it is gone."""
        if mode == "kill-one":
            os.kill(_process(struck), signal.SIGKILL)
            return
        with self._killing:
            while left := [pid for pid in self._everything() if mode == "kill-all" or pid == struck or not serves(pid)]:
                _end(left)

    def _everything(self) -> Iterator[int]:
        """All processes of commands and services, without those that keep them."""
        server = self._server.pid
        return (pid for pid in descendants(server) if _parent(pid) != server)

    def _answer(self, request: Mapping[str, Any]) -> Answer:
        try:
            return super()._answer(request)
        except AssertionError:
            self.__exit__()
            self.__enter__()
            raise


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _end(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _process(thread: int) -> int:
    status = Path(f"/proc/{thread}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("Tgid:")))
