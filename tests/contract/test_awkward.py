"""Python apps on awkward hosts: each real thing that goes wrong, and what is left afterwards."""

from __future__ import annotations

import subprocess

import pytest

from fsm.engine.report import Outcome
from fsm.system import inventory
from tests.app_fixture import AppFixture
from tests.contract.hosts import installed
from tests.world import Crash, crash_at


@pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "tar.bz2", "tar.zst", "tar", "zip"])
@pytest.mark.parametrize("top", [True, False])
def test_every_kind_of_archive_is_installed(root, kind, top):
    """With a top-level directory and without."""
    app_fixture = installed(root)
    app_fixture.publish("1.2.0", kind=kind, top=top)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert app_fixture.answer() == "1.2.0"


def test_a_service_that_does_not_want_to_stop_is_killed(root):
    """TERM, a grace, KILL; the update goes on."""
    app_fixture = AppFixture(root, service={"stop_timeout": 0.5})
    app_fixture.install("1.0.0", "STUBBORN")
    app_fixture.start()
    app_fixture.publish("1.1.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert app_fixture.answer() == "1.1.0"


@pytest.mark.parametrize("trait", ["CRASHES", "DIES", "BROKEN"])
def test_a_version_that_does_not_work_goes_back_by_itself(root, trait):
    """It exits at once, exits after a moment, or fails its check."""
    app_fixture = installed(root, settle_seconds=1.0)
    before = inventory.take(app_fixture.live)
    app_fixture.publish("1.2.0", trait)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert app_fixture.answer() == "1.0.0" == app_fixture.version()
    assert not before.compare(inventory.take(app_fixture.live))


def test_what_a_rolled_back_version_wrote_is_set_aside_and_named(root):
    """Never dropped."""
    app_fixture = installed(root, post_checks=[{"type": "command", "argv": ["false"]}])
    app_fixture.publish("1.2.0", "WRITES")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    kept = [path for path in (app_fixture.work / "aside").rglob("*") if path.is_file()]
    assert kept
    assert any("aside" in note for note in result.notes)


def test_local_files_are_named_or_refused(root):
    """As `unlisted` says."""
    app_fixture = installed(root)
    result = app_fixture.updater().update("app")
    assert any("local.txt" in note and "backup" in note for note in result.notes)
    app_fixture.publish("1.2.0")
    (app_fixture.live / "mine.txt").write_text("mine")
    assert any("1 local file" in note and "mine.txt" in note for note in app_fixture.updater().plan("app").notes)
    strict = AppFixture(root, unlisted="refuse")
    refused = strict.updater().update("app")
    assert refused.outcome is Outcome.REFUSED
    assert "mine.txt" in refused.reason
    assert app_fixture.answer() == "1.1.0"


def test_a_backup_can_go_to_another_disk_as_an_archive(root, tmp_path):
    """Document 001's way."""
    app_fixture = installed(root, backup="archive", backup_dir=str(tmp_path / "elsewhere"))
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    made = list((tmp_path / "elsewhere").glob("*.tar.zst"))
    assert len(made) == 1
    assert made[0].stat().st_size > 100


@pytest.mark.parametrize(("optional", "outcome"), [(False, Outcome.ROLLED_BACK), (True, Outcome.DONE)])
def test_a_failing_migration(root, optional, outcome):
    """Rolls back, unless it is optional."""
    app_fixture = installed(root, migration={"command": ["sh", "-c", "exit 3"], "optional": optional})
    result = app_fixture.updater().update("app")
    assert result.outcome is outcome
    assert "3" in result.reason + "".join(result.notes)
    assert app_fixture.answer() == ("1.1.0" if optional else "1.0.0")


def test_a_migration_runs_in_the_new_tree(root):
    """With the old tree whole beside it."""
    app_fixture = installed(root, migration={"command": ["sh", "-c", "cat VERSION > data/migrated"]})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / "data/migrated").read_text() == "1.1.0\n"


def test_a_symbolic_link_is_refused_with_its_target(root):
    """`install_path` is a plain directory."""
    app_fixture = installed(root)
    app_fixture.live.rename(root / "real")
    app_fixture.live.symlink_to("real")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert str(root / "real") in result.todo


def test_a_tampered_artifact_is_refused_before_anything_is_touched(root):
    """Also one that is a web page."""
    app_fixture = installed(root)
    artifact = next(path for path in (root / "releases/1.1.0").iterdir() if path.name.endswith(".tar.gz"))
    before = inventory.take(app_fixture.live)
    for content in (artifact.read_bytes()[:-1] + b"x", b"<html>502 Bad Gateway</html>"):
        artifact.write_bytes(content)
        result = app_fixture.updater().update("app", force=True)
        assert result.outcome is Outcome.REFUSED
        assert not result.touched
        assert not before.compare(inventory.take(app_fixture.live))
    assert app_fixture.answer() == "1.0.0"


@pytest.mark.needs_tmpfs
@pytest.mark.parametrize("left", [2000, 700, 300])
def test_a_full_disk_leaves_the_old_version_running(root, left):
    """Wherever it becomes full: refused or rolled back, and nothing is lost."""
    place = root / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(place)], check=True)
    try:
        app_fixture = installed(place, reserve_mb=0, preserve=[".env", "data/"])
        assert app_fixture.updater().update("app").outcome is Outcome.DONE  # the journal has its reserve from now on
        app_fixture.publish("1.2.0", extra={f"big/{number}": bytes(range(256)) * 400 for number in range(20)})
        assert app_fixture.updater().check("app", force=True).target == "1.2.0"
        before = inventory.take(app_fixture.live)
        free = int(subprocess.run(["stat", "-f", "-c", "%a", str(place)], capture_output=True, check=True).stdout) * 4
        with (place / "ballast").open("wb") as ballast:
            ballast.write(bytes(max(free - left, 0) * 1024))
        result = app_fixture.updater().update("app")
        assert result.outcome in (Outcome.REFUSED, Outcome.ROLLED_BACK, Outcome.FAILED), result
        assert app_fixture.answer() == "1.1.0" == app_fixture.version()
        assert not before.compare(inventory.take(app_fixture.live))
        (place / "ballast").unlink()
        assert app_fixture.updater().update("app", force=True).outcome is Outcome.DONE
        assert app_fixture.answer() == "1.2.0"
    finally:
        AppFixture(place).kill()
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_first_update_that_is_killed_late_goes_back_whole(root):
    """After the list of the new release's files was written, twice: the cancel removes it again."""
    app_fixture = installed(root)
    before = inventory.take(root, skip=lambda path: path.parts[0] == "state")
    for verb in ("update", "resume"):
        updater = app_fixture.updater()
        with crash_at(0, only="retire.noted"), pytest.raises(Crash):
            _ = updater.update("app") if verb == "update" else updater.resume()
    assert app_fixture.updater().cancel("app").outcome is Outcome.ROLLED_BACK
    after = inventory.take(root, skip=lambda path: path.parts[0] == "state")
    assert not before.compare(after)
