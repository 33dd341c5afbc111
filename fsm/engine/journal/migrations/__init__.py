"""Schema versions of the journal: one module for each, applied in order, never edited once released."""

from __future__ import annotations

from collections.abc import Sequence

from fsm.engine.journal.migrations import v0001, v0002, v0003

MIGRATIONS: Sequence[str] = (v0001.SQL, v0002.SQL, v0003.SQL)
"""The statements that lead from schema version i to i+1."""

VERSION = len(MIGRATIONS)
"""The schema version that this release writes."""
