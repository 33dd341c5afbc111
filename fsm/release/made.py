"""When a release was made: the time of its commit. Apart from signing, so that who signs nothing loads no keys."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from fsm.formats.timestamps import timestamp
from fsm.release.problems import ReleaseError, Spot

GIT_TIMEOUT: Final = 30.0

LATEST: Final = 250_000_000_000
"""The latest time that a release can be of, in the year 9892: what ends ten years later still has four digits."""


def commit_time(root: Path) -> int | None:
    """How new a release is: ``SOURCE_DATE_EPOCH`` (https://reproducible-builds.org/specs/source-date-epoch/), else the
    time of the commit that is checked out; None if neither is known. In seconds since 1970.

    Raises:
        ReleaseError: it is no number, or of a year that no manifest can name.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        if not given.isascii() or not given.isdecimal() or len(given) > 12 or int(given) > LATEST:
            raise ReleaseError(Spot("$SOURCE_DATE_EPOCH"), f"{given[:40]!r} is not a number of seconds", "correct it")
        return int(given)
    found = _asked(root)[0]
    if not found.isdecimal():
        return None
    if int(found[:20]) > LATEST:
        todo = "correct the commit's date, or set $SOURCE_DATE_EPOCH"
        raise ReleaseError(Spot(str(root)), f"{found[:20]} is not a commit time", todo)
    return int(found)


def why_unknown(root: Path) -> str:
    """What git says where it does not tell the commit's time; empty if it says nothing."""
    complaint = _asked(root)[1].strip().partition("\n")[0][:200]
    return f" (git says: {complaint})" if complaint else ""


def _asked(root: Path) -> tuple[str, str]:
    """What git answers, and what it complains about."""
    command = ["git", "-C", str(root), "log", "-1", "--no-show-signature", "--format=%ct"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", str(error)
    return (done.stdout.strip(), "") if done.returncode == 0 else ("", done.stderr)


def times(made: int | None, days: int | None) -> dict[str, str]:
    """The keys of a manifest that say when it was made, and until when it is installed anew."""
    if made is None:
        return {}
    at = datetime.fromtimestamp(made, UTC)
    until = {} if days is None else {"expires_at": timestamp(at + timedelta(days=days))}
    return {"released_at": timestamp(at), **until}
