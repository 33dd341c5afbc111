"""Hosts for the tests of awkward ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bed import Bed


def installed(root: Path, *, release: bool = True, **spec: Any) -> Bed:
    """A host with 1.0.0 installed, furnished and running.

    Args:
        root: where.
        release: whether 1.1.0 is published.
        spec: as for `Bed`.
    """
    bed = Bed(root, **spec)
    bed.publish("1.0.0")
    bed.install("1.0.0")
    bed.furnish()
    bed.start()
    if release:
        bed.publish("1.1.0")
    return bed
