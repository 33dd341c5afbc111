"""What a child sees of this process's environment: all of it, but for what is the updater's own business.

A program finds in ``/proc`` what its parents were started with, and whoever it belongs to can read its environment. So
secrets go to nobody who was not given them by name.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Final

_PLUGINS: Final = "PYDANTIC_DISABLE_PLUGINS"
"""https://docs.pydantic.dev/latest/concepts/plugins/"""

_LOADER: Final = "pydantic.plugin._loader"

_withheld: Final = {"FSM_SIGNING_KEY", "FSM_KEY_PASSWORD", "FSM_ROOT_PASSWORD", "CREDENTIALS_DIRECTORY"}


def withhold(name: str) -> str:
    """From now on no child inherits this variable; returns its name."""
    _withheld.add(name)
    return name


def no_plugins() -> None:
    """Have pydantic look for no plugins in this process, as nobody has asked for any.

    To find that there are none it reads what every installed package says of itself: a tenth of the time until a resume
    begins. Comes before the first model; children see nothing of it.
    """
    if _PLUGINS not in os.environ:
        os.environ[withhold(_PLUGINS)] = "__all__"
        # Only to hear of the variable it loads what reads packages' metadata: 10 ms more. A pydantic that has no such
        # module does not look at this one.
        none = ModuleType(_LOADER)
        none.get_plugins = tuple  # type: ignore[attr-defined]
        sys.modules.setdefault(_LOADER, none)


def inherited() -> dict[str, str]:
    """The variables that a child inherits."""
    return {name: value for name, value in os.environ.items() if name not in _withheld}
