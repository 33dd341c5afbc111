"""What somebody puts where the updater reads: it waits for no pipe, reads no device, and shows no secret.

Every command runs in a process of its own, with a time limit: what hangs must not hang the tests.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from fsm.errors import SourceError
from fsm.sources.directory import _Folder
from tests import warm
from tests.app_fixture import AppFixture
from tests.git_fixture import GitFixture

ATTACKER: Final = 4242
SECRET: Final = "root:$y$j9T$secret:20000:0:99999:7:::"
Plant = Callable[[Path], None]


def fifo(path: Path) -> None:
    """A pipe that nobody writes to."""
    os.mkfifo(path)


def endless(path: Path) -> None:
    """A link to a device without an end."""
    path.symlink_to("/dev/zero")


def device(path: Path) -> None:
    """A device without an end."""
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


def huge(path: Path) -> None:
    """A file of a tebibyte that takes no room."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


def door(path: Path) -> None:
    """A socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        bound.bind(str(path))


PLANTS: Final = {
    "fifo": (fifo, "it is a fifo, not a regular file"),
    "endless": (endless, "it is a device, not a regular file"),
    "huge": (huge, "it is larger than 64 KiB"),
    "socket": (door, "it is a socket, not a regular file"),
}


def fsm(fixture: AppFixture, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, in a process that gets a minute and four gibibytes at most."""
    return warm.fsm("--config", _configured(fixture), *arguments, memory=4 << 30)


@contextmanager
def start(fixture: AppFixture, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The same, while it runs; it does not outlive the test."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*_command(fixture), *arguments], stdout=pipe, stderr=pipe, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def _command(fixture: AppFixture) -> list[str]:
    limited = ["bash", "-c", 'ulimit -v 4194304; exec "$@"', "bash"]
    return [*limited, sys.executable, "-m", "fsm", "--config", _configured(fixture)]


def _configured(fixture: AppFixture) -> str:
    config = fixture.root / "fsm.json.toml"
    config.write_text(_toml(fixture.config), encoding="utf-8")
    return str(config)


def _toml(table: dict[str, object]) -> str:
    """Tables as TOML; JSON's strings, numbers, booleans and arrays are TOML, too."""

    def lines(path: str, values: dict[str, object]) -> list[str]:
        plain = [f"{key} = {_value(value)}" for key, value in values.items()]
        return [f"[{path}]", *plain]

    found: list[str] = []
    for name, values in table.items():
        assert isinstance(values, dict)
        if name == "components":
            for component, keys in values.items():
                found += lines(f"components.{component}", keys)
        else:
            found += lines(name, values)
    return "\n".join(found) + "\n"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)


@pytest.fixture
def app(tmp_path: Path) -> AppFixture:
    """An app that is installed and not running, and a release of it."""
    fixture = AppFixture(tmp_path, service={"manager": "none"}, post_checks=[])
    fixture.install("1.0.0")
    fixture.publish("1.1.0")
    return fixture


@pytest.mark.parametrize("kind", PLANTS)
def test_status_check_and_doctor_go_on(app: AppFixture, kind: str):
    """Whatever `VERSION` is: they end, and say in one line what it is."""
    plant, why = PLANTS[kind]
    (app.live / "VERSION").unlink()
    plant(app.live / "VERSION")
    for command in ("check", "status", "status", "doctor"):  # the second status comes from what the first one kept
        done = fsm(app, command)
        said = done.stdout + done.stderr
        assert "Traceback" not in said
        assert why in said or command == "check", f"{command}: {said}"


@pytest.mark.parametrize("kind", sorted(PLANTS.keys() - {"huge"}))
def test_update_goes_on(app: AppFixture, kind: str):
    """An update installs over it: what is installed is unknown, and said to be."""
    plant, _ = PLANTS[kind]
    (app.live / "VERSION").unlink()
    plant(app.live / "VERSION")
    done = fsm(app, "update", "app")
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert done.returncode == 0, said
    assert (app.live / "VERSION").is_file(), said
    assert app.version() == "1.1.0"


def test_update_can_be_stopped_while_it_reads(app: AppFixture):
    """A tebibyte in the tree is read for the list of it, as long as nobody minds."""
    huge(app.live / "blob")
    with start(app, "update", "app") as running:
        assert running.stderr is not None
        while "list the live tree" not in (line := running.stderr.readline()):
            assert line, "the update ended"
        running.terminate()
        assert running.wait(60) != 0


@pytest.mark.needs_root
def test_no_device_is_read(app: AppFixture):
    """A device in the place of the version file."""
    (app.live / "VERSION").unlink()
    device(app.live / "VERSION")
    assert "it is a device, not a regular file" in fsm(app, "status").stdout


@pytest.mark.needs_root
@pytest.mark.parametrize("how", ["link", "chain", "moved", "hard"])
def test_no_secret_is_shown(app: AppFixture, tmp_path: Path, how: str):
    """Whose tree it is cannot have root read for him what he may not read himself."""
    os.chown(tmp_path, 0, 0)
    tmp_path.chmod(0o755)
    os.chown(app.live, ATTACKER, ATTACKER)
    version = app.live / "VERSION"
    version.unlink()
    secret = tmp_path / "shadow"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    if how == "link":
        version.symlink_to(secret)
        os.chown(version, ATTACKER, ATTACKER, follow_symlinks=False)
    elif how == "chain":
        (app.live / "here").symlink_to("..")
        version.symlink_to("here/shadow")
    elif how == "moved":
        secret.rename(version)
    else:
        os.link(secret, version)
    for command in ("status", "status", "check", "doctor"):
        done = fsm(app, command)
        assert SECRET[:12] not in done.stdout + done.stderr
    assert "cannot read" in fsm(app, "status").stdout


@pytest.mark.needs_root
def test_a_directory_on_the_way_is_no_way_out(app: AppFixture, tmp_path: Path):
    """The directory that the version file lies in is exchanged for a link."""
    app = AppFixture(tmp_path / "two", service={"manager": "none"}, post_checks=[], version={"file": "etc/VERSION"})
    app.install("1.0.0")
    os.chown(app.live, ATTACKER, ATTACKER)
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "private/VERSION").write_text(SECRET)
    (app.live / "etc").symlink_to(tmp_path / "private")
    done = fsm(app, "status")
    assert SECRET[:12] not in done.stdout + done.stderr
    said = done.stdout
    assert "etc is a link" in said or "Permission denied" in said  # the user may follow it, and read nothing there


@pytest.mark.needs_root
def test_what_root_does_not_read_its_user_is_asked_for(app: AppFixture):
    """The quick answer of status follows no link of somebody else's, and leaves it to a process of his."""
    os.chown(app.live, ATTACKER, ATTACKER)
    for command in ("check", "status"):
        subprocess.run([*_command(app), command], stdout=subprocess.DEVNULL, check=True, timeout=60)
    assert quickly(app) == "1.0.0"
    (app.live / "VERSION").rename(app.live / "current")
    (app.live / "VERSION").symlink_to("current")
    assert quickly(app) is None
    os.chown(app.live, 0, 0)
    assert quickly(app) == "1.0.0"


def quickly(fixture: AppFixture) -> str | None:
    """The installed version of the quick answer; None if there is none. By the Python that wrote what it reads."""
    code = "import json, pathlib, sys; from fsm.host import quick_status; " + (
        "print(json.dumps(quick_status.read(pathlib.Path(sys.argv[1]))))"
    )
    argv = [sys.executable, "-c", code, str(fixture.root / "fsm.json.toml")]
    known = json.loads(subprocess.check_output(argv, text=True, timeout=60))
    return None if known is None else known[0]["installed"]


@pytest.mark.needs_root
@pytest.mark.parametrize("command", ["status", "check", "plan", "update", "doctor", "rollback"])
def test_a_tree_that_its_owner_cannot_reach(passable: Path, command: str):
    """Its directory is closed to him: that is a matter of rights, with a remedy, and no bug."""
    fixture = AppFixture(passable / "closed")
    fixture.install("1.0.0")
    fixture.publish("1.1.0")
    for path in (fixture.live, *fixture.live.rglob("*")):
        os.lchown(path, ATTACKER, ATTACKER)
    (passable / "closed").chmod(0o700)
    done = fsm(fixture, command)
    assert done.returncode == {"status": 0, "check": 0, "doctor": 40}.get(command, 20), done
    assert f"cannot look at app as the user {ATTACKER}: " in done.stdout
    assert "Permission denied" in done.stdout


@pytest.mark.needs_root
def test_a_source_in_somebody_elses_tree_leads_nowhere(passable: Path):
    """A link there to a directory of root's: its releases are not read for whoever made the link."""
    secret = AppFixture(passable / "secret")
    secret.publish("1.1.0")
    (passable / "secret").chmod(0o700)
    fixture = AppFixture(passable)
    fixture.install("1.0.0")
    (passable / "theirs").mkdir()
    os.chown(passable / "theirs", ATTACKER, ATTACKER)
    fixture.releases = passable / "theirs/releases"
    fixture.releases.symlink_to(secret.releases)
    done = fsm(fixture, "update")
    assert done.returncode == 20, done
    assert "is a link, and root follows none where others may have put it" in done.stdout + done.stderr
    assert (fixture.live / "VERSION").read_text() == "1.0.0\n"


@pytest.fixture
def neighbours(passable: Path) -> AppFixture:
    """A host with an app of the attacker's; in ``victim``, 0700, an app and a version of another user's."""
    fixture = AppFixture(passable)
    theirs, victim = passable / "theirs", passable / "victim"
    for place, uid in ((theirs / "site", ATTACKER), (victim, ATTACKER + 1)):
        place.mkdir(parents=True)
        fixture.live = place / "app"
        fixture.install("1.0.0")
        for path in (place, *place.rglob("*")):
            os.lchown(path, uid, uid)
    os.chown(theirs, ATTACKER, ATTACKER)
    (victim / "app/VERSION").write_text("6.6.6\n")
    victim.chmod(0o700)
    fixture.live = theirs / "site/app"
    fixture.publish("1.1.0")
    return fixture


@pytest.mark.needs_root
@pytest.mark.parametrize("command", ["status", "update", "doctor", "rollback"])
def test_nobody_has_anything_done_as_somebody_else(neighbours: AppFixture, passable: Path, command: str):
    """By a link on the way to the own tree, which leads to a tree of another user's."""
    (passable / "theirs/site").rename(passable / "theirs/away")
    (passable / "theirs/site").symlink_to(passable / "victim")
    before = sorted(passable.joinpath("victim").rglob("*"))
    done = fsm(neighbours, command)
    assert done.returncode in (0, 20, 40), done
    assert "6.6.6" not in done.stdout + done.stderr
    assert sorted(passable.joinpath("victim").rglob("*")) == before
    assert (passable / "victim/app/VERSION").read_text() == "6.6.6\n"


@pytest.mark.needs_root
@pytest.mark.parametrize("command", ["status", "update", "doctor"])
def test_who_could_lead_a_user_elsewhere_is_named(neighbours: AppFixture, passable: Path, command: str):
    """A directory above the tree that a group may write: its members could put a link of theirs there."""
    site = passable / "theirs/site"
    os.chown(passable / "theirs", 0, 0)
    os.chown(site, 0, ATTACKER)
    site.chmod(0o2775)
    done = fsm(neighbours, command)
    assert done.returncode == {"status": 0, "doctor": 40}.get(command, 20), done
    assert f"user {ATTACKER} acts on {site}/app, and group {ATTACKER} may write to {site}" in done.stdout


def test_links_of_ones_own_are_followed(app: AppFixture, tmp_path: Path):
    """On a host of one user, an app whose version file is a link is as it was."""
    (app.live / "VERSION").rename(tmp_path / "elsewhere")
    (app.live / "VERSION").symlink_to("../elsewhere")
    assert "1.0.0" in fsm(app, "status").stdout


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (".git", "is not a repository: it is a fifo, not a regular file"),
        (".git/HEAD", "is not a repository: HEAD or objects are missing"),
        (".git/commondir", "is not a repository: HEAD or objects are missing"),
    ],
)
def test_a_checkout_with_a_pipe(tmp_path: Path, name: str, why: str):
    """`.git` and what leads from it to the repository are read without waiting."""
    fixture = GitFixture(tmp_path, service={"manager": "none"}, post_checks=[])
    fixture.publish("1.0.0")
    fixture.install("1.0.0")
    path = fixture.live / name
    if path.is_dir():
        path.rename(tmp_path / "moved")
    else:
        path.unlink(missing_ok=True)
    os.mkfifo(path)
    for command in ("status", "check", "doctor", "update"):
        done = fsm(fixture, command)
        said = done.stdout + done.stderr
        assert why in said, f"{command}: {said}"
        assert "Traceback" not in said
    assert done.returncode != 0


@pytest.mark.needs_linux
@pytest.mark.parametrize("what", ["1.0.0", "1.0.0/app.tar.gz"])
def test_a_directory_source_reads_nothing_by_a_link(tmp_path: Path, what: str):
    """Somebody exchanges a file, or its folder, for a link and back while it is read, as fast as he can."""
    depot, outside = tmp_path / "depot", tmp_path / "outside"
    for place, text in ((depot / "1.0.0", "the release"), (outside, SECRET)):
        place.mkdir(parents=True)
        (place / "app.tar.gz").write_text(text)
    live, other = depot / what, tmp_path / "other"
    other.symlink_to(outside if live.is_dir() else outside / "app.tar.gz")
    folder = _Folder(depot, "1.0.0")
    got: dict[bytes | None, int] = {}
    with exchanging(live, other):
        for _ in range(5000):
            try:
                read = folder.read("app.tar.gz")
            except SourceError as error:
                read = error.why.rpartition(" ")[2].encode()
            got[read] = got.get(read, 0) + 1
    # A folder that is exchanged in the middle is none, and so is the file in it.
    assert {b"the release", b"link"} <= got.keys() <= {b"the release", b"link", None}, got


@contextmanager
def exchanging(one: Path, other: Path) -> Iterator[None]:
    """Another process exchanges two names, without a pause."""
    code = (
        "import os, sys; from fsm.system.files import native\n"
        "one, other = map(os.fsencode, sys.argv[1:])\n"
        "print('begun', flush=True)\n"
        "while True: native.exchange_names(one, other)"
    )
    argv = [sys.executable, "-c", code, str(one), str(other)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as attacker:
        assert attacker.stdout is not None
        assert attacker.stdout.readline() == "begun\n"
        try:
            yield
        finally:
            attacker.kill()
