"""The plan that brings preserved files of an earlier time back; the version stays."""

from __future__ import annotations

from fsm.adapter import Draft, KeptData, Step, Target
from fsm.errors import PlanError
from fsm.kit import MakePlaces, StartService, StopService
from fsm.system import files
from fsm_python_app.data_steps import BringBack, SetAsideData
from fsm_python_app.layout import Layout
from fsm_python_app.look import Looked
from fsm_python_app.plan import settle, verify
from fsm_python_app.spec import PythonAppSpec


def bring_back(target: Target, spec: PythonAppSpec, looked: Looked, kept: KeptData) -> Draft:
    """The steps that set the present preserved files aside, and copy earlier ones to their places.

    Raises:
        PlanError: the app cannot be checked afterwards, or its files cannot be moved.
    """
    layout, facts = Layout.of(spec.install_path), settle(target, spec, looked)
    what = f"cannot bring files of {target.name} back"
    if looked.version is None:
        raise PlanError(what, f"the installed version is unknown: {looked.why_unknown}", "mend that first")
    inner = [point for point in files.mounts_within(layout.live) if point != layout.live]
    if inner and not kept.partial:
        todo = f"stop the app, and copy what you need from {kept.path}"
        raise PlanError(what, f"{inner[0]} is a mount point, which cannot be moved aside", todo)
    preserve = tuple(dict.fromkeys((*kept.preserve, *spec.preserve)))
    places: list[Step] = [] if facts.mover is None else [MakePlaces(user=facts.mover, root=layout.root)]
    steps: list[Step] = [
        *places,
        StopService(services=(facts.service,)),
        SetAsideData(
            layout=layout,
            preserve=preserve,
            where="live",
            version=str(looked.version),
            instead=kept.path if kept.partial else None,
        ),
        BringBack(layout=layout, source=kept.path, preserve=preserve, partial=kept.partial, timeout=3600.0),
        StartService(services=(facts.service,)),
        verify(target, spec, looked.version, None),
    ]
    return Draft(
        steps=tuple(steps),
        disk_need=((layout.live.parent, kept.size),),
        data_kept_in=str(layout.data / "{run}" / "files"),
    )
