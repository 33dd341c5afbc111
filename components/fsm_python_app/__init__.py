"""Python apps: an archive unpacked into a plain directory, a virtual environment, a service.

The way of an update, in the order of the modules: `spec` (what the host configures), `inspect` (the version, asked of
the app), `look` (what the plan needs to know of the tree), `plan` (which steps), `keep`, `unpack`, `environment` (all
before the stop), `swap` and `moves` (between stop and start), `verify`, `finish` (retention), and `take_kept` for the
way back to a kept version. `data` knows the preserved files of earlier times, and `data_steps` bring them back, by
`data_plan`. `layout` says where everything lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fsm.registry import StepTable
from fsm.system import late

if TYPE_CHECKING:
    from fsm_python_app.adapter import PythonApp

__all__ = ["STEPS", "PythonApp"]

STEPS: Final = StepTable(
    {
        "make_places": "fsm.kit.places:MakePlaces",
        "keep": "fsm_python_app.keep:Keep",
        "download": "fsm.kit.download:Download",
        "unpack": "fsm_python_app.unpack:Unpack",
        "environment": "fsm_python_app.environment:BuildEnvironment",
        "take_kept": "fsm_python_app.take_kept:TakeKept",
        "copy_out": "fsm_python_app.swap:CopyOut",
        "prepare": "fsm_python_app.swap:Prepare",
        "stop_service": "fsm.kit.steps:StopService",
        "carry_over": "fsm_python_app.swap:CarryOver",
        "set_aside_data": "fsm_python_app.data_steps:SetAsideData",
        "carry_back": "fsm_python_app.data_steps:CarryBack",
        "bring_back": "fsm_python_app.data_steps:BringBack",
        "exchange": "fsm_python_app.moves:Exchange",
        "move_out": "fsm_python_app.moves:MoveOut",
        "move_in": "fsm_python_app.moves:MoveIn",
        "copy_in": "fsm_python_app.swap:CopyIn",
        "migrate": "fsm_python_app.verify:Migrate",
        "start_service": "fsm.kit.steps:StartService",
        "verify": "fsm_python_app.verify:Verify",
        "retire": "fsm_python_app.finish:Retire",
        "tidy": "fsm_python_app.finish:Tidy",
        "unstage": "fsm.kit.staging:Unstage",
    }
)
"""Where each step is."""

__getattr__ = late.names(__name__, {"PythonApp": "fsm_python_app.adapter"})
