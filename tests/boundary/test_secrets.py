"""Secrets of a configuration: after all commands they are found only where the configuration put them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from tests.boundary.canary import MARKERS
from tests.boundary.ground import Ground, on_ground
from tests.boundary.scenes import APP, Scene, prepare
from tests.boundary.verbs import adopt, descendants, end_all, perform

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_root, pytest.mark.timeout(400)]

SECRETS: Final = {
    "service": "marker-of-service-55d1a0c9",
    "migration": "marker-of-migration-8f27bb60",
    "check": "marker-of-check-1c9ee2a4",
    "url": "marker-of-url-a41e07d3",
    "build": "marker-of-build-70a3d5f8",
    "token": MARKERS["the source's token"].decode(),
    "environment": MARKERS["the updater's environment"].decode(),
}
"""A value for each place where a secret can stand."""

SERVICE: Final[dict[str, Any]] = {
    "manager": "process",
    "command": ["sleep", "600"],
    "cwd": "{live}",
    "stop_timeout": 1.0,
    "env": {"API_KEY": SECRETS["service"], "DATABASE": f"postgres://shop:{SECRETS['url']}@127.0.0.1/shop"},
}
CHECK: Final = [{"type": "command", "argv": ["true", SECRETS["check"]], "timeout_seconds": 5}]
OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "python_app": {
        "service": SERVICE,
        "post_checks": CHECK,
        "migration": {"command": ["{python}", "migrate.py", SECRETS["migration"]], "timeout": 5},
    },
    "git": {
        "service": SERVICE,
        "post_checks": CHECK,
        "build": {"command": ["sh", "build.sh"], "products": ["dist"], "env": {"NPM_TOKEN": SECRETS["build"]}},
    },
}

ASKED: Final = (("status",), ("show",), ("history",), ("plan", APP), ("doctor",), ("check", "--force"))
"""Each is asked as text and as JSON."""

_GIT: Final = {f"the environment of root, {name}" for name in ("git", "git-remote-http", "git-remote-https")}

_SERVICE: Final = {"the environment of sleep", "the environment of python", "the environment of root, python"}

MEANT: Final = {
    "service": _SERVICE,
    "url": _SERVICE,
    "migration": {"the arguments of python", "the arguments of python3", "the arguments of python3.11"},
    "check": {"the arguments of true"},
    "build": {"the environment of sh", "the environment of cp", "the environment of mkdir"},
    "token": _GIT,
    "environment": _GIT,
}
"""The processes that each was configured for: what starts the service, and the git of root that fetches."""


@pytest.mark.parametrize("kind", OPTIONS)
def test_secrets_stay_where_they_were_put(kind: Any):
    """Neither outputs nor logs, staging, trees or processes have one; the journal may, for only root can read it."""

    def body(ground: Ground) -> None:
        adopt()
        scene = Scene(kind, "the user's parent", True, OPTIONS[kind])
        prepare(ground, scene)
        ground.restore(scene.name)
        said = []
        with seen_in_processes() as processes:
            for verb in ("update", "rollback"):
                said.append(perform(ground.private, (verb, APP)))
                assert said[-1].code == 0, said[-1]
            for words in ASKED:
                said += [perform(ground.private, words), perform(ground.private, (*words, "--json"))]
        end_all(ground.ours)
        told = [(name, " ".join(one.words)) for one in said for name, value in SECRETS.items() if value in one.all]
        assert told == []
        assert sorted(set(in_files(ground.host))) == []
        assert {(name, where) for name, where in processes if where not in MEANT[name]} == set()

    on_ground(body)


def test_secrets_of_a_maintainer(tmp_path: Path):
    """The password of a key, and a key itself, from the environment: neither is told to anybody, nor given to a child.

    Verbs that have and need them: keys are made, a release is built and signed; one with a wrong password says so.
    """
    (tmp_path / "update.yaml").write_text(
        "components: [{name: web, type: python_app, artifacts: [{path: app.tar.gz}]}]\n"
    )
    (tmp_path / "app.tar.gz").write_bytes(b"an archive")
    secrets = {"FSM_KEY_PASSWORD": SECRETS["service"], "FSM_ROOT_PASSWORD": SECRETS["check"]}
    wrong = {"FSM_KEY_PASSWORD": SECRETS["build"]}
    said = []

    def fsm(*words: str, **environ: str) -> None:
        argv = [sys.executable, "-m", "fsm", *words]
        done = subprocess.run(
            argv, cwd=tmp_path, env={**os.environ, **environ}, capture_output=True, text=True, timeout=180, check=False
        )
        said.append((words, done.returncode, done.stdout + done.stderr))

    where = ("--description", ".", "--output", "out", "--repository", "o/web")
    build = ("release", "build", *where, "--version", "1.0.0", "--sequence", "1")
    with seen_in_processes() as processes:
        fsm("keys", "new", "top", "--dir", ".", FSM_KEY_PASSWORD=SECRETS["check"])
        fsm("keys", "new", "ci", "--dir", ".", "--no-password", "--root", "top.key", **secrets)
        fsm(*build, FSM_SIGNING_KEY=(tmp_path / "ci.key").read_text(), **secrets)
        fsm(*build, "--key", "top.key", **wrong)
        fsm(*build, FSM_SIGNING_KEY=SECRETS["migration"], **secrets)
    assert [code for _, code, _ in said] == [0, 0, 0, 20, 20], said
    assert [(words, name) for words, _, text in said for name, value in SECRETS.items() if value in text] == []
    assert sorted(set(in_files(tmp_path))) == []
    assert {where for _, where in processes} <= {f"the environment of root, {Path(sys.executable).name}"}


def in_files(host: Path) -> Iterator[tuple[str, str]]:
    """The files below a directory that have one of them, but the journal, which nobody else may read."""
    for path in (path for path in host.rglob("*") if path.is_file() and not path.is_symlink()):
        text = path.read_bytes()
        found = [name for name, value in SECRETS.items() if value.encode() in text]
        if path.is_relative_to(host / "state") and path.name.startswith("journal.db"):
            assert path.stat().st_mode & 0o077 == 0 or (host / "state").stat().st_mode & 0o077 == 0
            found = [name for name in found if name in {"token", "environment"}]
        yield from ((name, str(path.relative_to(host))) for name in found)


@contextmanager
def seen_in_processes() -> Iterator[set[tuple[str, str]]]:
    """Look at the processes that come from this one, all the time; what they were given, by their names."""
    found: set[tuple[str, str]] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.002):
            for pid, uid in descendants().items():
                with suppress(OSError):
                    called = Path(f"/proc/{pid}/comm").read_text().strip()
                    for part, what in (("environ", "environment"), ("cmdline", "arguments")):
                        text = Path(f"/proc/{pid}/{part}").read_text(errors="replace")
                        where = f"the {what} of {'root, ' * (uid == 0)}{called}"
                        found.update((name, where) for name, secret in SECRETS.items() if secret in text)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def test_a_file_with_a_secret_is_found(tmp_path: Path):
    """The search itself: a core file that has one is noticed."""
    (tmp_path / "core").write_bytes(b"\0" + SECRETS["service"].encode() + b"\0")
    assert list(in_files(tmp_path)) == [("service", "core")]
