"""Files by which whoever may change them does what root does: compose files, unit files, programs and logs of services.

Docker and systemd act as root on what these say. So a component that has one which somebody else may change is not
updated, unless `run_as = "root"` says that this user is trusted like root. Neither is one whose user could be led
elsewhere by another one, who may write to a directory above its tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fsm.adapter import AnyAdapter, Target
from fsm.errors import FsmError, PlanError
from fsm.host.component_users import ROOT
from fsm.host.config import Component
from fsm.services import AnySpec, CommandSpec, ComposeSpec, ProcessSpec, SystemdSpec
from fsm.system import trusted, users
from fsm.system.trusted import Doubt

_LOG = "leave `log_file` out, so that the log is kept in state_dir"


class Doubtful(NamedTuple):
    """A file that root acts on, and that somebody else may change.

    Attributes:
        path: the file.
        doubt: who may change it, or a directory above it.
        instead: another remedy than to take it away from them; empty if there is none.
        user: whose process acts on it; empty for root's.
    """

    path: Path
    doubt: Doubt
    instead: str
    user: str = ""

    @property
    def why(self) -> str:
        """What is wrong with it."""
        return f"{f'user {self.user}' if self.user else 'root'} acts on {self.path}, and {self.doubt.why}"

    @property
    def todo(self) -> str:
        """What to do about it."""
        if self.user:
            return f"{self.doubt.todo}, or set run_as to whoever may"
        instead = f"{self.instead}, or " if self.instead else ""
        return f'{self.doubt.todo}, or {instead}set run_as = "root" to trust them like root'


def doubtful(component: Component, adapter: AnyAdapter, target: Target) -> tuple[Doubtful, ...]:
    """What others than root may change of what root acts on for a component; each place of theirs once."""
    if not users.can_become_others():
        return ()
    found = _those((*_of_type(component, adapter, target), *_of_services(component, target)))
    return (*_on_the_way(component, adapter, target), *found)


def why_not_asked(component: Component, adapter: AnyAdapter, target: Target) -> str:
    """Why root does not even ask what is installed: that would be to act on such a file; empty if it may."""
    if not users.can_become_others() or component.keys.run_as == ROOT:
        return ""
    found = (*_on_the_way(component, adapter, target), *_those(_of_type(component, adapter, target)))
    return next((each.why for each in found), "")


def refuse(component: Component, adapter: AnyAdapter, target: Target) -> tuple[str, ...]:
    """Refuse to plan for a component with such a file; notes for its plan if whoever may change it is trusted.

    Raises:
        PlanError: names the file and the user, and says what to do.
    """
    found = doubtful(component, adapter, target)
    for each in found if component.keys.run_as != ROOT else ():
        raise PlanError(f"cannot update {component.name}", each.why, each.todo)
    return tuple(f"{each.why}; run_as trusts them like root" for each in found)


def _those(files: tuple[tuple[Path, str], ...]) -> tuple[Doubtful, ...]:
    looked = ((path, trusted.doubt(path, anybody=True), instead) for path, instead in files)
    found = {doubt.place: Doubtful(path, doubt, instead) for path, doubt, instead in looked if doubt is not None}
    return tuple(found.values())


def _on_the_way(component: Component, adapter: AnyAdapter, target: Target) -> Iterator[Doubtful]:
    """Who else could lead the component's user elsewhere, and so have his rights used on what is his."""
    user = target.user
    place = None if user is None else adapter.place(target, component.spec)
    if user is not None and place is not None:
        doubt = trusted.doubt(place.absolute().parent, like_root={user.uid})
        if doubt is not None:
            yield Doubtful(place, doubt, "", user.name)


def _of_type(component: Component, adapter: AnyAdapter, target: Target) -> tuple[tuple[Path, str], ...]:
    return tuple((path, "") for path in adapter.relies_on(target, component.spec))


def _of_services(component: Component, target: Target) -> Iterator[tuple[Path, str]]:
    for spec in component.services.values():
        yield from ((path, "") for path in _of_service(spec, target))
        # A service's own user opens its log himself.
        if isinstance(spec, ProcessSpec | CommandSpec) and spec.log_file is not None and target.user is None:
            yield spec.log_file, _LOG


def _of_service(spec: AnySpec, target: Target) -> Iterator[Path]:
    match spec:
        case SystemdSpec(user=False):
            yield from _units(spec)
        case ComposeSpec():
            from fsm.services.docker.inputs import inputs  # noqa: PLC0415 - only for those who have such

            yield from inputs(spec.cwd, spec.reads(), [spec.cwd / ".env"])
        case ProcessSpec() if target.user is None:
            yield from _program(spec.command, spec.cwd)
        case CommandSpec() if target.user is None:
            for command in (spec.start, spec.stop, spec.status):
                yield from _program(command, spec.cwd)


def _program(command: tuple[str, ...], cwd: Path | None) -> Iterator[Path]:
    """The program, if it is named by its place: what PATH leads to is the system's."""
    if "/" in command[0]:
        yield Path(cwd or "/", command[0])


def _units(spec: SystemdSpec) -> Iterator[Path]:
    from fsm.services.systemctl import Systemctl  # noqa: PLC0415 - only for those who have a unit

    try:
        yield from Systemctl(user=False, timeout=spec.status_timeout).files(spec.unit)
    except FsmError:  # whoever starts the unit says what is wrong with it
        return
