"""The last step of a checkout that is another user's: it removes what was handed over."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fsm.adapter import Done
from fsm.kit.staging import Staging
from fsm.system import users
from fsm_git.own_copy import OwnCopy, TidyCopy


def test_a_disk_that_fails_fails_no_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The new version is verified; what could not be removed is said, and goes with the next run."""
    staging = Staging(state_dir=tmp_path, component="app", user=users.numbered(4242))
    staging.root.mkdir(parents=True)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "rmdir", refuse)
    step = TidyCopy(own=OwnCopy(repository=tmp_path / "app.git", staging=staging))
    context: Any = SimpleNamespace(run_id=1, check=lambda: None)
    done = step.do(context)
    assert isinstance(done, Done)
    assert done.notes == (f"could not tidy {tmp_path / 'app.git'}: [Errno 5] Input/output error",)
