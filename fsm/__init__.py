"""Updates as persisted state machines: resumable after a crash at any instruction.

>>> from fsm import Updater
>>> updater = Updater.from_config()
>>> updater.update("core").headline

`Updater` is for programs that may wait, `AsyncUpdater` for asyncio. Both are imported when first asked for, so that
`import fsm` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fsm.version import __version__

if TYPE_CHECKING:
    from fsm.aio import AsyncUpdater
    from fsm.engine.report import Outcome, UpdateResult
    from fsm.errors import FsmError
    from fsm.updater import Updater

__all__ = ["AsyncUpdater", "FsmError", "Outcome", "UpdateResult", "Updater", "__version__"]

_WHERE = {
    "AsyncUpdater": "fsm.aio",
    "FsmError": "fsm.errors",
    "Outcome": "fsm.engine.report",
    "UpdateResult": "fsm.engine.report",
    "Updater": "fsm.updater",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'fsm' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - the whole point is to import late

    return getattr(import_module(_WHERE[name]), name)
