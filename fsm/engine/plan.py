"""The frozen plan: what the journal keeps of an adapter's draft, and how a resume gets its steps back.

A plan is made once, in `checking`, and never again for that run: a resume thaws the steps from the journal, with the
arguments they had, even when the configuration, the source or the updater itself changed in between. What this version
cannot thaw faithfully (a newer schema, an unknown step, arguments that no longer fit) is an error that names it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from fsm.adapter import DataChoice, Draft, Registry, Step
from fsm.errors import PlanError, PlanUnknown
from fsm.lifecycle import STEP_STATES, State
from fsm.model import ComponentName, Model, Seconds, Text, Version
from fsm.system.users import User

SCHEMA: Final = 1
"""Version of the plan's schema; raised when a field changes its meaning."""


Kind = Literal["update", "rollback", "data"]
"""Where a plan leads: to a release, back to a kept version, or, at the same version, to earlier preserved files."""


class PlannedStep(Model):
    """One step as the journal keeps it.

    Attributes:
        name: finds the class again in the adapter.
        phase: the state in which it runs.
        title: what it does.
        undo_title: what its undo does; empty if there is nothing to undo.
        touches_live: whether the running component is affected from here on.
        downtime: whether the downtime begins or ends with it.
        by_updater: whether it runs as the updater also where the plan has a user.
        timeout: the step's deadline in seconds.
        args: the step's fields as JSON values.
    """

    name: str
    phase: State
    title: str
    undo_title: Text = ""
    touches_live: bool = False
    downtime: Literal["begins", "ends"] | None = None
    by_updater: bool = False
    timeout: Seconds
    args: dict[str, Any] = {}


class DownloadNeed(Model):
    """A file that the plan will download.

    Attributes:
        name: of the file.
        size: bytes, None when the source does not tell.
    """

    name: str
    size: int | None = None


class DiskNeed(Model):
    """What the plan needs of one file system.

    Attributes:
        path: a directory on it.
        size: bytes, at most at one time.
    """

    path: Path
    size: int


class PlannedData(Model):
    """What a rollback does with people's preserved files.

    Attributes:
        choice: they stay as they are now (`keep`), or go back to those of the version (`restore`); None in a plan that
            is only looked at, where some have changed and nobody has said which.
        said_by: who chose: the ``call``, the ``configuration``, or the ``default``: none of them has changed.
        changed: files that were changed, added or removed since the version was replaced.
        size: bytes of the changed and added ones, as they are now.
        names: the first of them.
        kept_in: where those are kept that give way; ``{run}`` is the run's number.
    """

    choice: DataChoice | None
    said_by: Literal["call", "configuration", "default"] | None
    changed: int
    size: int
    names: tuple[str, ...] = ()
    kept_in: Text = ""


class Plan(Model):
    """The ordered steps that take one component from its old version to the new one.

    Attributes:
        schema_version: of the frozen plan in the journal.
        component: its name.
        component_type: which adapter knows the steps.
        kind: whether it leads to a release, back to a kept version, or brings files back (``data``).
        from_version: what is installed, None if that is unknown.
        to_version: what will be.
        steps: in order.
        downloads: files that will be downloaded.
        disk_need: what must be free.
        preserved: patterns of files that keep their bytes, mode and owner.
        notes: costs and peculiarities, one sentence each.
        user: as whom the steps run that are not the updater's own; None: all of them are.
        data: what a rollback does with preserved files; None if it leaves them alone.
    """

    schema_version: int = SCHEMA
    component: ComponentName
    component_type: str
    kind: Kind = "update"
    from_version: Version | None = None
    to_version: Version
    steps: tuple[PlannedStep, ...]
    downloads: tuple[DownloadNeed, ...] = ()
    disk_need: tuple[DiskNeed, ...] = ()
    preserved: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    user: User | None = None
    data: PlannedData | None = None


def freeze(
    component: str,
    component_type: str,
    draft: Draft,
    *,
    from_version: Version | None,
    to_version: Version,
    kind: Kind = "update",
    user: User | None = None,
    data: PlannedData | None = None,
) -> Plan:
    """Make the plan of a draft.

    Raises:
        PlanError: the draft's steps are out of order, or two have the same name: an adapter's bug, found before
            anything was touched.
    """
    order = [STEP_STATES.index(step.phase) for step in draft.steps]
    names = [step.name for step in draft.steps]
    if order != sorted(order) or len(set(names)) != len(names):
        raise PlanError(
            f"cannot plan {component}",
            f"the {component_type} adapter drafted steps out of order or twice: {', '.join(names)}",
            "report this to the adapter's author",
        )
    return Plan(
        component=component,
        component_type=component_type,
        kind=kind,
        from_version=from_version,
        to_version=to_version,
        steps=tuple(_freeze(step) for step in draft.steps),
        downloads=tuple(DownloadNeed(name=name, size=size) for name, size in draft.downloads),
        disk_need=tuple(DiskNeed(path=path, size=size) for path, size in draft.disk_need),
        preserved=draft.preserved,
        notes=draft.notes,
        user=user,
        data=data and data.model_copy(update={"kept_in": draft.data_kept_in}),
    )


def _freeze(step: Step) -> PlannedStep:
    return PlannedStep(
        name=step.name,
        phase=step.phase,
        title=step.title,
        undo_title=step.undo_title,
        touches_live=step.touches_live,
        downtime=step.downtime,
        by_updater=step.by_updater,
        timeout=step.timeout,
        args=step.model_dump(mode="json", exclude={"timeout"}),
    )


def load(text: str) -> Plan:
    """Read a plan from the journal.

    Raises:
        PlanUnknown: it was written by a newer version, or is damaged.
    """
    try:
        schema = json.loads(text).get("schema_version")
        if schema != SCHEMA:
            raise PlanUnknown(
                "cannot continue the run",
                f"its plan has schema {schema}, but this version of fsm-updater only knows schema {SCHEMA}",
                "install the version that made the plan, then run `fsm resume`",
            )
        return Plan.model_validate_json(text)
    except (ValueError, AttributeError) as error:
        raise PlanUnknown(
            "cannot continue the run", f"its plan cannot be read: {_first_line(error)}", "see `fsm doctor`"
        ) from error


def thaw(plan: Plan, registry: Registry) -> tuple[Step, ...]:
    """The plan's steps, ready to be done or undone.

    Raises:
        PlanUnknown: a step is unknown here, or its arguments no longer fit.
    """
    return tuple(thaw_step(plan, index, registry) for index in range(len(plan.steps)))


def thaw_step(plan: Plan, index: int, registry: Registry) -> Step:
    """One of the plan's steps; raises as `thaw` does."""
    planned = plan.steps[index]
    kind = registry.step(plan.component_type, planned.name)
    try:
        return kind.model_validate_json(json.dumps({**planned.args, "timeout": planned.timeout}))
    except ValidationError as error:
        raise PlanUnknown(
            f"cannot continue the run: its step {planned.name!r} has invalid arguments",
            _first_line(error),
            "install the version of fsm-updater that made the plan, then run `fsm resume`",
        ) from error


def touched(plan: Plan, started: Iterable[int]) -> bool:
    """Whether any of the started steps (by index) touches the live component."""
    return any(plan.steps[index].touches_live for index in started)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
