"""Manager ``systemd``: a unit of the system, or of the user who runs the updater.

systemd is asked for properties and exit codes, never for its text for people. Order kept here:

1. a unit whose file was changed is read again (`daemon-reload`) before it is started;
2. its counters are reset before it is started: a release that crashed in a loop has used up the start limit, which
   must not keep the old version from coming back;
3. during the boot the hold is given up before a start (`fsm.system.boot_hold`): the start waits for what is ordered
   before it;
4. what fails while the system shuts down is not judged: the run is interrupted, and goes on after the boot;
5. a unit that systemd has just restarted by itself does not count as active until it has stayed up for a while.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn

from pydantic import AfterValidator, Field

from fsm.adapter import CommandResult
from fsm.errors import DeadlineExceeded, Interrupted
from fsm.model import Model, Seconds, spelled
from fsm.services.base import LOG_LINES, Runner, ServiceManager, ServiceStatus, check_name, failed
from fsm.services.systemctl import Systemctl, Unit
from fsm.system import boot_hold, faults
from fsm.system.exit_codes import exited
from fsm.system.users import User

_WATCH: Final = 0.3
"""Seconds that a started unit is watched: one that dies at once was not started."""

_STEP: Final = 0.05
_SHORT: Final = 60.0

_Time = Annotated[Seconds, Field(gt=0, le=3600)]


def _with_suffix(name: str) -> str:
    return name if name.endswith(".service") else f"{name}.service"


UnitName = Annotated[str, spelled(r"^[A-Za-z0-9:_.\\@-]{1,200}$", "the name of a unit"), AfterValidator(_with_suffix)]
"""A service unit's name (systemd.unit(5)); ``.service`` may be left out."""

TriggerName = Annotated[
    str, spelled(r"^[A-Za-z0-9:_.\\@-]{1,200}\.(socket|timer|path)$", "the name of a socket, timer or path unit")
]


class SystemdSpec(Model):
    """A service that is a unit of systemd; the unit file is yours, and stays as it is.

    Attributes:
        unit: its name; ``.service`` may be left out.
        user: a unit of the user who runs the updater, not of the system.
        triggers: its sockets, timers and paths, stopped and started with it, so that none starts it meanwhile.
        start_timeout: seconds for a start, with all that systemd starts before it.
        stop_timeout: seconds for a stop; more than the unit's ``TimeoutStopSec``.
        status_timeout: seconds for one question.
        calm_seconds: how long a unit that systemd restarted by itself must stay up to count as active.
    """

    manager: Literal["systemd"]
    unit: UnitName
    user: bool = False
    triggers: tuple[TriggerName, ...] = ()
    start_timeout: _Time = 180.0
    stop_timeout: _Time = 120.0
    status_timeout: _Time = 10.0
    calm_seconds: Annotated[Seconds, Field(ge=0, le=3600)] = 10.0

    def open(self, name: str, state_dir: Path, user: User | None) -> ServiceManager:
        """The manager of one service."""
        return SystemdService(self, name)


class SystemdService:
    """One service unit.

    Args:
        spec: which one.
        name: the service's name, as configurations and manifests use it.
    """

    def __init__(self, spec: SystemdSpec, name: str) -> None:
        self.name = check_name(name)
        self._spec = spec
        self._systemctl = Systemctl(user=spec.user, timeout=spec.status_timeout)
        self._began: float | None = None

    def status(self) -> ServiceStatus:
        """Ask systemd.

        Raises:
            StepFailed: systemd does not answer, or could not start that unit (missing, masked, broken).
            Interrupted: it does not run because the system is shutting down.
        """
        unit = self._ask()
        self._systemctl.refuse_unloadable(unit)
        if not unit.up:
            self._mind_shutdown()
        if unit.once:
            words = f"{unit.name} runs when it is called; its last run did not fail" if unit.up else unit.words
            return ServiceStatus(active=unit.up, detail=words, ended=unit.down and not unit.up)
        if unit.up and self._loops(unit):
            words = f"systemd has restarted {unit.name} {unit.restarts} times, the last time {unit.since:.0f} s ago"
            return ServiceStatus(active=False, pid=unit.pid or None, detail=f"{words}: it does not stay up")
        if not unit.up:
            return ServiceStatus(active=False, detail=unit.words, ended=unit.down and not unit.queued)
        return ServiceStatus(active=True, pid=unit.pid or None, since=unit.started_at, detail=unit.words)

    def start(self, ctx: Runner) -> None:
        """Start the unit, and see that it does not end at once. One that runs is left alone."""
        self._began = time.time()
        unit = self._read_again(ctx)
        if unit.once or not unit.up:
            boot_hold.release()
            # Without effect on a unit that never failed; the exit code says nothing that the start does not say.
            self._call(ctx, _SHORT, "reset-failed", unit.name)
            if self._spec.triggers:
                # Before the service: a socket cannot be opened for one that runs without it.
                self._must(ctx, "start", *self._spec.triggers)
            faults.point("service.systemd.start")
            done = self._call(ctx, self._spec.start_timeout, "start", unit.name)
            faults.point("service.systemd.started")
            if done.code != 0:
                self._give_up("start", self._ask().words)
        self._watch(ctx)

    def stop(self, ctx: Runner) -> None:
        """Stop the unit, with a start of it that is queued. A boot that we hold back is left its own."""
        if self._spec.triggers:
            self._must(ctx, "stop", *self._spec.triggers)
        unit = self._ask()
        if unit.down and (not unit.queued or boot_hold.holding()):
            return
        faults.point("service.systemd.stop")
        done = self._call(ctx, self._spec.stop_timeout, "stop", unit.name)
        faults.point("service.systemd.stopped")
        after = self._ask()
        if not after.down:
            self._give_up("stop", f"{after.words}; systemctl stop {exited(done.code)}", done.tail)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that its processes wrote into systemd's journal."""
        return self._systemctl.lines(self._spec.unit, lines)

    def _ask(self) -> Unit:
        return self._systemctl.show(self._spec.unit)

    def _loops(self, unit: Unit) -> bool:
        return unit.restarts > 0 and unit.since is not None and unit.since < self._spec.calm_seconds

    def _read_again(self, ctx: Runner) -> Unit:
        """The unit as its file is now.

        Raises:
            StepFailed: systemd could not start it.
        """
        unit = self._ask()
        if unit.stale or unit.load != "loaded":
            self._must(ctx, "daemon-reload")
            faults.point("service.systemd.reloaded")
            unit = self._ask()
        self._systemctl.refuse_unloadable(unit)
        return unit

    def _watch(self, ctx: Runner) -> None:
        """See that the unit does not end at once."""
        limit = time.monotonic() + _WATCH
        while True:
            unit = self._ask()
            if not unit.up:
                self._give_up("start", f"it ended at once: {unit.words}")
            if unit.once or time.monotonic() >= limit:
                return
            ctx.check()
            time.sleep(_STEP)

    def _must(self, ctx: Runner, verb: str, *units: str) -> None:
        done = self._call(ctx, _SHORT, verb, *units)
        if done.code != 0:
            self._give_up(verb, f"systemctl {exited(done.code)}: {' '.join(done.tail.split())[-300:]}", log="")

    def _call(self, ctx: Runner, timeout: Seconds, verb: str, *units: str) -> CommandResult:
        argv = self._systemctl.command(verb, *units)
        try:
            return ctx.run(argv, env=self._systemctl.variables, timeout=timeout)
        except DeadlineExceeded as error:
            raise DeadlineExceeded(f"cannot {verb} {self._spec.unit}", error.why, error.todo) from error

    def _mind_shutdown(self) -> None:
        """What goes wrong while the system shuts down is no failure of the service: the next boot goes on.

        Raises:
            Interrupted: it does.
        """
        if self._systemctl.stopping():
            raise Interrupted("interrupted", "the system is shutting down", "`fsm resume` continues after the boot")

    def _give_up(self, verb: str, why: str, log: str | None = None) -> NoReturn:
        """Raise, with the end of the unit's log unless other words explain it."""
        self._mind_shutdown()
        if log is None:
            log = self._systemctl.last_words(self._spec.unit, LOG_LINES, self._began)
        user = " --user" if self._spec.user else ""
        todo = f"see `systemctl{user} status {self._spec.unit}`, fix the cause, and try again"
        raise failed(f"cannot {verb} {self._spec.unit}", why, log.strip()[-2000:], todo)
