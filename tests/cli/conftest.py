"""A host with a configuration file, and the command line on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fsm.cli.run import run
from tests.app_fixture import AppFixture
from tests.config_file import toml


class Host:
    """A fixture, its `fsm.toml`, and `fsm` in this process or in one of its own."""

    def __init__(self, app_fixture: AppFixture, capsys: pytest.CaptureFixture[str]) -> None:
        self.app_fixture = app_fixture
        self.path = app_fixture.root / "fsm.toml"
        self.path.write_text(toml(app_fixture.config), encoding="utf-8")
        self._capsys = capsys
        self.out = ""
        self.err = ""

    def fsm(self, *words: str) -> int:
        """Run one command here; `out` and `err` are what it printed."""
        self._capsys.readouterr()
        code = run(["--config", str(self.path), *words])
        self.out, self.err = self._capsys.readouterr()
        assert "Traceback" not in self.err
        return code

    def json(self, *words: str, code: int = 0) -> Any:
        """Run one command with ``--json`` and return its document."""
        assert self.fsm(*words, "--json") == code, self.out + self.err
        document = json.loads(self.out)
        assert document["schema"] == 1
        return document

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Run one command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "fsm", "--config", str(self.path), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Host]:
    """A host on which 1.0.0 is installed and runs, and 1.1.0 is published."""
    with AppFixture(tmp_path) as app_fixture:
        app_fixture.publish("1.0.0")
        app_fixture.install("1.0.0")
        app_fixture.furnish()
        app_fixture.start()
        app_fixture.publish("1.1.0")
        yield Host(app_fixture, capsys)
