"""Whether `fsm resume` has anything to do: within a few milliseconds, for it runs at every boot.

The journal alone says so. Neither pydantic nor the component types are loaded, and the configuration is read for the
place of the journal only: a mistake elsewhere in it keeps no host without interrupted runs from booting.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fsm.engine.journal import Journal
from fsm.host.places import find, settings_in, state_dir_of, text_of

NOTHING: Final = "nothing is in progress"
"""What `fsm resume` says then."""


def nothing_to_do(explicit: Path | None) -> bool:
    """True when no run is in progress; False when one is, or when only the long way round can tell.

    Args:
        explicit: the configuration that the call names.
    """
    try:
        path = find(explicit)
        journal = state_dir_of(settings_in(text_of(path)), path.parent) / "journal.db"
        with Journal(journal, readonly=True) as opened:
            return not opened.runs(in_progress=True)
    except Exception:  # whatever is wrong, the long way round says it properly
        return False
