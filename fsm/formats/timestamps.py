"""Times in documents that are signed: UTC to the second, as text, so that the bytes are the same everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator

from fsm.model import spelled


def _real(value: str) -> str:
    moment(value)
    return value


TIMESTAMP: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"

Timestamp = Annotated[str, spelled(TIMESTAMP, "a time in UTC like 2027-01-31T12:00:00Z"), AfterValidator(_real)]
"""``2027-01-31T12:00:00Z`` (RFC 3339, UTC)."""


def moment(value: str) -> datetime:
    """The time that a `Timestamp` means.

    Raises:
        ValueError: there is no such day or hour.
    """
    return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def timestamp(at: datetime) -> str:
    """A time as a `Timestamp`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
