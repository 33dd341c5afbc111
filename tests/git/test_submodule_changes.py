"""What people and programs leave in a submodule's directory: git checks out over it, so we see to it before."""

from __future__ import annotations

import os
from typing import Any

import pytest

from fsm.engine.report import Outcome
from tests.app_fixture import Trait, write
from tests.git_fixture import GitFixture, git

LIB = "vendor/lib"


def release(app_fixture: GitFixture, version: str, *traits: Trait, extra: dict[str, bytes | None]) -> None:
    """The next version of both."""
    app_fixture.library("lib", version, extra=extra)
    app_fixture.publish_with_library(version, *traits)


def spoiled(line: str) -> dict[str, Any]:
    """A check that does something in the checkout and fails, if the version is a broken one."""
    argv = ["sh", "-c", f"cd {{live}}; test ! -e BROKEN || {{ {line}; exit 1; }}"]
    return {"post_checks": [{"type": "command", "argv": argv}]}


@pytest.mark.parametrize("local_changes", ["refuse", "save"])
@pytest.mark.parametrize("name", ["mine.txt", "deep/er/mine.txt"])
def test_a_file_where_the_new_commit_has_one_is_named_and_not_overwritten(host, local_changes, name):
    """As outside of submodules."""
    app_fixture = host(local_changes=local_changes)
    write(app_fixture.live / LIB / name, b"mine\n")
    before = app_fixture.inventory()
    release(app_fixture, "1.2.0", extra={name: b"theirs\n"})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'"{LIB}/{name}"' in result.reason
    assert not result.touched
    assert not before.compare(app_fixture.inventory())


def test_a_file_that_the_new_commit_has_as_it_is_here_stays(host):
    """Nothing is lost, forth and back."""
    app_fixture = host()
    write(app_fixture.live / LIB / "same.txt", b"same\n")
    before = app_fixture.inventory()
    release(app_fixture, "1.2.0", "BROKEN", extra={"same.txt": b"same\n"})
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert not before.compare(app_fixture.inventory())
    release(app_fixture, "1.3.0", extra={})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / LIB / "same.txt").read_bytes() == b"same\n"


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
@pytest.mark.parametrize("pattern", [f"{LIB}/mine.txt", "vendor/*/mine.*", f"{LIB}/mine/"])
def test_a_preserved_file_stays_where_the_new_commit_has_one(host, pattern, traits):
    """It is not git's business, wherever it lies."""
    app_fixture = host(preserve=[".env", "data/", pattern])
    name = "mine/of it.txt" if pattern.endswith("/") else "mine.txt"
    write(app_fixture.live / LIB / name, b"mine\n")
    (app_fixture.live / LIB / name).chmod(0o600)
    before = app_fixture.inventory()
    release(app_fixture, "1.2.0", *traits, extra={name: b"theirs\n"})
    result = app_fixture.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    assert (app_fixture.live / LIB / name).read_bytes() == b"mine\n"
    if traits:
        assert not before.compare(app_fixture.inventory())
        return
    assert (app_fixture.live / LIB / "VERSION").read_text() == "1.2.0\n"
    release(app_fixture, "1.3.0", extra={name: None})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / LIB / name).read_bytes() == b"mine\n"


def test_a_file_in_a_submodule_of_a_submodule(host):
    """However deep."""
    app_fixture = host()
    app_fixture.library("inner", "inner 1")
    author = app_fixture.root / "lib-author"
    git(author, "config", "remote.origin.url", str(app_fixture.root / "lib.git"))
    git(author, "submodule", "--quiet", "add", "../inner.git", "inner")
    git(author, "commit", "--quiet", "-m", "inner")
    release(app_fixture, "1.2.0", extra={})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    write(app_fixture.live / LIB / "inner/mine.txt", b"mine\n")
    app_fixture.library("inner", "inner 2", extra={"mine.txt": b"theirs\n"})
    git(author / "inner", "pull", "--quiet", str(app_fixture.root / "inner.git"), "main")
    release(app_fixture, "1.3.0", extra={})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'"{LIB}/inner/mine.txt"' in result.reason
    assert (app_fixture.live / LIB / "inner/mine.txt").read_bytes() == b"mine\n"


@pytest.mark.parametrize("name", ["VERSION", "mine.txt"])
def test_what_is_in_a_directory_that_a_commit_has_left_is_not_overwritten(host, name):
    """Git leaves a submodule's directory when a commit has none any more; people work on in it."""
    app_fixture = host()
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / LIB / "VERSION").exists()
    write(app_fixture.live / LIB / name, b"mine\n")
    release(app_fixture, "1.3.0", extra={"mine.txt": b"theirs\n"})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'"{LIB}{"" if name == "VERSION" else f"/{name}"}"' in result.reason
    assert (app_fixture.live / LIB / name).read_bytes() == b"mine\n"
    (app_fixture.live / LIB / name).unlink()
    git(app_fixture.live / LIB, "checkout", "--quiet", ".")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / LIB / "VERSION").read_text() == "1.3.0\n"


def test_what_the_new_version_changed_in_a_submodule_is_set_aside(made):
    """As in any other file of git's."""
    app_fixture = made(publish=False, **spoiled(f"echo changed > {LIB}/VERSION"))
    app_fixture.library("lib", "1")
    app_fixture.publish_with_library("1.1.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    release(app_fixture, "1.2.0", "BROKEN", extra={})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert (app_fixture.work / "aside/2" / LIB / "VERSION").read_text() == "changed\n"
    assert any("aside/2" in note for note in result.notes), result.notes
    assert (app_fixture.live / LIB / "VERSION").read_text() == "1\n"
    assert app_fixture.is_clean("1.1.0")


def test_what_the_new_version_wrote_in_a_new_submodule_is_set_aside(made):
    """The directory goes with the submodule, what git does not know of it is kept."""
    line = f"echo changed > {LIB}/VERSION; mkdir {LIB}/data; echo wrote > {LIB}/data/wrote; ln -s data {LIB}/link"
    app_fixture = made(publish=False, **spoiled(line))
    before = app_fixture.inventory()
    app_fixture.library("lib", "1")
    app_fixture.publish_with_library("1.1.0", "BROKEN")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert (app_fixture.work / "aside/1" / LIB / "VERSION").read_text() == "changed\n"
    assert (app_fixture.work / "aside/1" / LIB / "data/wrote").read_text() == "wrote\n"
    assert (app_fixture.work / "aside/1" / LIB / "link").is_symlink()
    assert not before.compare(app_fixture.inventory())
    assert app_fixture.is_clean("1.0.0")


@pytest.mark.parametrize("where", ["", f"{LIB}/"])
def test_what_the_new_version_wrote_where_the_old_commit_has_a_file_is_set_aside(made, where):
    """The new commit has no such file, so git knows nothing of what the version wrote there."""
    app_fixture = made(publish=False, **spoiled(f"echo wrote > {where}old.txt"))
    app_fixture.library("lib", "1", extra={"old.txt": b"old\n"})
    app_fixture.publish_with_library("1.1.0")
    write(app_fixture.author / "old.txt", b"old\n")
    git(app_fixture.author, "add", ".")
    app_fixture.commit("1.1.0", rewrite=True)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    before = app_fixture.inventory()
    release(app_fixture, "1.2.0", "BROKEN", extra={"old.txt": None})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert not before.compare(app_fixture.inventory())
    assert (app_fixture.work / "aside/2" / where / "old.txt").read_text() == "wrote\n"


def test_a_repository_that_cannot_get_to_the_new_commit_is_refused_before_the_stop(host):
    """One that stands in the submodule's place is fetched by nobody."""
    app_fixture = host()
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    git(app_fixture.live, "clone", "--quiet", str(app_fixture.root / "lib.git"), "own")
    (app_fixture.live / LIB).rename(app_fixture.root / "away")
    (app_fixture.live / "own").rename(app_fixture.live / LIB)
    release(app_fixture, "1.3.0", extra={})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'"{LIB}"' in result.reason
    assert not result.touched


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
def test_a_lock_that_a_killed_git_left_in_a_submodule(host, traits):
    """A power cut in the middle of a checkout leaves one; nothing else would ever take it away."""
    app_fixture = host()
    release(app_fixture, "1.2.0", *traits, extra={})
    lock = app_fixture.live / f".git/modules/{LIB}/index.lock"
    lock.touch()
    os.utime(lock, (1, 1))
    result = app_fixture.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    assert any("index.lock" in note for note in result.notes), result.notes
    assert not lock.exists()


def test_what_a_commit_has_left_is_as_it_was_after_a_failed_update(host):
    """A directory that was no submodule of the old commit was there all the same, with what people have in it."""
    app_fixture = host()
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    write(app_fixture.live / LIB / "notes.txt", b"mine\n")
    before, head = app_fixture.inventory(), git(app_fixture.live / LIB, "rev-parse", "HEAD")
    release(app_fixture, "1.3.0", "BROKEN", extra={"new/file": b"new\n"})
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert not before.compare(app_fixture.inventory())
    assert git(app_fixture.live / LIB, "rev-parse", "HEAD") == head
    assert git(app_fixture.live / LIB, "status", "--porcelain") == "?? notes.txt"


def test_a_submodule_at_another_commit_is_there_again_after_a_failed_update(host):
    """As everything that was changed here."""
    app_fixture = host(local_changes="save")
    write(app_fixture.live / LIB / "mine.txt", b"mine\n")
    git(app_fixture.live / LIB, "add", ".")
    git(app_fixture.live / LIB, "commit", "--quiet", "-m", "mine")
    before, mine = app_fixture.inventory(), git(app_fixture.live / LIB, "rev-parse", "HEAD")
    release(app_fixture, "1.2.0", "BROKEN", extra={"new.txt": b"new\n"})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert git(app_fixture.live / LIB, "rev-parse", "HEAD") == mine
    assert not before.compare(app_fixture.inventory())
    app_fixture.publish_with_library("1.3.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert mine in (app_fixture.work / "saved/3.patch").read_text()


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_changes_that_git_does_not_look_at_in_a_submodule_are_refused(host, mark):
    """Git would write over them as well."""
    app_fixture = host()
    git(app_fixture.live / LIB, "update-index", mark, "VERSION")
    (app_fixture.live / LIB / "VERSION").write_text("mine\n")
    release(app_fixture, "1.2.0", extra={})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'"{LIB}"' in result.reason
    assert (app_fixture.live / LIB / "VERSION").read_text() == "mine\n"


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
def test_a_file_in_place_of_a_submodule(host, traits):
    """Git removes the submodule's directory, with what it does not know of in there."""
    app_fixture = host()
    write(app_fixture.live / LIB / "mine.txt", b"mine\n")
    before = app_fixture.inventory()
    app_fixture.publish("1.2.0", *traits, extra={LIB: b"a file\n"})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'would overwrite untracked ones: "{LIB}/mine.txt";' in f"{result.reason};"
    assert not result.touched
    assert not before.compare(app_fixture.inventory())
    (app_fixture.live / LIB / "mine.txt").unlink()
    before = app_fixture.inventory()
    result = app_fixture.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    if traits:
        assert not before.compare(app_fixture.inventory())
        assert app_fixture.is_clean("1.1.0")


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
def test_a_submodule_in_place_of_a_file_and_back(made, traits):
    """The file is there again after a failure."""
    app_fixture = made(publish=False)
    app_fixture.publish("1.1.0", extra={LIB: b"a file\n"})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    before = app_fixture.inventory()
    release(app_fixture, "1.2.0", *traits, extra={})
    result = app_fixture.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    if traits:
        assert not before.compare(app_fixture.inventory())
        assert app_fixture.is_clean("1.1.0")


def test_a_clone_without_its_submodules(host):
    """People forget ``--recurse-submodules``; the old commit's are not needed for the way back."""
    app_fixture = host()
    git(app_fixture.live, "submodule", "--quiet", "deinit", "--force", LIB)
    (app_fixture.live / ".git/modules").rename(app_fixture.root / "away")
    before = app_fixture.inventory()
    app_fixture.library("lib", "2")
    git(app_fixture.root / "lib-author", "checkout", "--quiet", "--orphan", "again")
    git(app_fixture.root / "lib-author", "commit", "--quiet", "-m", "again")
    git(app_fixture.root / "lib-author", "branch", "--quiet", "--force", "main")
    git(app_fixture.root / "lib-author", "checkout", "--quiet", "main")
    app_fixture.library("lib", "3")
    app_fixture.publish("1.1.1")
    app_fixture.publish_with_library("1.2.0", "BROKEN")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert not before.compare(app_fixture.inventory())
    assert app_fixture.is_clean("1.1.0")
    app_fixture.publish_with_library("1.3.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / LIB / "VERSION").read_text() == "3\n"


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
def test_a_preserved_file_in_a_submodule_that_becomes_a_file(host, traits):
    """As with a directory: what is preserved stays where it is."""
    app_fixture = host(preserve=[".env", "data/", f"{LIB}/mine.txt"])
    write(app_fixture.live / LIB / "mine.txt", b"mine\n")
    app_fixture.publish("1.2.0", *traits, extra={LIB: b"a file\n"})
    result = app_fixture.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    assert (app_fixture.live / LIB / "mine.txt").read_bytes() == b"mine\n"


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
@pytest.mark.parametrize("moved", [True, False])
def test_a_preserved_file_where_a_submodule_was_not_checked_out(host, traits, moved):
    """It is checked out for the first time, over what is there."""
    app_fixture = host(preserve=[".env", "data/", f"{LIB}/*.txt"])
    git(app_fixture.live, "submodule", "--quiet", "deinit", "--force", LIB)
    write(app_fixture.live / LIB / "old.txt", b"mine\n")
    before = app_fixture.inventory()
    release(app_fixture, "1.2.0", *traits, extra={}) if moved else app_fixture.publish_with_library("1.2.0", *traits)
    result = app_fixture.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    assert (app_fixture.live / LIB / "old.txt").read_bytes() == b"mine\n"
    if traits:
        assert not before.compare(app_fixture.inventory())
    else:
        assert (app_fixture.live / LIB / "VERSION").read_text() == ("1.2.0\n" if moved else "1\n")


@pytest.mark.parametrize("moved", [True, False])
def test_a_file_where_a_submodule_was_not_checked_out(host, moved):
    """Checking it out for the first time would write over it, or find the directory full."""
    app_fixture = host()
    git(app_fixture.live, "submodule", "--quiet", "deinit", "--force", LIB)
    write(app_fixture.live / LIB / "old.txt", b"mine\n")
    before = app_fixture.inventory()
    release(app_fixture, "1.2.0", extra={}) if moved else app_fixture.publish_with_library("1.2.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'"{LIB}/old.txt"' in result.reason
    assert not result.touched
    assert not before.compare(app_fixture.inventory())
    (app_fixture.live / LIB / "old.txt").unlink()
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / LIB / "VERSION").read_text() == ("1.2.0\n" if moved else "1\n")


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
def test_a_submodule_that_moves_to_another_place(host, traits):
    """Its repository serves the new place; files that git does not know stay in the old one."""
    app_fixture = host()
    write(app_fixture.live / LIB / "mine.txt", b"mine\n")
    before = app_fixture.inventory()
    app_fixture.library("lib", "2")
    app_fixture.publish_with_library("1.2.0", *traits, path="moved")
    result = app_fixture.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    assert (app_fixture.live / LIB / "mine.txt").read_bytes() == b"mine\n"
    if traits:
        assert not before.compare(app_fixture.inventory())
        assert app_fixture.is_clean("1.1.0")
        assert git(app_fixture.live / LIB, "status", "--porcelain") == "?? mine.txt"
    else:
        assert (app_fixture.live / "moved/VERSION").read_text() == "2\n"
        assert app_fixture.is_clean("1.2.0")
