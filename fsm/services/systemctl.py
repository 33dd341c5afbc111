"""Talking to systemd: the properties of a unit, and what its processes wrote into the journal.

`systemctl show` answers in `Key=value` lines that are made for programs (org.freedesktop.systemd1(5) has the
properties' meaning); what `systemctl status` prints is made for people, and differs between versions and languages.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from fsm.errors import CommandFailed, DeadlineExceeded, StepFailed
from fsm.model import Seconds
from fsm.system.exit_codes import exited
from fsm.system.shell import ask

RUNNING: Final = Path("/run/systemd/system")
"""There while systemd is the init system (sd_booted(3))."""

_PROPERTIES: Final = (
    "LoadState",
    "ActiveState",
    "SubState",
    "Type",
    "RemainAfterExit",
    "Result",
    "MainPID",
    "ExecMainStatus",
    "ActiveEnterTimestampMonotonic",
    "NRestarts",
    "NeedDaemonReload",
    "FragmentPath",
    "DropInPaths",
    "Job",
    "UnitFileState",
    "TriggeredBy",
)
_LOG_TIME: Final = 5.0
_LOG_BYTES: Final = 64 * 1024
_TRIES: Final = 4
_PAUSE: Final = 0.1
_ENDS: Final = {
    "timeout": "timed out",
    "watchdog": "did not answer its watchdog",
    "oom-kill": "was killed because memory ran out",
    "start-limit-hit": "was refused, as it had been started too often",
    "resources": "lacked what it needs to start",
    "protocol": "did not do what its Type promises",
}
"""What the other values of a unit's `Result` mean."""
_UNLOADABLE: Final = {
    "not-found": ("there is no unit of that name", "install it, or correct `unit`"),
    "masked": ("it is masked and cannot be started", "systemctl{user} unmask {unit}"),
    "bad-setting": ("its unit file has a setting that systemd rejects", "systemd-analyze{user} verify {unit}"),
    "error": ("its unit file cannot be read", "systemctl{user} status {unit}"),
}


class Unit(NamedTuple):
    """What systemd knows about a service unit at one moment; the names are those of its properties.

    Attributes:
        name: the unit's name.
        load: whether its file was loaded.
        state, sub: where it is.
        result, code: how it ended the last time.
        pid: its main process; 0: none.
        since: seconds since it became active; None if it never did.
        restarts: how often systemd has started it again by itself since it was started on purpose.
        stale: its file was changed since systemd read it, or may have been.
        queued: a job of it waits or runs.
        once: it is to run and to end (`Type=oneshot` without `RemainAfterExit`).
        file_state: whether it is enabled.
        triggers: units whose events start it, such as its socket.
    """

    name: str
    load: str
    state: str
    sub: str
    result: str
    code: int
    pid: int
    since: Seconds | None
    restarts: int
    stale: bool
    queued: bool
    once: bool
    file_state: str
    triggers: tuple[str, ...]

    @property
    def down(self) -> bool:
        """Nothing of it runs, or is about to run."""
        return self.state in ("inactive", "failed")

    @property
    def up(self) -> bool:
        """It runs at this moment, or did what it is for."""
        if self.once:
            # Whether it ever ran is forgotten with the unit, when nothing refers to it; a failure is not.
            return self.state == "inactive" and self.result == "success"
        return self.state in ("active", "reloading", "refreshing")

    @property
    def started_at(self) -> str | None:
        """When it became active (ISO 8601, UTC)."""
        if self.since is None:
            return None
        return (datetime.now(UTC) - timedelta(seconds=self.since)).isoformat(timespec="seconds")

    @property
    def words(self) -> str:
        """Its state for people."""
        ended = f", its last run {_how(self.result, self.code)}" if self.result != "success" else ""
        return f"{self.name} is {self.state} ({self.sub}){ended}"


def _how(result: str, code: int) -> str:
    """How a unit's last run ended: `Result`, and its exit code or the signal that killed it."""
    if result == "exit-code":
        return exited(code)
    return exited(-code) if result in ("signal", "core-dump") else _ENDS.get(result, f"ended: {result}")


class Systemctl:
    """The system's manager, or that of the user who runs this.

    Args:
        user: which of the two.
        timeout: seconds for one question.
    """

    def __init__(self, *, user: bool, timeout: Seconds) -> None:
        self._scope = ["--user"] if user else ["--system"]
        self._timeout = timeout
        self.user = user

    def command(self, verb: str, *arguments: str) -> list[str]:
        """The command line of a verb. It never asks for a password, and never starts a pager."""
        return ["systemctl", *self._scope, "--no-ask-password", "--no-pager", verb, *arguments]

    @property
    def variables(self) -> dict[str, str]:
        """What the environment must have beside what it has: where a user's manager listens."""
        directory = f"/run/user/{os.geteuid()}"
        if self.user and not os.environ.get("XDG_RUNTIME_DIR") and os.path.isdir(directory):
            return {"XDG_RUNTIME_DIR": directory}
        return {}

    def show(self, unit: str) -> Unit:
        """Ask about a unit.

        Raises:
            StepFailed: systemd does not answer.
        """
        given = ",".join(_PROPERTIES)
        text = self._ask(f"cannot ask systemd about {unit}", "show", f"--property={given}", "--", unit)
        return _read(unit, dict(line.partition("=")[::2] for line in text.splitlines()))

    def files(self, unit: str) -> tuple[Path, ...]:
        """The files that a unit was read from: its own, and those that add to it.

        Raises:
            StepFailed: systemd does not answer.
        """
        given = "--property=FragmentPath,DropInPaths"
        text = self._ask(f"cannot ask systemd about {unit}", "show", given, "--", unit)
        return tuple(Path(path) for line in text.splitlines() for path in line.partition("=")[2].split())

    def _ask(self, what: str, *arguments: str) -> str:
        try:
            asked = ask(self.command(*arguments), timeout=self._timeout, env=self.variables)
        except CommandFailed as error:
            why = "there is no systemctl on this host"
            raise StepFailed(what, why, "use another `manager`; this one needs systemd") from error
        except DeadlineExceeded as error:
            raise StepFailed(what, error.why, "check whether systemd hangs: `systemctl list-jobs`") from error
        if asked.code != 0:
            raise StepFailed(what, asked.complaint, self._hint())
        return asked.out.decode("utf-8", "replace")

    def _hint(self) -> str:
        if self.user:
            return "a user's manager runs only while the user is logged in; `loginctl enable-linger` starts it at boot"
        return "run the updater on a host that systemd has booted" if not RUNNING.is_dir() else "see the system's log"

    def stopping(self) -> bool:
        """Whether the system shuts down just now, or the user's manager does: then nothing can be started any more."""
        for scope in {*self._scope, "--system"}:
            argv = ["systemctl", scope, "--no-ask-password", "--no-pager", "show", "--property=SystemState"]
            with suppress(CommandFailed, DeadlineExceeded):  # who cannot be asked is not known to go down
                asked = ask(argv, timeout=self._timeout, env=self.variables)
                if asked.out.strip() == b"SystemState=stopping":
                    return True
        return False

    def lines(self, unit: str, count: int, since: float | None = None) -> str:
        """The last lines that a unit's processes wrote, of at most 64 KiB; empty if nobody tells.

        `since` is a time of the wall clock, in seconds; older lines do not count.

        systemd's own lines about the unit ("Started ...", "Scheduled restart job ...") are left out: of a service in
        a restart loop they would be all there is to see. They are shown where the processes wrote nothing.
        """
        of_manager = f"--user-unit={unit}" if self.user else f"--unit={unit}"
        of_processes = self._of_processes(unit, count, since)
        return self._journal(*of_processes) or self._journal(*of_processes[:-1], of_manager)

    def _of_processes(self, unit: str, count: int, since: float | None) -> list[str]:
        field = f"_SYSTEMD_USER_UNIT={unit}" if self.user else f"_SYSTEMD_UNIT={unit}"
        return [f"--lines={count}", *([] if since is None else [f"--since=@{since:.6f}"]), field]

    def _journal(self, *arguments: str) -> str:
        argv = ["journalctl", "--no-pager", "--quiet", "--output=cat", "--boot", *arguments]
        try:
            asked = ask(argv, timeout=_LOG_TIME, env=self.variables)
        except (CommandFailed, DeadlineExceeded):  # the log explains, it is no condition of anything
            return ""
        return asked.out[-_LOG_BYTES:].decode("utf-8", "replace").strip() if asked.code == 0 else ""

    def last_words(self, unit: str, count: int, since: float | None) -> str:
        """As `lines`, right after the unit failed: what its processes said may be on its way into the journal."""
        if os.geteuid() == 0:  # others may not ask for it
            self._journal("--sync")
        for _ in range(_TRIES):
            if said := self._journal(*self._of_processes(unit, count, since)):
                return said
            time.sleep(_PAUSE)
        return self.lines(unit, count, since)

    def refuse_unloadable(self, unit: Unit) -> None:
        """Refuse a unit that systemd could not start.

        Raises:
            StepFailed: why not, and what helps.
        """
        if unit.load in _UNLOADABLE:
            why, todo = _UNLOADABLE[unit.load]
            user = " --user" if self.user else ""
            raise StepFailed(f"cannot manage {unit.name}", why, todo.format(user=user, unit=unit.name))


def _read(name: str, found: dict[str, str]) -> Unit:
    entered = int(found.get("ActiveEnterTimestampMonotonic") or 0)
    return Unit(
        name=name,
        load=found.get("LoadState", ""),
        state=found.get("ActiveState", ""),
        sub=found.get("SubState", ""),
        result=found.get("Result", "success"),
        code=int(found.get("ExecMainStatus") or 0),
        pid=int(found.get("MainPID") or 0),
        since=max(time.monotonic() - entered / 1e6, 0.0) if entered else None,
        restarts=int(found.get("NRestarts") or 0),
        stale=found.get("NeedDaemonReload") == "yes" or _linked(found),
        queued=found.get("Job", "0") not in ("", "0"),
        once=found.get("Type") == "oneshot" and found.get("RemainAfterExit") == "no",
        file_state=found.get("UnitFileState", ""),
        triggers=tuple(found.get("TriggeredBy", "").split()),
    )


def _linked(found: dict[str, str]) -> bool:
    """Whether a file of the unit lies elsewhere, as in the tree that an update exchanges.

    systemd takes a file as changed when it is newer than what was read; an unpacked release has the times of its
    archive, and an old version that comes back has its own.
    """
    paths = [found.get("FragmentPath", ""), *found.get("DropInPaths", "").split()]
    return any(os.path.realpath(path) != path for path in paths if path)
