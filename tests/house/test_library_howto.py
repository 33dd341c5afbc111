"""The code of `docs/how-to/use-the-library.md`, run in order against a real app."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from examples.webapp import release
from fsm import Outcome
from tests.ports import free_port

pytestmark = pytest.mark.processes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "use-the-library.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)

CONFIG = """\
[fsm]
state_dir = "state"
[components.web]
type = "python_app"
install_path = "web"
settle_seconds = 0.1
[components.web.source]
type = "directory"
allow_unsigned = true
path = "releases"
[components.web.service]
manager = "process"
command = [".venv/bin/python", "app.py"]
env = {{ PORT = "{port}" }}
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A host with version 1.0.0 of the web app, and a release 1.1.0 that waits."""
    from fsm import Updater

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FSM_CONFIG", raising=False)
    port = free_port()
    (tmp_path / "fsm.toml").write_text(CONFIG.format(port=port))
    try:
        release.build(tmp_path / "releases", "1.0.0", port=port)
        assert Updater.from_config().update("web").outcome == "done"
        release.build(tmp_path / "releases", "1.1.0", port=port)
        yield tmp_path
    finally:
        with suppress(FileNotFoundError, KeyError, ProcessLookupError):
            os.killpg(json.loads((tmp_path / "state/services/web.json").read_text())["pid"], signal.SIGTERM)


@pytest.mark.needs_linux
def test_the_code_of_the_page_does_what_the_page_says(host: Path, capsys: pytest.CaptureFixture[str]):
    """Each block runs after the one before it; what they print is what they are for."""
    names: dict[str, Any] = {}
    printed = []
    for block in BLOCKS:
        exec(compile(block, PAGE.name, "exec"), names)
        printed.append(capsys.readouterr().out)
    look, outcome, wrong, resumed, listened, awaited, status = printed
    assert look.startswith("1.0.0 -> 1.1.0")
    assert "web: updated 1.0.0 -> 1.1.0" in look
    assert outcome.startswith("runs 1.1.0 and was down for")
    assert wrong.startswith("there is no component 'wbe' | ")
    assert "did you mean" in wrong
    assert resumed == ""
    assert "web [1/" in listened
    assert names["result"].outcome is Outcome.DONE
    assert "web: updated 1.0.0 -> 1.1.0" in awaited
    assert "step exchange the live tree" in awaited
    assert status == "web 1.1.0 1.1.0 done\n"
