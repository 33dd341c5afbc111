"""A host with a configuration file, and the command line in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fsm.cli.run import run
from tests import warm
from tests.app_fixture import AppFixture

NO_SERVICE = {"manager": "none"}
FAILS = {"type": "command", "argv": ["/bin/false"]}
"""A check that fails whatever the release is."""


class Ended(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def results(self) -> list[dict[str, Any]]:
        """The results that it printed as JSON."""
        document = json.loads(self.out)
        assert document.keys() == {"schema", "results"}
        assert document["schema"] == 1
        found: list[dict[str, Any]] = document["results"]
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The error that it printed as JSON."""
        document = json.loads(self.out)
        assert document.keys() == {"schema", "error"}
        found: dict[str, Any] = document["error"]
        return found


class Line:
    """The command line of one host.

    Args:
        app_fixture: the host; without a service, so that tests are quick.
    """

    def __init__(self, app_fixture: AppFixture, capsys: pytest.CaptureFixture[str]) -> None:
        self.app_fixture = app_fixture
        self.path = app_fixture.root / "fsm.toml"
        self._capsys = capsys
        self.configure()

    def configure(self, **components: dict[str, Any]) -> None:
        """Write `fsm.toml`: the fixture's own component, and further ones."""
        data = self.app_fixture.config
        data["components"] |= components
        self.path.write_text(toml(data), encoding="utf-8")

    def another(self, name: str, **keys: Any) -> dict[str, Any]:
        """The table of a further component with the fixture's releases."""
        table = {
            **self.app_fixture.config["components"]["app"],
            "install_path": str(self.app_fixture.root / "apps" / name),
        }
        (self.app_fixture.root / "apps").mkdir(exist_ok=True)
        return {**table, **keys}

    def __call__(self, *args: str) -> Ended:
        """Run a command with this host's configuration."""
        self._capsys.readouterr()
        code = run(["--config", str(self.path), *args])
        return Ended(code, *self._capsys.readouterr())

    def bare(self, *args: str) -> Ended:
        """Run without naming a configuration."""
        self._capsys.readouterr()
        code = run(args)
        return Ended(code, *self._capsys.readouterr())


def toml(data: Mapping[str, Any], head: str = "") -> str:
    """A TOML document with these values."""
    tables = {key: value for key, value in data.items() if isinstance(value, Mapping)}
    lines = [f"{key} = {_value(value)}" for key, value in data.items() if key not in tables and value is not None]
    text = (f"[{head}]\n" if head else "") + "\n".join([*lines, ""])
    return text + "".join(toml(value, f"{head}.{key}".strip(".")) for key, value in tables.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return json.dumps(value)


def interrupted(line: Line, at: str = "unpack") -> None:
    """Kill an update at a step, as a power cut would."""
    script = (
        "import os, signal\nfrom fsm.updater import Updater\nfrom pathlib import Path\n"
        "def kill(event):\n"
        f"    if event.kind == 'step' and event.step == {at!r}: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Updater.from_config(Path({str(line.path)!r}), observers=[kill]).update('app')\n"
    )
    assert warm.python(script).returncode == -9


def sql(line: Line, sql: str) -> None:
    """Do something to the journal that nobody should."""
    script = f"import apsw, sys; apsw.Connection({str(line.app_fixture.state / 'journal.db')!r}).execute(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, sql], check=True, timeout=60)


def damage(journal: Path) -> None:
    """The write-ahead log would mend the file again."""
    journal.with_name("journal.db-wal").unlink(missing_ok=True)
    journal.write_bytes(b"no database" * 500)


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Line]:
    """A host with one app without a service; nothing is installed or published yet."""
    with AppFixture(tmp_path / "host", service=NO_SERVICE, post_checks=[], settle_seconds=0) as app_fixture:
        yield Line(app_fixture, capsys)


@pytest.fixture
def updated(line: Line) -> Line:
    """The same with 1.0.0 installed and 1.1.0 published."""
    line.app_fixture.install("1.0.0")
    line.app_fixture.publish("1.0.0")
    folder = line.app_fixture.publish("1.1.0").parent
    (folder / "release.json").write_text('{"notes": "Answers faster."}')
    return line
