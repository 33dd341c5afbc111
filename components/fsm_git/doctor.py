"""What would make an update of a checkout fail, or surprise; nothing is asked of the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fsm.adapter import Finding, Target
from fsm.errors import FsmError
from fsm.kit import Findings, owner_findings
from fsm.system.shell import find_program
from fsm_git import checkout_facts, inspect, limits, locks, repository
from fsm_git import look as closer
from fsm_git.layout import Layout
from fsm_git.spec import GitCheckoutSpec


def look(target: Target, spec: GitCheckoutSpec) -> Sequence[Finding]:
    """Everything that is worth saying."""
    say = Findings(target.name)
    try:
        find_program(["git"])
        inspect.refuse_unusable(target, spec)
        limits.source_of(target)
        limits.refuse_engine(target, spec)
        installed = inspect.read(target, spec)
        found = [say.version(installed)]
        if (spec.path / ".git").exists():
            closer.look(target, spec, installed, None)
            found += _repository(spec, say)
        found += _place(spec, Layout.of(target, spec), say)
    except FsmError as error:
        found = [say.error(error.cause, error.todo)]
    return [*found, *owner_findings(target, spec.path, say)]


def _repository(spec: GitCheckoutSpec, say: Findings) -> Iterator[Finding]:
    places = repository.places(spec.path / ".git")
    assert places is not None, "an unusable repository was refused before"
    git = repository.open_checkout(spec.path)
    for lock in locks.present(places):
        who = ", ".join(locks.owners(lock, places, spec.path))
        todo = "let it finish" if who else "the next update removes it, when nobody is seen who could own it"
        yield say.warning(f"{lock} is held by {who or 'nobody who still runs'}", todo)
    empty = repository.empty_objects(places.common / "objects")
    if empty:
        yield say.warning(f"{len(empty)} objects are empty, as after a power cut", "the next update fetches them")
    if checkout_facts.is_detached(git):
        yield say.ok("HEAD is detached, and stays so")
    for note in checkout_facts.notes(git, "HEAD"):
        yield say.warning(note)


def _place(spec: GitCheckoutSpec, layout: Layout, say: Findings) -> Iterator[Finding]:
    parent = spec.path.parent
    if not parent.is_dir():
        yield say.error(f"{parent} is not a directory", "create it, or correct `path`")
        return
    yield say.free_space(parent, spec.reserve_mb)
    yield from say.unmatched(spec.preserve, spec.path)
    yield from say.set_aside(layout.aside)
