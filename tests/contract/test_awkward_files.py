"""Files that make an update of a Python app hard: what users keep, what releases bring in their place, odd trees."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fsm.engine.report import Outcome
from fsm.system import files, inventory
from tests.app_fixture import AppFixture, pack
from tests.contract.hosts import installed


@pytest.fixture(params=["exchange", "copy"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees that change places by one rename, and trees that cannot be renamed."""
    if request.param == "copy":
        monkeypatch.setattr(files, "why_not_renamable", lambda path: f"{path} is a mount point, as far as this goes")


@pytest.mark.usefixtures("way")
def test_files_of_one_size_and_time_are_not_taken_for_equal(root):
    """Reproducible builds give every file of every release the same time."""
    app_fixture = installed(root)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    app_fixture.publish("1.3.0", "BROKEN")
    before = inventory.take(app_fixture.live)
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert app_fixture.answer() == "1.2.0"
    assert (app_fixture.live / "lib/names.txt").read_text() == "names of 1.2.0\n"
    assert not before.compare(inventory.take(app_fixture.live))


@pytest.mark.usefixtures("way")
def test_a_release_does_not_win_over_a_preserved_file(root):
    """Whatever it brings in that place, of whatever kind, size and time."""
    app_fixture = installed(root, release=False)
    app_fixture.publish("1.1.0", extra={"config/a.local": b"one\n"})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    extra = {
        "config/a.local": b"two\n",
        ".env/is": b"a directory now\n",
        "data": b"a file now\n",
    }
    app_fixture.publish("1.2.0", extra=extra)
    before = {name: (app_fixture.live / name).read_bytes() for name in ("config/a.local", ".env", "data/log")}
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert {name: (app_fixture.live / name).read_bytes() for name in before} == before
    assert any(".env" in note for note in result.notes)
    assert any("data" in note for note in result.notes)
    assert app_fixture.updater().rollback("app").outcome is Outcome.DONE
    assert {name: (app_fixture.live / name).read_bytes() for name in before} == before


@pytest.mark.usefixtures("way")
def test_a_preserved_directory_may_be_a_link_to_another_disk(root):
    """`data/` means what stands there for the directory; without it the new version would begin with no data."""
    app_fixture = installed(root, release=False)
    (app_fixture.live / "data").rename(root / "disk")
    (app_fixture.live / "data").symlink_to("../disk")
    app_fixture.publish("1.1.0", extra={"data/of-the-release": b""})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert os.readlink(app_fixture.live / "data") == "../disk"
    assert (app_fixture.live / "data/log").exists()
    assert "data" not in ", ".join(note.partition("/tree: ")[2] for note in result.notes).split(", ")


@pytest.mark.usefixtures("way")
def test_sockets_and_pipes_of_the_app_are_no_reason_to_refuse(root):
    """They are of no use without the process that made them: left out, and said so."""
    app_fixture = installed(root)
    os.mkfifo(app_fixture.live / "data/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        with inside(app_fixture.live / "data"):
            server.bind("app.sock")
        result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert any("app.sock" in note for note in result.notes)
    assert (app_fixture.live / "data/log").exists()


@pytest.mark.usefixtures("way")
def test_names_that_are_no_text_are_kept(root):
    """A file name is bytes on Linux, also that of a preserved file and of one that nobody accounts for."""
    app_fixture = installed(root)
    odd, local = os.fsdecode(b"data/caf\xe9"), os.fsdecode(b"lib/caf\xe9")
    (app_fixture.live / odd).write_text("coffee")
    (app_fixture.live / local).write_text("more coffee")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (app_fixture.live / odd).read_text() == "coffee"
    assert [path.read_text() for path in app_fixture.work.rglob(os.path.basename(local)) if path.parent.name == "lib"]
    result.model_dump_json()
    assert app_fixture.updater().rollback("app").outcome is Outcome.DONE
    assert (app_fixture.live / local).read_text() == "more coffee"


@pytest.mark.usefixtures("way")
def test_an_app_that_never_rests_is_updated(root):
    """Files come and go in its data while they are backed up and copied, until it is stopped."""
    app_fixture = AppFixture(root, backup="archive", backup_dir=str(root / "kept"))
    app_fixture.install("1.0.0", "RESTLESS")
    app_fixture.furnish()
    app_fixture.start()
    for version in ("1.1.0", "1.2.0", "1.3.0"):
        app_fixture.publish(version, "RESTLESS")
        result = app_fixture.updater().update("app")
        assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.answer() == "1.3.0"


@contextmanager
def inside(directory: Path) -> Iterator[None]:
    """Work in a directory: the path of a Unix socket has at most 107 bytes."""
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.mark.needs_tmpfs
def test_a_parent_that_cannot_be_written_is_refused(root):
    """The new version is unpacked beside the old one, so it is said before anything is stopped."""
    app_fixture = installed(root)
    subprocess.run(["mount", "--bind", str(root), str(root)], check=True)
    try:
        for place in (app_fixture.state, app_fixture.live):
            subprocess.run(["mount", "--bind", str(place), str(place)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(root)], check=True)
        result = app_fixture.updater().update("app")
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", str(root)], check=True)
    assert result.outcome is Outcome.REFUSED, result
    assert "not writable" in result.reason
    assert app_fixture.answer() == "1.0.0"


@contextmanager
def mounted(source: Path, point: Path, *options: str) -> Iterator[None]:
    """Mount one directory, or file, on another one, wherever that is moved to meanwhile."""
    subprocess.run(["mount", "--bind", str(source), str(point)], check=True)
    try:
        if options:
            subprocess.run(["mount", "-o", ",".join(("remount", "bind", *options)), str(point)], check=True)
        yield
    finally:
        for left in files.mounts_within(Path("/")):
            if str(left).startswith(str(source.parent)):
                subprocess.run(["umount", "--lazy", str(left)], check=True)


@pytest.mark.needs_tmpfs
@pytest.mark.parametrize("traits", [(), ("BROKEN",), ("WRITES",)])
def test_what_is_mounted_inside_of_the_tree_stays_mounted_there(root, traits):
    """An exchange would take it along into the backup, and the app would go on with a copy until the next boot."""
    app_fixture = installed(root, release=False)
    app_fixture.publish("1.1.0", *traits)
    disk = root / "disk"
    (app_fixture.live / "data").rename(disk)
    (app_fixture.live / "data").mkdir()
    with mounted(disk, app_fixture.live / "data"):
        before = inventory.take(disk)
        result = app_fixture.updater().update("app")
        assert result.outcome is (Outcome.ROLLED_BACK if "BROKEN" in traits else Outcome.DONE), result.headline
        assert files.mounts_within(app_fixture.live) == (app_fixture.live / "data",)
        assert app_fixture.answer() == app_fixture.version() == ("1.0.0" if "BROKEN" in traits else "1.1.0")
        assert bool(before.compare(inventory.take(disk))) == ("WRITES" in traits)
        if result.outcome is Outcome.DONE:
            assert app_fixture.updater().rollback("app", data="restore").outcome is Outcome.DONE
            assert files.mounts_within(app_fixture.live) == (app_fixture.live / "data",)
            assert not before.compare(inventory.take(disk))
        app_fixture.kill()


@pytest.mark.needs_tmpfs
@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("lib", (), "that `preserve` does not name; name it in preserve"),
        ("data", ("ro",), "that cannot be written"),
        (".env", (), "that is a file"),
    ],
)
def test_what_cannot_stay_mounted_inside_of_the_tree_is_refused(root, name, options, why):
    """Said before anything is stopped: half way through, it would fail, and the way back as well."""
    app_fixture = installed(root)
    with mounted(app_fixture.live / name, app_fixture.live / name, *options):
        result = app_fixture.updater().update("app")
        assert result.outcome is Outcome.REFUSED, result
        assert (
            f"{app_fixture.live / name} is a mount point inside of the app {why}" in f"{result.reason}; {result.todo}"
        )
        assert app_fixture.answer() == "1.0.0"
        app_fixture.kill()


@pytest.mark.needs_tmpfs
def test_a_tree_that_nobody_may_write_is_refused(root):
    """One that is mounted read-only (or immutable) can be neither renamed nor copied over, and so not go back."""
    app_fixture = installed(root)
    with mounted(app_fixture.live, app_fixture.live, "ro"):
        result = app_fixture.updater().update("app")
        assert result.outcome is Outcome.REFUSED, result
        assert f"{app_fixture.live} can neither be renamed nor written" in result.reason
        assert app_fixture.answer() == "1.0.0"
        app_fixture.kill()


@pytest.mark.needs_root
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
def test_directories_stay_those_of_the_user_who_writes_to_them(root, traits):
    """An app that makes files beside its own can still do so; a directory that others may not see stays closed."""
    app_fixture = installed(root, release=False, run_as="root")
    places = {app_fixture.live: 0o750, app_fixture.live / "lib": 0o2770}
    for path, mode in places.items():
        os.chown(path, 4321, 4322)
        path.chmod(mode)
    app_fixture.publish("1.1.0", *traits, extra={"new/file": b"new\n"})
    result = app_fixture.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.headline
    found = {path: path.stat() for path in places}
    assert {path: status.st_mode & 0o7777 for path, status in found.items()} == places
    assert {(status.st_uid, status.st_gid) for status in found.values()} == {(4321, 4322)}
    if not traits:
        assert (app_fixture.live / "lib/names.txt").stat().st_uid == 0
        assert app_fixture.updater().rollback("app").outcome is Outcome.DONE
        assert (app_fixture.live.stat().st_uid, app_fixture.live.stat().st_mode & 0o7777) == (4321, 0o750)


def test_a_release_that_was_packed_on_a_mac_is_installed(root):
    """Finder adds `__MACOSX/` beside the app's directory: the version was stamped there, and the old app ran on."""
    app_fixture = installed(root, release=False)
    names = {f"app-1.1.0/{name}": data for name, data in app_fixture.files("1.1.0").items() if name != "VERSION"}
    packed = pack({**names, "__MACOSX/app-1.1.0/._serve.py": b"x", ".DS_Store": b"x"}, "zip")
    app_fixture.publish_file("1.1.0", "app-1.1.0.zip", packed)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert app_fixture.answer() == "1.1.0" == app_fixture.version()
    assert (app_fixture.live / "lib/names.txt").read_text() == "names of 1.1.0\n"
    assert not (app_fixture.live / "app-1.1.0").exists()
