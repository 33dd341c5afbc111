"""A component type whose steps try everything that a worker can do to an engine; other processes import it."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from fsm.adapter import (
    Adapter,
    Backup,
    Done,
    Draft,
    Failed,
    Finding,
    Installed,
    Release,
    RetryLater,
    Spec,
    State,
    Step,
    StepContext,
    StepResult,
    Target,
    Version,
)
from fsm.errors import Cancelled, Refused, StepFailed, Transient
from fsm.kit import fault_point
from fsm.system.shell import ask


class ActsSpec(Spec):
    """Where its tree is, and how it answers questions."""

    path: Path = Path("/nowhere")
    answer: str = "well"


class Facts(Installed):
    """What a closer look finds."""

    uid: int = -1
    after: str = ""


def who() -> dict[str, Any]:
    """What this process is."""
    status = Path("/proc/self/status").read_text()
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return {
        "pid": os.getpid(),
        "uids": lines["Uid"].split(),
        "gids": lines["Gid"].split(),
        "groups": lines["Groups"].split(),
        "capabilities": [lines[f"Cap{kind}"].strip("0") for kind in ("Inh", "Prm", "Eff", "Amb")],
        "no_new_privs": lines["NoNewPrivs"],
        "session": os.getsid(0) == os.getpid(),
        "core": list(resource.getrlimit(resource.RLIMIT_CORE)),
        "umask": os.umask(0o022),
        "environ": dict(os.environ),
        "open": sorted(os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in os.listdir("/proc/self/fd")[:-1]),
        "cwd": os.getcwd(),
        "looked_into_by": os.stat("/proc/self/environ").st_uid,
    }


def _line(ctx: Any) -> Any:
    return ctx._line._socket


def _die(ctx: StepContext) -> StepResult:
    print("I cannot go on", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it is dead")


def _rubbish(ctx: StepContext) -> StepResult:
    _line(ctx).sendall(b"\x1b[31mhello\n")
    return Done()


def _endless(ctx: StepContext) -> StepResult:
    while True:
        _line(ctx).sendall(b"x" * 65536)


def _hang(ctx: StepContext) -> StepResult:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


def _stop(ctx: StepContext) -> StepResult:
    os.kill(os.getpid(), signal.SIGSTOP)
    return Done()


def _steal(ctx: StepContext) -> StepResult:
    """Have the engine believe that one of its own processes is a child of ours."""
    _line(ctx).sendall(
        b'{"said":"started","child":{"argv0":"x","identity":' + ctx.results["victim"]["json"].encode() + b"}}\n"
    )
    return Done(data={"heard": _line(ctx).recv(100).decode()})


def _say(text: str) -> Callable[[StepContext], StepResult]:
    def say(ctx: StepContext) -> StepResult:
        _line(ctx).sendall(text.encode() + b"\n")
        time.sleep(60)
        return Done()

    return say


def _raise(error: BaseException) -> Callable[[StepContext], StepResult]:
    def act(ctx: StepContext) -> StepResult:
        raise error

    return act


def _child(ctx: StepContext) -> StepResult:
    result = ctx.run(["sh", "-c", "echo out; id -u"], env={"X": "1"}, timeout=10)
    return Done(data=result.model_dump(mode="json"))


def _long_child(ctx: StepContext) -> StepResult:
    ctx.run(["sh", "-c", "sleep 600 & sleep 600"])
    return Done()


def _slow(ctx: StepContext) -> StepResult:
    for done in range(1000):
        ctx.progress(done, 1000, "things")
        ctx.sleep(0.05)
    return Done()


def _points(ctx: StepContext) -> StepResult:
    fault_point("worker.first")
    fault_point("worker.second")
    return Done()


def _deep() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(200):
        found = {"x": found}
    return found


ACTS: Final[dict[str, Callable[[StepContext], Any]]] = {
    "who": lambda ctx: Done(data=who()),
    "context": lambda ctx: Done(
        data={
            "run_id": ctx.run_id,
            "component": ctx.component,
            "results": dict(ctx.results),
            "touched": ctx.touched,
            "provisional": ctx.provisional,
            "some_time": 0 < ctx.deadline.remaining() <= 60,
        },
        notes=("one\x1b[31m", "two"),
    ),
    "names": lambda ctx: Done(data={"name": os.fsdecode(b"a\xff")}),
    "pid": lambda ctx: Done(data={"pid": os.getpid()}),
    "retry": lambda ctx: RetryLater(why="not yet", after=1000.0),
    "failed": lambda ctx: Failed(why="it is\nbroken", todo="mend it", blame="host"),
    "nothing": lambda ctx: None,
    "no_json": lambda ctx: Done(data={"x": Path("/")}),
    "deep": lambda ctx: Done(data=_deep()),
    "large": lambda ctx: Done(data={"x": "y" * (9 << 20)}),
    "step_failed": _raise(StepFailed("cannot do it", "of that", "do this")),
    "transient": _raise(Transient("cannot reach it", "the network is down", after=1000.0)),
    "refused": _raise(Refused("cannot have it", "of that")),
    "os_error": _raise(OSError(28, "No space left on device")),
    "bug": _raise(ZeroDivisionError("a bug")),
    "cancelled": _raise(Cancelled("cancelled", "by nobody")),
    "die": _die,
    "rubbish": _rubbish,
    "endless": _endless,
    "hang": _hang,
    "stop": _stop,
    "steal": _steal,
    "ready": _say('{"said":"ready","version":"0"}'),
    "fault": _say('{"said":"fault","name":"x"}'),
    "early": _say('{"said":"result","value":"{}"}'),
    "nan": _say('{"said":"result","value":"{\\"kind\\":\\"RetryLater\\",\\"why\\":\\"\\",\\"after\\":NaN}"}'),
    "child": _child,
    "long_child": _long_child,
    "slow": _slow,
    "points": _points,
    "program": lambda ctx: Done(data=ctx.run(["id", "-u"], timeout=10, as_user=True).model_dump(mode="json")),
    "asks": lambda ctx: Done(data={"version": str(ctx.installed(Target(name="a", state_dir=Path("/")), ActsSpec()))}),
    "kept": lambda ctx: Done(data={"kept": len(ctx.backups(Target(name="a", state_dir=Path("/")), ActsSpec()))}),
}
"""What a step does, by its `act`."""


class Act(Step):
    """Does one thing of `ACTS`; its undo and its keeping down do another."""

    name: ClassVar[str] = "act"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "act"

    act: str = "context"
    back: str = "context"

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`."""
        found: StepResult = ACTS[self.act](ctx)
        return found

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        found: StepResult = ACTS[self.back](ctx)
        return found


class Own(Act):
    """The same, as the updater."""

    name: ClassVar[str] = "own"
    by_updater: ClassVar[bool] = True


class Acts(Adapter[ActsSpec, Facts]):
    """The adapter."""

    component_type: ClassVar[str] = "acts"
    spec: ClassVar[type[Spec]] = ActsSpec
    steps: ClassVar[tuple[type[Step], ...]] = (Act, Own)
    installed: ClassVar[type[Installed]] = Facts

    def place(self, target: Target, spec: ActsSpec) -> Path | None:
        """See `Adapter.place`."""
        return spec.path

    def inspect(self, target: Target, spec: ActsSpec) -> Facts:
        """See `Adapter.inspect`."""
        if spec.answer == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if spec.answer == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        if spec.answer == "ask":
            ask(["sh", "-c", "echo $$ > asked; exec sleep 600"], cwd=spec.path, timeout=600)
        if spec.answer == "hang":
            time.sleep(600)
        return Facts(version=Version("1.0"), why_unknown="a\x1b[31mb", uid=os.getuid())

    def look(self, target: Target, spec: ActsSpec, installed: Facts, release: Release | None) -> Facts:
        """See `Adapter.look`."""
        return installed.model_copy(update={"after": f"{installed.version} {release.version if release else None}"})

    def draft(self, target: Target, spec: ActsSpec, installed: Facts, release: Release) -> Draft:
        """See `Adapter.draft`."""
        return Draft(steps=(Act(),), notes=(f"uid {installed.uid}, {installed.after}",))

    def backups(self, target: Target, spec: ActsSpec) -> Sequence[Backup]:
        """See `Adapter.backups`."""
        return [Backup(version=Version("0.9"), path=spec.path, run_id=os.getuid(), made_at="2026\x07")]

    def doctor(self, target: Target, spec: ActsSpec) -> Sequence[Finding]:
        """See `Adapter.doctor`."""
        return [Finding(level="ok", subject="somebody else", message=f"uid {os.getuid()}\x1b[1m")]

    def last_run(self, target: Target, spec: ActsSpec) -> int:
        """See `Adapter.last_run`."""
        return 1 << 62 if spec.answer == "huge" else 7

    def leftovers(self, target: Target, spec: ActsSpec) -> Sequence[Path]:
        """See `Adapter.leftovers`."""
        return [spec.path / f"run-{os.getuid()}"]
