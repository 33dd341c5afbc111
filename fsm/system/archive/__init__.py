"""Archives: safe unpacking of what releases come in, and the tar.zst of a backup.

An archive is foreign data. It is read as a stream, judged entry by entry, and refused as a whole for the first entry
that has no place in a release: `kinds` says what an archive is, `tarreader` and `zipreader` what is damaged
or unknown, `tree` which names, links and sizes are refused, and `writing` how nothing is written outside.
"""

from __future__ import annotations

from fsm.system.archive.backup import verify_tar_zst, write_tar_zst
from fsm.system.archive.model import Entry, Limits, Listing
from fsm.system.archive.unpacking import inspect, unpack

__all__ = ["Entry", "Limits", "Listing", "inspect", "unpack", "verify_tar_zst", "write_tar_zst"]
