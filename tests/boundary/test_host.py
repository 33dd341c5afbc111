"""What the updater itself must be able to trust: no other user of the host can hold it up, read it or replace it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from fsm.engine.journal import Journal
from fsm.engine.locks import ComponentLock
from fsm.errors import ConfigError, Refused
from fsm.host.boot.installing import Installer
from fsm.host.config import load
from fsm.services.base import environment
from fsm.sources import open_source
from fsm.sources.specs import HttpSpec
from fsm.system.private import state
from fsm.system.shell import Shell, ask
from tests.app_fixture import AppFixture
from tests.config_file import toml

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_root]

ATTACKER: Final = 4242

HOLD: Final = """
import fcntl, os, sys
held = 0
for place, _, names in os.walk(sys.argv[1]):
    for name in names:
        path = os.path.join(place, name)
        for flags in (os.O_RDWR, os.O_RDONLY):
            try:
                descriptor = os.open(path, flags | os.O_NONBLOCK)
            except OSError:
                continue
            held += 1
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_SH)
            except OSError:
                pass
print(held, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of root's that every user may look into."""
    with tempfile.TemporaryDirectory(prefix="fsm-host-") as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


@pytest.fixture
def wide_mask() -> Iterator[None]:
    """The most careless mask that root's shell can have."""
    before = os.umask(0)
    yield
    os.umask(before)


def as_attacker(work: Callable[[], object]) -> str:
    """What a piece of work says, or the error that it ends with, in a process of another user."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - the child says what it found, and ends
        try:
            os.setgroups([])
            os.setgid(ATTACKER)
            os.setuid(ATTACKER)
            said = str(work())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def test_no_lock_can_be_held_by_another_user(place: Path, wide_mask: None):
    """Whoever can open a lock, or the journal's shared memory, can stop every update for as long as he likes."""
    app = AppFixture(place)
    try:
        app.install("1.0.0")
        app.start()
        app.publish("1.1.0")
        assert app.updater().status()[0].installed is not None
        with subprocess.Popen(
            ["/usr/bin/env", "python3", "-I", "-c", HOLD, str(app.state)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            user=ATTACKER,
            group=ATTACKER,
            extra_groups=[],
            text=True,
        ) as attacker:
            assert attacker.stdout is not None
            assert attacker.stdout.readline() == "0\n"
            for path in (app.live, *app.live.rglob("*")):
                path.chmod(0o755)  # what everybody may write is refused for another reason
            result = app.updater().update("app")
            assert result.outcome == "done", result.reason
            attacker.communicate()
        found = {path: path.lstat() for path in [app.state, *app.state.rglob("*")]}
        assert [path for path, status in found.items() if status.st_uid != 0 or status.st_mode & 0o077] == []
    finally:
        app.stop()


def test_what_was_wide_is_narrowed(place: Path, wide_mask: None):
    """By whoever it belongs to; a former version may have made it."""
    with ComponentLock(place / "state", "app"), Journal(place / "state/journal.db") as journal:
        journal.begin("app", "t")
    for path in [place / "state", *(place / "state").rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    with ComponentLock(place / "state", "app"), Journal(place / "state/journal.db") as journal:
        assert len(journal.runs()) == 1
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (place / "state").rglob("*")}
    assert {name for name, mode in modes.items() if mode & 0o077} == set(), modes
    assert stat.S_IMODE((place / "state").stat().st_mode) == 0o700


def test_a_directory_with_other_files_stays_open_to_those_who_use_them(place: Path):
    """A state directory that is an app's as well: ours is closed, file by file, and the app's is let be."""
    (place / "app").mkdir(mode=0o755)
    (place / "app/page.html").write_text("hello")
    with ComponentLock(place / "app", "app"), Journal(place / "app/journal.db"):
        assert stat.S_IMODE((place / "app").stat().st_mode) == 0o755
        for name in ("journal.db", "journal.db-shm", "journal.db-wal", "locks"):
            assert not (place / "app" / name).stat().st_mode & 0o077, name


@pytest.mark.parametrize(
    ("chown", "mode", "why"),
    [
        ("home", 0o755, "home belongs to user 4242"),
        ("home/state", 0o700, "state belongs to user 4242"),
        (None, 0o777, "every user may write to"),
        (None, 0o775, "group 4242 may write to"),
    ],
)
def test_a_state_that_somebody_else_can_exchange_is_refused(place: Path, chown: str | None, mode: int, why: str):
    """Its journal would be his, and with it the steps that root does."""
    (place / "home").mkdir()
    (place / "home/state").mkdir()
    os.chown(place / "home", 0, ATTACKER)
    (place / "home").chmod(mode)
    if chown:
        os.chown(place / chown, ATTACKER, ATTACKER)
    for work in (
        lambda: ComponentLock(place / "home/state", "app").__enter__(),
        lambda: Journal(place / "home/state/journal.db"),
        lambda: Journal(place / "home/state/journal.db", readonly=True),
    ):
        with pytest.raises(Refused, match=why) as caught:
            work()
        assert "set state_dir" in caught.value.todo
    assert list((place / "home/state").iterdir()) == []


def test_a_link_of_somebody_else_leads_nowhere(place: Path):
    """In a directory like /tmp everybody can make one."""
    (place / "tmp").mkdir()
    (place / "tmp").chmod(0o1777)
    (place / "state").mkdir()
    (place / "tmp/state").symlink_to(place / "state")
    state(place / "tmp/state")
    os.chown(place / "tmp/state", ATTACKER, ATTACKER, follow_symlinks=False)
    with pytest.raises(Refused, match="state belongs to user 4242"):
        state(place / "tmp/state")
    with pytest.raises(Refused, match="others may write to"):
        state(place / "tmp")


def test_what_was_planted_while_it_was_open_is_found(place: Path):
    """To narrow a directory is not enough when somebody was in it before."""
    (place / "state").mkdir()
    (place / "state").chmod(0o777)
    (place / "state/locks").mkdir()
    os.chown(place / "state/locks", ATTACKER, ATTACKER)
    with pytest.raises(Refused, match="locks belongs to user 4242"):
        ComponentLock(place / "state", "app").__enter__()


def test_a_user_without_rights_is_told_who_has_them(place: Path):
    """One line, and nothing of what is in there."""
    app = AppFixture(place)
    try:
        (place / "fsm.toml").write_text(toml(app.config))
        app.install("1.0.0")
        app.start()
        app.publish("1.1.0")
        assert app.updater().update("app").outcome == "done"
    finally:
        app.stop()

    def ask() -> str:
        from fsm.updater import Updater

        return str(Updater.from_config(place / "fsm.toml").status())

    said = as_attacker(ask)
    assert said == (
        f"Refused: cannot tell the state of this host: {place}/state belongs to root,"
        " and nobody else may read it; use sudo"
    )
    assert "1.1.0" not in said


def test_what_root_reads_quickly_is_looked_at_as_well(place: Path):
    """`fsm status` keeps a cache in the state directory: not one that others could write."""
    from fsm.host import quick_status

    (place / "state").mkdir()
    (place / "fsm.toml").write_text('[fsm]\nstate_dir = "state"\n')
    (place / "state" / quick_status.NAME).write_text("{}")
    os.chown(place / "state", ATTACKER, ATTACKER)
    assert quick_status.read(place / "fsm.toml") is None
    done = subprocess.run(
        [sys.executable, "-m", "fsm", "--config", str(place / "fsm.toml"), "status"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 20, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert f"`chown root {place}/state`" in done.stderr


@pytest.fixture
def foreign(place: Path) -> Path:
    """A directory that another user may write."""
    (place / "home").mkdir()
    os.chown(place / "home", ATTACKER, ATTACKER)
    return place / "home"


def fsm(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as root."""
    argv = [sys.executable, "-P", "-m", "fsm", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


@pytest.mark.parametrize("command", ["status", "check", "resume", "plan", "update", "history"])
def test_a_configuration_of_somebody_else_is_not_believed(foreign: Path, command: str):
    """Root in another user's directory: what lies there is not what root has configured."""
    (foreign / "fsm.toml").write_text('[fsm]\nstate_dir = "/var/lib/nowhere"\n')
    said = []
    for words, owner in (((), 0), (("--config", foreign / "fsm.toml"), 0), ((), ATTACKER)):
        os.chown(foreign / "fsm.toml", owner, owner)
        done = fsm(*words, command, cwd=foreign)
        said.append(done.stderr)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
    assert f"cannot use the configuration {foreign}/fsm.toml: {foreign} belongs to user 4242" in said[0]
    assert f"`chown root {foreign}`, or name another one with --config" in said[0]
    assert not Path("/var/lib/nowhere").exists()


def test_a_configuration_that_leads_elsewhere_is_looked_at_where_it_is(place: Path, foreign: Path):
    """A link of root's counts as what it leads to."""
    (foreign / "real.toml").write_text("")
    (place / "fsm.toml").symlink_to(foreign / "real.toml")
    with pytest.raises(ConfigError, match="home belongs to user 4242"):
        load(place / "fsm.toml")
    os.chown(foreign, 0, 0)
    assert not load(place / "fsm.toml").components


@pytest.mark.parametrize("key", ["token_file", "ca_file"])
def test_what_a_source_believes_is_not_somebody_elses(key: str, place: Path, foreign: Path):
    """A token, and the authorities that say which server is the right one."""
    (foreign / "secret").write_text("abc")
    spec = HttpSpec.model_validate_json(
        json.dumps({"type": "http", "url": "https://127.0.0.1:9/", key: str(foreign / "secret")})
    )
    with pytest.raises(ConfigError, match="home belongs to user 4242"):
        open_source(spec, component="app").releases(None)


def test_no_child_inherits_a_secret_that_is_not_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What the configuration names as a token is for the source: no service, command or question gets it."""
    monkeypatch.setenv("SHOP_TOKEN", "s3cret-token")
    monkeypatch.setenv("FSM_SIGNING_KEY", "s3cret-key")
    monkeypatch.setenv("HARMLESS", "yes")
    HttpSpec.model_validate_json('{"type": "http", "url": "https://127.0.0.1:9/", "token_env": "SHOP_TOKEN"}')
    shell = Shell(marker="test", record=lambda child: None, poll=lambda: None, output=tmp_path / "out.log")
    said = [shell.run(["/usr/bin/env"], timeout=10).tail, ask(["/usr/bin/env"], timeout=10).out.decode()]
    said.append("\n".join(f"{name}={value}" for name, value in environment({}).items()))
    for text in said:
        assert "HARMLESS=yes" in text
        assert "s3cret" not in text
    assert "s3cret-own" in shell.run(["/usr/bin/env"], env={"SHOP_TOKEN": "s3cret-own"}, timeout=10).tail


def test_python_imports_nothing_from_where_it_is_started(place: Path):
    """What lies in the working directory, or in a user's home, is not the updater's."""
    (place / "click.py").write_text("raise SystemExit('planted')")
    (place / "fsm.toml").write_text("")
    installer = Installer(load(place / "fsm.toml"), user=False, directory=place)
    (start,) = [line for line in installer.texts["fsm-resume.service"].splitlines() if line.startswith("ExecStart=")]
    argv = start.removeprefix("ExecStart=").split()
    assert argv[-3] == "resume"
    done = subprocess.run([*argv[:-3], "--help"], cwd=place, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


MARKERS: Final = ("s3cret-in-env", "s3cret-argument", "s3cret-in-url")


def test_no_secret_of_a_configuration_is_shown(place: Path):
    """The configuration is 0600, and so is the journal; what is printed, logged and reported has no secret of it."""
    script = (
        f"print('{MARKERS[1][:3]}' + '{MARKERS[1][3:]}', '{MARKERS[2][:3]}' + '{MARKERS[2][3:]}'); raise SystemExit(3)"
    )
    argv = [sys.executable, "-c", script, "--password", MARKERS[1], f"https://me:{MARKERS[2]}@127.0.0.1/"]
    check = {"type": "command", "argv": argv, "timeout_seconds": 20}
    app = AppFixture(place, service={"env": {"SHOP_PASSWORD": MARKERS[0]}}, post_checks=[check])
    (place / "fsm.toml").write_text(toml(app.config))
    (place / "fsm.toml").chmod(0o600)
    said = []
    try:
        app.install("1.0.0")
        app.start()
        app.publish("1.1.0")
        plain = (["plan", "app"], ["update", "app"], ["status"], ["history"], ["show", "1"])
        for words in (*plain, *([*words, "--json"] for words in plain if words[0] != "update")):
            done = fsm("--config", place / "fsm.toml", *words)
            said.append(done.stdout + done.stderr)
            assert done.returncode in (0, 20, 30), said[-1]
    finally:
        app.stop()
    assert "rolled back" in said[1], said[1]
    said.append((app.state / "logs/app.log").read_text())
    assert "***" in said[-1]
    for text in said:
        assert [marker for marker in MARKERS if marker in text] == [], text
    with Journal(app.state / "journal.db") as journal:
        assert all(marker in str(journal.plan(1)) for marker in MARKERS), "a resume needs them"
        assert not any(marker in str(row.data) for marker in MARKERS for row in journal.log(1))
