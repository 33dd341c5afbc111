"""Compose services: an image in a compose file, containers made of it, a registry that has the next one.

The way of an update, in the order of the modules: `spec` (what the host configures), `inspect` (the version, asked of
the containers), `plan` (which steps), `keep`, `pull` (both before anything changes), `switch` (the changed files:
proved, then renamed into place), `up` (compose makes the containers anew), `verify`, `finish` (retention). Going back
is `restore`. `image_edit` finds the bytes that change, `stack` is the compose project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fsm.registry import StepTable
from fsm.system import late

if TYPE_CHECKING:
    from fsm_container.adapter import ContainerAdapter

__all__ = ["STEPS", "ContainerAdapter"]

STEPS: Final = StepTable(
    {
        "keep": "fsm_container.keep:Keep",
        "download": "fsm_container.pull:Pull",
        "take_kept": "fsm_container.pull:TakeKept",
        "examine": "fsm_container.switch:Examine",
        "clear": "fsm_container.switch:Clear",
        "edit": "fsm_container.switch:Edit",
        "up": "fsm_container.up:Up",
        "verify": "fsm_container.verify:Verify",
        "retire": "fsm_container.finish:Retire",
        "tidy": "fsm_container.finish:Tidy",
    }
)
"""Where each step is."""

__getattr__ = late.names(__name__, {"ContainerAdapter": "fsm_container.adapter"})
