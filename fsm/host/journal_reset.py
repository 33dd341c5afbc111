"""Setting the journal aside: what `fsm doctor --set-aside-journal` does when it can no longer be read.

Nothing is deleted and no component is touched. What the journal knew is gone for the updater: interrupted runs, the
history, holds, pins, versions that failed, and what signed releases have shown.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

from fsm.adapter import Registry
from fsm.engine.journal import Journal
from fsm.engine.locks import ComponentLock
from fsm.engine.questions import Questions
from fsm.errors import FsmError, JournalError, Refused
from fsm.host.component_users import target_of, workers_of
from fsm.host.config import Config
from fsm.model import Model
from fsm.system import files


class SetAside(Model):
    """A journal that was set aside.

    Attributes:
        moved: the journal's files, as they are called now.
        leftovers: work directories of runs that ended in the middle; nobody will clean them up.
    """

    moved: tuple[str, ...]
    leftovers: tuple[str, ...] = ()


def set_aside(config: Config, registry: Registry, *, now: datetime | None = None) -> SetAside:
    """Rename the journal's files, so that the next command begins a new journal.

    Args:
        config: of this host.
        registry: the component types.
        now: the wall clock, in UTC.

    Raises:
        Busy: an updater works on a component.
        Refused: there is no journal, or nothing is wrong with it.
        JournalError: the files cannot be renamed.
    """
    journal = config.journal
    if not journal.exists():
        raise Refused("cannot set the journal aside", f"there is none at {journal}", "nothing to do")
    with ExitStack() as locks:
        for name in _names(config):
            locks.enter_context(ComponentLock(config.state_dir, name))
        _refuse_useful(journal)
        stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        try:
            moved = _rename(journal, journal.with_name(f"{journal.name}.set-aside-{stamp}"))
        except OSError as error:
            raise JournalError(
                f"cannot set {journal} aside", str(error), "check state_dir and its permissions"
            ) from error
    return SetAside(moved=tuple(str(path) for path in moved), leftovers=_leftovers(config, registry))


def _names(config: Config) -> list[str]:
    """Every component that may have an updater, also those that are no longer configured; always in one order."""
    locks = (path.stem for path in (config.state_dir / "locks").glob("*.lock"))
    return sorted({*config.components, *locks})


def _refuse_useful(journal: Path) -> None:
    """A journal that still knows how to go on with a run is worth more than a new one."""
    try:
        with Journal(journal, readonly=True) as opened:
            damaged = opened.database.integrity() or opened.verify()[0]
            running = [] if damaged else opened.runs(in_progress=True)
    except JournalError:
        return
    if damaged:
        return
    if running:
        names = ", ".join(run.component for run in running)
        raise Refused(
            "cannot set the journal aside",
            f"it is readable and has interrupted runs ({names})",
            "finish them first with `fsm resume` or `fsm cancel`",
        )
    raise Refused(
        "cannot set the journal aside", "nothing is wrong with it", "keep it: it holds your holds, pins and history"
    )


def _rename(journal: Path, to: Path) -> list[Path]:
    """Move the database with its log.

    The log gets its second name first and loses its old one last: killed in between, the log's bytes are kept, and no
    new journal ever meets the old one's log.
    """
    if to.exists():
        raise FileExistsError(f"{to} exists")
    pairs = [(journal.with_name(journal.name + end), to.with_name(to.name + end)) for end in ("-wal", "-shm")]
    beside = [(old, new) for old, new in pairs if old.exists()]
    for old, new in beside:
        os.link(old, new)
    journal.rename(to)
    for old, _ in beside:
        old.unlink()
    files.sync_dir(journal.parent)
    return [to, *(new for _, new in beside)]


def _leftovers(config: Config, registry: Registry) -> tuple[str, ...]:
    found: list[str] = []
    with closing(workers_of(config)) as workers:
        for component in config.components.values():
            try:
                adapter = registry.get(component.keys.type)
                target = target_of(component, adapter)
                found += [str(path) for path in Questions(adapter, workers).leftovers(target, component.spec)]
            except (FsmError, OSError) as error:
                found.append(f"{component.name}: cannot be examined: {error}")
    return tuple(found)
