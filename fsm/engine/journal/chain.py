"""The hash chain of the log: every row carries the hash of the one before it.

``hash = SHA-256(prev || canonical JSON of [seq, run, at, kind, step, data])``, where `data` is the stored text and the
first `prev` is 32 zero bytes. Each run also keeps number and hash of its last row, so that rows cut off at the end are
missed. Who can write the whole file can forge all of it; `fsm history --verify` prints the newest hash, which a person
can keep elsewhere to compare.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

GENESIS: Final = bytes(32)


def row_hash(prev: bytes, seq: int, run: int, at: str, kind: str, step: int | None, data: str) -> bytes:
    """The hash of one row."""
    import hashlib  # noqa: PLC0415 - 4 ms that `fsm status`, which only reads, need not pay

    return hashlib.sha256(prev + json.dumps([seq, run, at, kind, step, data]).encode()).digest()


def problems(
    rows: Iterable[tuple[int, int, str, str, int | None, str, bytes, bytes]],
    heads: Iterable[tuple[int, int, bytes]],
) -> list[str]:
    """What is wrong with the log, one sentence each; empty when it is whole.

    Args:
        rows: (seq, run, at, kind, step, data, prev, hash) in the order of seq.
        heads: (run, last seq, last hash) of each run.
    """
    found: list[str] = []
    hashes: dict[int, bytes] = {}
    before, expected_seq = GENESIS, 1
    for seq, run, at, kind, step, data, prev, stored in rows:
        if seq != expected_seq:
            found.append(f"rows {expected_seq} to {seq - 1} are missing")
        elif prev != before:
            found.append(f"row {seq} does not follow row {seq - 1}")
        if row_hash(prev, seq, run, at, kind, step, data) != stored:
            found.append(f"row {seq} was edited")
        hashes[seq], before, expected_seq = stored, stored, seq + 1
    for run, last_seq, last_hash in heads:
        if last_seq not in hashes:
            found.append(f"row {last_seq}, the last of run {run}, is missing")
        elif hashes[last_seq] != last_hash:
            found.append(f"row {last_seq} does not match the end that run {run} recorded")
    return found
