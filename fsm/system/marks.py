"""What the updater's children carry in their environment, so that they are found again, and nobody else can carry.

Whoever knew the mark of a service, or of a run, could have processes of his own be waited for, and so keep others from
being stopped or resumed. So a mark is made with a secret of this host's state. Who sees one in his own environment
learns nothing of any other.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from fsm.system import private

NAME: Final = "marks.key"
"""The file with the secret, in ``services/`` of the state directory."""

_LENGTH: Final = 24


def mark(state_dir: Path, name: str) -> str:
    """A mark of 24 hexadecimal digits, always the same for one name on one host.

    Args:
        state_dir: of the host.
        name: what is marked.

    Raises:
        OSError: the secret can neither be read nor made.
    """
    place = Path(os.path.realpath(state_dir))
    text = "\0".join((_key(place), str(place), name))
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:_LENGTH]


def _key(state_dir: Path) -> str:
    """The secret. The first who asks makes it; it comes to its name whole, and never changes."""
    directory = state_dir / "services"
    path = directory / NAME
    with suppress(FileNotFoundError):
        return path.read_text(encoding="ascii")
    private.state(state_dir)
    private.directory(directory)
    import fcntl  # noqa: PLC0415 - Windows imports this module and has none

    holder = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        if not path.exists():
            # Always of the same name: what a power cut leaves of it is used up by the next one who comes.
            draft = directory / f".{NAME}.new"
            with open(private.opened(draft, os.O_WRONLY | os.O_TRUNC), "w", encoding="ascii") as file:
                file.write(secrets.token_hex(16))
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
            os.fsync(holder)
    finally:
        os.close(holder)
    return path.read_text(encoding="ascii")
