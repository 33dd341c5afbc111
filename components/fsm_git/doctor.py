"""What would make an update of a checkout fail, or surprise; nothing is asked of the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

from fsm.adapter import Finding, Target
from fsm.errors import FsmError
from fsm.system import files
from fsm.system.shell import find_program
from fsm_git import checkout_facts, locks, plan, repository
from fsm_git.fetch import empty_objects
from fsm_git.spec import GitCheckoutSpec

Level = Literal["ok", "warning", "error"]


class _Findings(Protocol):
    def __call__(self, level: Level, message: str, todo: str = "") -> Finding: ...


def look(target: Target, spec: GitCheckoutSpec) -> Sequence[Finding]:
    """Everything that is worth saying."""

    def finding(level: Level, message: str, todo: str = "") -> Finding:
        return Finding(level=level, subject=target.name, message=message, todo=todo)

    try:
        find_program(["git"])
        repository.refuse_unusable(target, spec)
        repository.source_of(target)
        installed = repository.read(target, spec)
        found = [finding("ok", f"version {installed.version} is installed")]
        if installed.version is None:
            found = [finding("warning", f"version unknown: {installed.why_unknown}")]
        if (spec.path / ".git").exists():
            plan.look(target, spec, installed, None)
            found += _repository(spec, finding)
        return [*found, *_place(spec, finding)]
    except FsmError as error:
        return [finding("error", error.cause, error.todo)]


def _repository(spec: GitCheckoutSpec, finding: _Findings) -> Iterator[Finding]:
    places = repository.places(spec.path / ".git")
    assert places is not None, "an unusable repository was refused before"
    git = repository.open_checkout(spec.path)
    for lock in locks.present(places):
        who = ", ".join(locks.owners(lock, places, spec.path))
        todo = "let it finish" if who else "the next update removes it, when nobody is seen who could own it"
        yield finding("warning", f"{lock} is held by {who or 'nobody who still runs'}", todo)
    empty = empty_objects(places.common / "objects")
    if empty:
        yield finding(
            "warning", f"{len(empty)} objects are empty, as after a power cut", "the next update fetches them"
        )
    if checkout_facts.is_detached(git):
        yield finding("ok", "HEAD is detached, and stays so")
    pointers = checkout_facts.notes(git, "HEAD")
    for note in pointers:
        yield finding("warning", note)


def _place(spec: GitCheckoutSpec, finding: _Findings) -> Iterator[Finding]:
    parent = spec.path.parent
    if not parent.is_dir():
        yield finding("error", f"{parent} is no directory", "create it, or correct `path`")
        return
    free = files.disk_free(parent) >> 20
    yield finding("ok" if free > spec.reserve_mb else "error", f"{free} MiB free at {parent}", "free some disk space")
    for pattern in spec.preserve if spec.path.is_dir() else ():
        if next(iter(files.Patterns((pattern,)).find(spec.path)), None) is None:
            yield finding(
                "warning", f"preserve pattern {pattern!r} matches nothing", "correct it, unless the file comes later"
            )
    aside = Path(parent, f".{spec.path.name}.fsm", "aside")
    if aside.is_dir() and any(aside.iterdir()):
        yield finding("warning", f"files of rolled-back versions are kept in {aside}", "look at them, then remove them")
