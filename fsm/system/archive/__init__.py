"""Archives: safe unpacking of what releases come in, and the tar.zst of a backup.

An archive is foreign data. It is read as a stream, judged entry by entry, and refused as a whole for the first entry
that has no place in a release: `kinds` says what an archive is, `tarreader` and `zipreader` what is damaged
or unknown, `tree` which names, links and sizes are refused, and `writing` how nothing is written outside.

Each name is loaded when it is first used: a resume passes most archives by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fsm.system import late

if TYPE_CHECKING:
    from fsm.system.archive.backup import verify_tar_zst, write_tar_zst
    from fsm.system.archive.model import Entry, Limits, Listing
    from fsm.system.archive.unpacking import inspect, unpack
    from fsm.system.archive.wheels import read_wheel

_WHERE: Final = {
    **dict.fromkeys(("verify_tar_zst", "write_tar_zst"), f"{__name__}.backup"),
    **dict.fromkeys(("Entry", "Limits", "Listing"), f"{__name__}.model"),
    **dict.fromkeys(("inspect", "unpack"), f"{__name__}.unpacking"),
    "read_wheel": f"{__name__}.wheels",
}

__all__ = ["Entry", "Limits", "Listing", "inspect", "read_wheel", "unpack", "verify_tar_zst", "write_tar_zst"]


__getattr__ = late.names(__name__, _WHERE)
