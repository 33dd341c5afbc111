"""Files that make an update of a checkout hard: changed ones, preserved ones, those in the way, odd names."""

from __future__ import annotations

import os
import stat

import pytest

from fsm.engine.report import Outcome
from tests.app_fixture import write
from tests.git_fixture import git


def test_changed_files_are_refused_and_named(made):
    """Before anything is fetched, nothing touched; staged changes count as well."""
    app_fixture = made()
    (app_fixture.live / "lib/names.txt").write_text("mine\n")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "lib/names.txt" in result.reason
    assert not app_fixture.work.exists()
    git(app_fixture.live, "add", "lib/names.txt")
    assert app_fixture.updater().update("app").outcome is Outcome.REFUSED
    assert (app_fixture.live / "lib/names.txt").read_text() == "mine\n"


def test_a_touched_file_is_no_change(made):
    """A new time with the same bytes."""
    app_fixture = made()
    os.utime(app_fixture.live / "lib/names.txt")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE


def test_changed_files_are_saved_as_a_patch_that_the_result_names(made):
    """It applies to the old commit, binary files and deletions included."""
    app_fixture = made(local_changes="save")
    (app_fixture.live / "lib/names.txt").write_text("mine\r\n")
    (app_fixture.live / "lib/same.txt").unlink()
    (app_fixture.live / "serve.py").chmod(0o755)
    write(app_fixture.live / "lib/blob", bytes(range(256)))
    git(app_fixture.live, "add", "lib/blob")
    old = app_fixture.head()
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.is_clean("1.1.0")
    patch = app_fixture.work / "saved/1.patch"
    assert any(str(patch) in note for note in result.notes)
    assert stat.S_IMODE(patch.stat().st_mode) == 0o600
    git(app_fixture.live, "worktree", "add", "--quiet", "--detach", str(app_fixture.root / "old"), old)
    git(app_fixture.root / "old", "apply", str(patch))
    assert (app_fixture.root / "old/lib/names.txt").read_bytes() == b"mine\r\n"
    assert not (app_fixture.root / "old/lib/same.txt").exists()
    assert (app_fixture.root / "old/lib/blob").read_bytes() == bytes(range(256))
    assert os.access(app_fixture.root / "old/serve.py", os.X_OK)


def test_changed_files_come_back_when_the_update_is_rolled_back(made):
    """As they were, with what was staged staged."""
    app_fixture = made(publish=False, local_changes="save")
    (app_fixture.live / "lib/names.txt").write_text("mine\n")
    git(app_fixture.live, "add", "lib/names.txt")
    (app_fixture.live / "lib/names.txt").write_text("mine, changed again\n")
    (app_fixture.live / "lib/same.txt").unlink()
    before, status = app_fixture.inventory(), git(app_fixture.live, "status", "--porcelain")
    app_fixture.publish("1.1.0", "BROKEN")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert not before.compare(app_fixture.inventory())
    assert git(app_fixture.live, "status", "--porcelain") == status
    assert not (app_fixture.work / "saved").exists()
    assert app_fixture.head() == app_fixture.released("1.0.0")


def test_a_tracked_env_with_local_changes_is_kept(made):
    """Named in `preserve`, it is no local change; upstream's newer one does not win."""
    app_fixture = made(publish=False)
    app_fixture.publish("1.1.0", extra={".env": b"UPSTREAM=1\n"})
    (app_fixture.live / ".env").unlink()
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    write(app_fixture.live / ".env", b"MINE=1\r\n", mode=0o640)
    for version, traits, outcome in (("1.2.0", (), Outcome.DONE), ("1.3.0", ("BROKEN",), Outcome.ROLLED_BACK)):
        app_fixture.publish(version, *traits, extra={".env": f"UPSTREAM={version}\n".encode()})
        result = app_fixture.updater().update("app")
        assert result.outcome is outcome, result.headline
        assert (app_fixture.live / ".env").read_bytes() == b"MINE=1\r\n"
        assert stat.S_IMODE((app_fixture.live / ".env").stat().st_mode) == 0o640


def test_upstream_removes_a_preserved_file(made):
    """It stays here."""
    app_fixture = made(publish=False)
    app_fixture.publish("1.1.0", extra={"data/default": b"given\n"})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / "data/default").read_bytes() == b"given\n"


@pytest.mark.parametrize("preserve", ["data/", "data/mine", "data/m*"])
@pytest.mark.parametrize("broken", [False, True])
def test_upstream_makes_a_file_of_a_preserved_directory(made, preserve, broken):
    """The directory stays, and neither the next update nor the way back takes it for a changed file."""
    app_fixture = made(publish=False, preserve=[".env", preserve])
    if broken:
        write(app_fixture.live / "data/mine", b"mine\n")
        app_fixture.publish("1.1.0", "BROKEN", extra={"data": b"no directory any more\n"})
        result = app_fixture.updater().update("app")
        assert result.outcome is Outcome.ROLLED_BACK, result
        assert (app_fixture.live / "data/mine").read_bytes() == b"mine\n"
        return
    app_fixture.publish("1.1.0", extra={"data": b"no directory any more\n"})
    write(app_fixture.live / "data/mine", b"mine\n")
    for version, extra in (("1.1.0", None), ("1.2.0", {"data/default": b"given\n"}), ("1.3.0", {"data": b"again\n"})):
        if extra is not None:
            app_fixture.publish(version, extra=extra)
        result = app_fixture.updater().update("app")
        assert result.outcome is Outcome.DONE, result
        assert (app_fixture.live / "data/mine").read_bytes() == b"mine\n"
    for version in ("1.2.0", "1.1.0"):
        result = app_fixture.updater().rollback("app", to=app_fixture.version_of(version))
        assert result.outcome is Outcome.DONE, result
        assert app_fixture.answer() == version
        assert (app_fixture.live / "data/mine").read_bytes() == b"mine\n"


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("settings.ini", "settings.ini"),
        ("settings/mine.ini", "settings"),
        ("settings", "settings/theirs.ini"),
        ("ignored.log", "ignored.log"),
    ],
)
def test_an_untracked_file_in_the_way_is_named_and_not_overwritten(made, mine, theirs):
    """Also where it is ignored, a directory, or a part of the path."""
    app_fixture = made(publish=False)
    (app_fixture.live / ".git/info/exclude").write_text("*.log\n")
    write(app_fixture.live / mine, b"mine\n")
    app_fixture.publish("1.1.0", extra={theirs: b"theirs\n"})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert not result.touched
    assert mine in result.reason
    assert (app_fixture.live / mine).read_bytes() == b"mine\n"
    assert app_fixture.answer() == "1.0.0"


def test_an_untracked_file_with_the_same_bytes_is_not_in_the_way(made):
    """Somebody copied the new file here before."""
    app_fixture = made(publish=False)
    write(app_fixture.live / "settings.ini", b"theirs\n")
    app_fixture.publish("1.1.0", extra={"settings.ini": b"theirs\n"})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE


def test_a_preserved_untracked_file_is_not_in_the_way(made):
    """Upstream begins to track what is preserved here: the host's stays."""
    app_fixture = made(publish=False)
    app_fixture.publish("1.1.0", "BROKEN", extra={"data/log": b"upstream's\n"})
    before = app_fixture.inventory()
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert not before.compare(app_fixture.inventory())
    app_fixture.publish("1.2.0", extra={"data/log": b"upstream's\n"})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / "data/log").read_bytes() == b"first line\r\n"


def test_line_ends_that_git_converts(made):
    """A checkout with CRLF is not dirty, and its files are not in the way."""
    app_fixture = made(publish=False)
    app_fixture.publish("1.1.0", extra={".gitattributes": b"*.txt text eol=crlf\n"})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    app_fixture.publish("1.2.0", extra={".gitattributes": b"*.txt text eol=crlf\n"})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (app_fixture.live / "lib/names.txt").read_bytes() == b"names of 1.2.0\r\n"


def test_odd_names(made):
    """Spaces, quotes, line breaks, bytes that are no text."""
    app_fixture = made(publish=False)
    odd = {'a "b" c': b"1", "new\nline": b"2", "tab\t": b"3", os.fsdecode(b"caf\xe9"): b"4", "-dash": b"5"}
    app_fixture.publish("1.1.0", "BROKEN", extra=odd)
    before = app_fixture.inventory()
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert not before.compare(app_fixture.inventory())
    app_fixture.publish("1.2.0", extra=odd)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / "new\nline").read_bytes() == b"2"
    write(app_fixture.live / os.fsdecode(b"mine\xe9"), b"mine")
    app_fixture.publish("1.3.0", extra={os.fsdecode(b"mine\xe9"): b"theirs"})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "mine\\xe9" in result.reason


def test_preserved_files_with_odd_names_that_git_knows(made):
    """Brackets, stars and backslashes are characters of a name, not of a pattern."""
    names = ["data/a[1]*.ini", "data/b\\c.ini", "data/!d.ini"]
    app_fixture = made(publish=False)
    app_fixture.publish("1.1.0", extra=dict.fromkeys(names, b"theirs\n"))
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    for name in names:
        write(app_fixture.live / name, b"mine\n")
    for version, traits, outcome in (("1.2.0", (), Outcome.DONE), ("1.3.0", ("BROKEN",), Outcome.ROLLED_BACK)):
        app_fixture.publish(version, *traits, extra={name: f"theirs, {version}\n".encode() for name in names})
        result = app_fixture.updater().update("app")
        assert result.outcome is outcome, result.headline
        assert [(app_fixture.live / name).read_bytes() for name in names] == [b"mine\n"] * 3


def test_a_large_preserved_directory_is_a_cost_that_the_plan_names(made):
    """It is copied while the services are down."""
    app_fixture = made()
    with (app_fixture.live / "data/big").open("wb") as file:
        file.truncate(70 << 20)
    assert any("70 MiB of preserved files" in note for note in app_fixture.updater().plan("app").notes)


def test_changed_files_with_names_that_look_like_pathspecs(made):
    """A patch holds exactly the changed files."""
    app_fixture = made(publish=False, local_changes="save")
    app_fixture.publish("1.1.0", extra={":(top)a": b"1\n", "*.txt": b"1\n"})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    write(app_fixture.live / ":(top)a", b"mine\n")
    app_fixture.publish("1.2.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    patch = (app_fixture.work / "saved/2.patch").read_text()
    assert patch.count("diff --git") == 1
    assert "+mine" in patch


def test_an_undo_follows_no_link_out_of_the_checkout(made):
    """The new version put a link where a directory of the new commit was: what it leads to is nobody's to remove."""
    outside = "{root}/outside"
    spoil = f"cd {{live}}; test ! -e BROKEN || {{ rm -r new; ln -s {outside} new; exit 1; }}"
    app_fixture = made(publish=False, post_checks=[{"type": "command", "argv": ["sh", "-c", spoil]}])
    (app_fixture.root / "outside").mkdir()
    (app_fixture.root / "outside/file").write_text("not git's")
    app_fixture.publish("1.1.0", "BROKEN", extra={"new/file": b"new\n"})
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert (app_fixture.root / "outside/file").read_text() == "not git's"
    assert app_fixture.is_clean("1.0.0")
