"""Where a component is, from its version file and the journal: `fsm status` within a few milliseconds.

The configuration cannot be validated without pydantic and the adapters, whose import alone takes longer than all that
`fsm status` may take. So what a status needs of the validated configuration is kept in the state directory, together
with everything it was made of: the file's text, the version of this program, the adapters' files. As long as all of
that is the same, nothing else is read. Only the configuration is remembered: the installed version is asked of the
component and everything else of the journal, each time. Whatever does not fit leads to the long way round.

Which versions were withdrawn is kept there as well, with the signatures of the documents that say so: verifying them
takes an import, too.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from fsm.engine.journal import SET, Journal
from fsm.engine.journal.stored import damaged
from fsm.engine.locks import ComponentLock
from fsm.engine.run_facts import facts
from fsm.errors import FsmError
from fsm.formats import version_file
from fsm.formats.version_file import VersionFile
from fsm.host.offers import Offers, told
from fsm.host.places import default_state_dir, find, settings_in, state_dir_of, text_of
from fsm.system import private
from fsm.version import __version__
from fsm.versions import Version

if TYPE_CHECKING:
    from fsm.adapter import Registry
    from fsm.engine.journal.policy import Policy
    from fsm.host.config import Component, Config
    from fsm.sources.base import Announced

SCHEMA: Final = 2
NAME: Final = "glance.json"


class About(NamedTuple):
    """What a status needs of one component's configuration; `source` as JSON values, `untrusted` see `Offers`."""

    name: str
    type: str
    source: dict[str, Any]
    prereleases: bool
    untrusted: str | None

    @classmethod
    def of(cls, config: Config, component: Component) -> About:
        """What is needed of a validated configuration."""
        from fsm.host.admission import why_untrusted  # noqa: PLC0415 - signatures, only the long way round

        return cls(
            name=component.name,
            type=component.keys.type,
            source=component.target.source,
            prereleases=component.keys.prereleases,
            untrusted=why_untrusted(config, component),
        )


Withdrawn = Callable[[Version], str | None]
"""Why nobody should install a version; None if nothing is known against it."""


InSets = dict[str, dict[str, Any]]
"""For each member of a set whose run is in progress, what a status says of that run."""


class _Known(NamedTuple):
    """A release as the journal keeps the last check's answer; see `fsm.sources.Announced`."""

    version: Version
    tag: str
    prerelease: bool
    draft: bool
    notes: str
    commit: str | None = None
    head: bool = False


class Hosted(NamedTuple):
    """What all components of a host have in common for a status.

    Attributes:
        journal: open, for reading at least.
        state_dir: the host's state directory.
        sets: from `in_sets`.
    """

    journal: Journal
    state_dir: Path
    sets: InSets


def status_of(
    host: Hosted, about: About, installed: Version | None, why_unknown: str, withdrawn: Withdrawn
) -> dict[str, Any]:
    """One component, with the keys of `fsm.engine.report.ComponentStatus`.

    Args:
        host: what one answer serves for all components.
        about: the component.
        installed: the version that the component itself tells; None if it is unknown.
        why_unknown: why it is.
        withdrawn: see there.

    Raises:
        JournalError: the journal cannot be read.
    """
    policy, latest = host.journal.policy, host.journal.latest(about.name)
    held = policy.held(about.name)
    return {
        "component": about.name,
        "installed": None if installed is None else str(installed),
        "why_unknown": why_unknown or None,
        **_offer(policy, about, installed, withdrawn),
        "type": about.type,
        "held": None if held is None else held[1] or "no reason given",
        "pin": policy.pin(about.name),
        "running_in": ComponentLock(host.state_dir, about.name).running(),
        "in_set": host.sets.get(about.name),
        "last": None if latest is None else facts(host.journal, latest),
    }


def in_sets(journal: Journal, state_dir: Path) -> InSets:
    """The newest run in progress of a set, for each member: before these begin they have no runs of their own."""
    found: InSets = {}
    for run in journal.runs(in_progress=True):
        if run.kind == SET:
            holder = ComponentLock(state_dir, run.component).running()
            about = {"set": run.component, "run": run.id, "state": str(run.state), "running_in": holder}
            for name in journal.asked(run)["needs"]:
                found.setdefault(name, about)
    return found


def _offer(policy: Policy, about: About, installed: Version | None, withdrawn: Withdrawn) -> dict[str, Any]:
    """What the last check found, however long ago; of a source that is no longer configured it says nothing."""
    offers = Offers(policy, about.name, about.prereleases, about.untrusted, withdrawn)
    last = policy.last_check(about.name)
    if last is None or last[1].get("source") != about.source:
        return {**told(offers.unknown()), "checked_at": None}
    found = offers.now(cast("Sequence[Announced]", _releases(about.name, last[1])), installed)
    return {**told(found), "checked_at": last[0].isoformat(timespec="seconds")}


def _releases(name: str, data: dict[str, Any]) -> list[_Known]:
    try:
        return [_Known(**{**each, "version": Version(each["version"])}) for each in data["cached"]["releases"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(f"the last check of {name}") from error


def read(explicit: Path | None, names: Iterable[str] = ()) -> list[dict[str, Any]] | None:
    """Every component, or those named, as `Updater.status` would tell; None if it has to be asked.

    Args:
        explicit: the configuration that the call names.
        names: components; those that do not exist lead to None as well.
    """
    try:
        return _read(find(explicit), tuple(names))
    except Exception:  # whatever is wrong, the long way round says it properly
        return None


def _read(path: Path, names: tuple[str, ...]) -> list[dict[str, Any]] | None:
    text = text_of(path)
    state_dir = state_dir_of(settings_in(text), path.parent)
    found = []
    with Journal(state_dir / "journal.db", readonly=True) as journal:  # first: it finds out whose the directory is
        kept = json.loads((state_dir / NAME).read_bytes())
        if kept["key"] != _key(path, text) or kept["modules"] != [_stamp(each[0]) for each in kept["modules"]]:
            return None
        if kept["trusted"] != journal.trusted.marks():
            return None
        entries = {entry["about"]["name"]: entry for entry in kept["components"]}
        host = Hosted(journal, state_dir, in_sets(journal, state_dir))
        for entry in [entries[name] for name in names] if names else entries.values():
            version, why = version_file.ask(VersionFile(Path(entry["root"]), entry["file"]))
            if version is None and _is_foreign(entry["root"]):
                return None  # its own user may follow a link there that root does not
            withdrawn = partial(_why_withdrawn, entry["withdrawn"])
            found.append(status_of(host, About(**entry["about"]), version, why, withdrawn))
    return found


def _is_foreign(root: str) -> bool:
    """Whether a tree belongs to somebody else than who asks."""
    with suppress(OSError, AttributeError):  # nothing is there, or this is Windows
        return os.stat(root).st_uid != os.geteuid()
    return False


def _why_withdrawn(known: dict[str, str], version: Version) -> str | None:
    return known.get(version.canonical)


def _key(path: Path, text: str) -> list[Any]:
    """All that decides what a configuration means, beside the adapters."""
    home = os.path.expanduser("~")
    return [SCHEMA, __version__, list(sys.version_info[:3]), str(path), home, str(default_state_dir()), text]


def _stamp(file: str) -> list[Any]:
    status = os.stat(file)
    return [file, status.st_mtime_ns, status.st_size]


def remember(config: Config, registry: Registry) -> None:
    """Keep what `read` needs, where that is possible: a cache, so that no failure matters.

    Args:
        config: just read from its file.
        registry: the component types.
    """
    path = config.path
    if path is None or not os.access(config.state_dir, os.W_OK):
        return
    from fsm.host.config import parse  # noqa: PLC0415 - the long way round has loaded it

    with suppress(OSError, ValueError, FsmError):
        text = text_of(path)
        # Of exactly this text: the file may have been edited since it was read.
        config = parse(tomllib.loads(text), registry, path=path)
        with Journal(config.journal, readonly=True) as journal:
            trusted = journal.trusted.marks()  # before the lists: what is learned meanwhile makes the next one ask anew
            entries = [_entry(config, component, registry, journal) for component in config.components.values()]
        if None in entries:
            return
        files = {_module(component, registry) for component in config.components.values()}
        modules = [_stamp(file) for file in sorted(files)]
        kept = {"key": _key(path, text), "modules": modules, "trusted": trusted, "components": entries}
        _write(config.state_dir / NAME, json.dumps(kept))


def _write(path: Path, text: str) -> None:
    """Put a file in its place whole, readable by nobody else: the configuration's text is in there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(private.opened(draft, os.O_WRONLY | os.O_TRUNC), "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _entry(config: Config, component: Component, registry: Registry, journal: Journal) -> dict[str, Any] | None:
    """One component; None if its version is not in a file."""
    from fsm.host.admission import Admission  # noqa: PLC0415 - signatures, only the long way round

    where = registry.get(component.keys.type).version_file(component.target, component.spec)
    if where is None:
        return None
    return {
        "about": About.of(config, component)._asdict(),
        "root": str(where.root),
        "file": where.name,
        "withdrawn": Admission(config, component, journal).all_withdrawn(),
    }


def _module(component: Component, registry: Registry) -> str:
    """The file of the adapter's class."""
    module = sys.modules[type(registry.get(component.keys.type)).__module__]
    if module.__file__ is None:
        raise ValueError(f"{module.__name__} has no file")
    return module.__file__
