"""Git checkouts: a working tree that follows a branch or tags, with the services that run in it.

The way of an update, in the order of the modules: `spec` (what the host configures), `inspect` (what is checked out),
`limits` (what a release may not widen), `look` (what a plan has to know), `plan` (which steps), `keep`, `fetch` (or
`own_copy` and `take`, where the checkout is somebody else's), `examine`, `stage` and `images` (all before the stop),
`services`, `save_local`, `reset` and `products` (between stop and start), `verify`, `finish`.
`command` says how git is called, `repository` where it keeps things, `locks` what a lock of git means,
`assume_unchanged` what git was told not to look at, `layout` where everything of ours lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fsm.registry import StepTable
from fsm.system import late

if TYPE_CHECKING:
    from fsm_git.adapter import GitCheckout

__all__ = ["STEPS", "GitCheckout"]

STEPS: Final = StepTable(
    {
        "make_places": "fsm.kit.places:MakePlaces",
        "keep": "fsm_git.keep:Keep",
        "download": "fsm_git.fetch:Fetch",
        "fetch": "fsm_git.own_copy:FetchApart",
        "take": "fsm_git.take:Take",
        "examine": "fsm_git.examine:Examine",
        "stage": "fsm_git.stage:Stage",
        "build": "fsm_git.stage:BuildCommand",
        "keep_images": "fsm_git.images:KeepImages",
        "build_images": "fsm_git.images:BuildImages",
        "note_products": "fsm_git.products:NoteProducts",
        "stop_service": "fsm_git.services:StopService",
        "save_local": "fsm_git.save_local:SaveLocal",
        "reset": "fsm_git.reset:Reset",
        "products": "fsm_git.products:Products",
        "build_here": "fsm_git.products:BuildHere",
        "use_images": "fsm_git.images:UseImages",
        "start_service": "fsm_git.services:StartService",
        "verify": "fsm_git.verify:Verify",
        "retire": "fsm_git.finish:Retire",
        "tidy": "fsm_git.finish:Tidy",
        "forget_images": "fsm_git.images:ForgetImages",
        "tidy_copy": "fsm_git.own_copy:TidyCopy",
    }
)
"""Where each step is."""

__getattr__ = late.names(__name__, {"GitCheckout": "fsm_git.adapter"})
