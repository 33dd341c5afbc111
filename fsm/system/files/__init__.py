"""Files on disk: atomic writes and exchanges, copies that keep everything, removal that follows nothing.

Whatever walks a tree holds directory descriptors and never follows a link (`fsm.system.files.nofollow`). Errors of the
operating system stay OSError; what is refused before anything was touched is an error of `fsm.errors`.
"""

from __future__ import annotations

from fsm.system.files.atomic import link, sync_dir, sync_file, sync_filesystem, sync_places, write_atomic, writing
from fsm.system.files.copying import copy_entry, copy_within
from fsm.system.files.leftovers import is_leftover, sweep_temporaries
from fsm.system.files.mirroring import MirrorReport, carry, mirror
from fsm.system.files.mounts import mounts_within
from fsm.system.files.moving import GONE, Mover
from fsm.system.files.naming import shown
from fsm.system.files.numbering import highest_number
from fsm.system.files.patterns import Patterns
from fsm.system.files.places import furnish
from fsm.system.files.removing import remove_tree
from fsm.system.files.sizes import disk_free, tree_size
from fsm.system.files.swap import can_exchange, why_not_renamable

__all__ = [
    "GONE",
    "MirrorReport",
    "Mover",
    "Patterns",
    "can_exchange",
    "carry",
    "copy_entry",
    "copy_within",
    "disk_free",
    "furnish",
    "highest_number",
    "is_leftover",
    "link",
    "mirror",
    "mounts_within",
    "remove_tree",
    "shown",
    "sweep_temporaries",
    "sync_dir",
    "sync_file",
    "sync_filesystem",
    "sync_places",
    "tree_size",
    "why_not_renamable",
    "write_atomic",
    "writing",
]
