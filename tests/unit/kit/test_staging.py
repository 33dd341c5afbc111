"""What is handed over to a component's user: nobody else, and not before."""

from __future__ import annotations

import os
from pathlib import Path

from fsm.adapter import User
from fsm.kit import Staging


def test_nobody_looks_in_before_a_file_is_handed_over(tmp_path: Path):
    """A download that is not verified yet, or is not meant for everybody, lies where only the updater can go."""
    umask = os.umask(0)
    try:
        user = User(name="me", uid=os.geteuid(), gid=os.getegid())
        staging = Staging(state_dir=tmp_path, component="app", user=user)
        place = staging.root / "run-1"
        staging.make(place)
        made = (staging.root.parent, staging.root, place)
        assert [path.stat().st_mode & 0o777 for path in made] == [0o700, 0o700, 0o700]
        (place / "app.tar").write_bytes(b"")
        staging.give(place / "app.tar")
        assert [path.stat().st_mode & 0o777 for path in made] == [0o711, 0o711, 0o711]
        assert (place / "app.tar").stat().st_mode & 0o777 == 0o400
    finally:
        os.umask(umask)
