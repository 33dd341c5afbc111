"""What people and programs leave in a submodule's directory: git checks out over it, so we see to it before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from fsm.report import Outcome
from tests.bed import Trait, write
from tests.gitbed import GitBed, git

LIB = "vendor/lib"

Host = Callable[..., GitBed]


@pytest.fixture
def host(made):
    """Makes a host on 1.1.0, which has a submodule."""

    def make(**given: Any) -> GitBed:
        bed: GitBed = made(publish=False, **given)
        bed.library("lib", "1", extra={"old.txt": b"old\n"})
        bed.publish_with_library("1.1.0")
        assert bed.updater().update("app").outcome is Outcome.DONE
        return bed

    return make


def release(bed: GitBed, version: str, *traits: Trait, extra: dict[str, bytes | None]) -> None:
    """The next version of both."""
    bed.library("lib", version, extra=extra)
    bed.publish_with_library(version, *traits)


def spoiled(line: str) -> dict[str, Any]:
    """A check that does something in the checkout and fails, if the version is a broken one."""
    argv = ["sh", "-c", f"cd {{live}}; test ! -e BROKEN || {{ {line}; exit 1; }}"]
    return {"post_checks": [{"type": "command", "argv": argv}]}


@pytest.mark.parametrize("local_changes", ["refuse", "save"])
@pytest.mark.parametrize("name", ["mine.txt", "deep/er/mine.txt"])
def test_a_file_where_the_new_commit_has_one_is_named_and_not_overwritten(host, local_changes, name):
    """As outside of submodules."""
    bed = host(local_changes=local_changes)
    write(bed.live / LIB / name, b"mine\n")
    before = bed.inventory()
    release(bed, "1.2.0", extra={name: b"theirs\n"})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'"{LIB}/{name}"' in result.reason
    assert not result.touched
    assert not before.compare(bed.inventory())


def test_a_file_that_the_new_commit_has_as_it_is_here_stays(host):
    """Nothing is lost, forth and back."""
    bed = host()
    write(bed.live / LIB / "same.txt", b"same\n")
    before = bed.inventory()
    release(bed, "1.2.0", "BROKEN", extra={"same.txt": b"same\n"})
    assert bed.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert not before.compare(bed.inventory())
    release(bed, "1.3.0", extra={})
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert (bed.live / LIB / "same.txt").read_bytes() == b"same\n"


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
@pytest.mark.parametrize("pattern", [f"{LIB}/mine.txt", "vendor/*/mine.*", f"{LIB}/mine/"])
def test_a_preserved_file_stays_where_the_new_commit_has_one(host, pattern, traits):
    """It is not git's business, wherever it lies."""
    bed = host(preserve=[".env", "data/", pattern])
    name = "mine/of it.txt" if pattern.endswith("/") else "mine.txt"
    write(bed.live / LIB / name, b"mine\n")
    (bed.live / LIB / name).chmod(0o600)
    before = bed.inventory()
    release(bed, "1.2.0", *traits, extra={name: b"theirs\n"})
    result = bed.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    assert (bed.live / LIB / name).read_bytes() == b"mine\n"
    if traits:
        assert not before.compare(bed.inventory())
        return
    assert (bed.live / LIB / "VERSION").read_text() == "1.2.0\n"
    release(bed, "1.3.0", extra={name: None})
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert (bed.live / LIB / name).read_bytes() == b"mine\n"


def test_a_file_in_a_submodule_of_a_submodule(host):
    """However deep."""
    bed = host()
    bed.library("inner", "inner 1")
    author = bed.root / "lib-author"
    git(author, "config", "remote.origin.url", str(bed.root / "lib.git"))
    git(author, "submodule", "--quiet", "add", "../inner.git", "inner")
    git(author, "commit", "--quiet", "-m", "inner")
    release(bed, "1.2.0", extra={})
    assert bed.updater().update("app").outcome is Outcome.DONE
    write(bed.live / LIB / "inner/mine.txt", b"mine\n")
    bed.library("inner", "inner 2", extra={"mine.txt": b"theirs\n"})
    git(author / "inner", "pull", "--quiet", str(bed.root / "inner.git"), "main")
    release(bed, "1.3.0", extra={})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'"{LIB}/inner/mine.txt"' in result.reason
    assert (bed.live / LIB / "inner/mine.txt").read_bytes() == b"mine\n"


@pytest.mark.parametrize("name", ["VERSION", "mine.txt"])
def test_what_is_in_a_directory_that_a_commit_has_left_is_not_overwritten(host, name):
    """Git leaves a submodule's directory when a commit has none any more; people work on in it."""
    bed = host()
    bed.publish("1.2.0")
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert (bed.live / LIB / "VERSION").exists()
    write(bed.live / LIB / name, b"mine\n")
    release(bed, "1.3.0", extra={"mine.txt": b"theirs\n"})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'"{LIB}{"" if name == "VERSION" else f"/{name}"}"' in result.reason
    assert (bed.live / LIB / name).read_bytes() == b"mine\n"
    (bed.live / LIB / name).unlink()
    git(bed.live / LIB, "checkout", "--quiet", ".")
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert (bed.live / LIB / "VERSION").read_text() == "1.3.0\n"


def test_what_the_new_version_changed_in_a_submodule_is_set_aside(made):
    """As in any other file of git's."""
    bed = made(publish=False, **spoiled(f"echo changed > {LIB}/VERSION"))
    bed.library("lib", "1")
    bed.publish_with_library("1.1.0")
    assert bed.updater().update("app").outcome is Outcome.DONE
    release(bed, "1.2.0", "BROKEN", extra={})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert (bed.work / "aside/2" / LIB / "VERSION").read_text() == "changed\n"
    assert any("aside/2" in note for note in result.notes), result.notes
    assert (bed.live / LIB / "VERSION").read_text() == "1\n"
    assert bed.is_clean("1.1.0")


def test_what_the_new_version_wrote_in_a_new_submodule_is_set_aside(made):
    """The directory goes with the submodule, what git does not know of it is kept."""
    line = f"echo changed > {LIB}/VERSION; mkdir {LIB}/data; echo wrote > {LIB}/data/wrote; ln -s data {LIB}/link"
    bed = made(publish=False, **spoiled(line))
    before = bed.inventory()
    bed.library("lib", "1")
    bed.publish_with_library("1.1.0", "BROKEN")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert (bed.work / "aside/1" / LIB / "VERSION").read_text() == "changed\n"
    assert (bed.work / "aside/1" / LIB / "data/wrote").read_text() == "wrote\n"
    assert (bed.work / "aside/1" / LIB / "link").is_symlink()
    assert not before.compare(bed.inventory())
    assert bed.is_clean("1.0.0")


@pytest.mark.parametrize("where", ["", f"{LIB}/"])
def test_what_the_new_version_wrote_where_the_old_commit_has_a_file_is_set_aside(made, where):
    """The new commit has no such file, so git knows nothing of what the version wrote there."""
    bed = made(publish=False, **spoiled(f"echo wrote > {where}old.txt"))
    bed.library("lib", "1", extra={"old.txt": b"old\n"})
    bed.publish_with_library("1.1.0")
    write(bed.author / "old.txt", b"old\n")
    git(bed.author, "add", ".")
    bed.commit("1.1.0", rewrite=True)
    assert bed.updater().update("app").outcome is Outcome.DONE
    before = bed.inventory()
    release(bed, "1.2.0", "BROKEN", extra={"old.txt": None})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert not before.compare(bed.inventory())
    assert (bed.work / "aside/2" / where / "old.txt").read_text() == "wrote\n"


def test_a_repository_that_cannot_get_to_the_new_commit_is_refused_before_the_stop(host):
    """One that stands in the submodule's place is fetched by nobody."""
    bed = host()
    bed.publish("1.2.0")
    assert bed.updater().update("app").outcome is Outcome.DONE
    git(bed.live, "clone", "--quiet", str(bed.root / "lib.git"), "own")
    (bed.live / LIB).rename(bed.root / "away")
    (bed.live / "own").rename(bed.live / LIB)
    release(bed, "1.3.0", extra={})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'"{LIB}"' in result.reason
    assert not result.touched


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
def test_a_lock_that_a_killed_git_left_in_a_submodule(host, traits):
    """A power cut in the middle of a checkout leaves one; nothing else would ever take it away."""
    bed = host()
    release(bed, "1.2.0", *traits, extra={})
    lock = bed.live / f".git/modules/{LIB}/index.lock"
    lock.touch()
    os.utime(lock, (1, 1))
    result = bed.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    assert any("index.lock" in note for note in result.notes), result.notes
    assert not lock.exists()


def test_what_a_commit_has_left_is_as_it_was_after_a_failed_update(host):
    """A directory that was no submodule of the old commit was there all the same, with what people have in it."""
    bed = host()
    bed.publish("1.2.0")
    assert bed.updater().update("app").outcome is Outcome.DONE
    write(bed.live / LIB / "notes.txt", b"mine\n")
    before, head = bed.inventory(), git(bed.live / LIB, "rev-parse", "HEAD")
    release(bed, "1.3.0", "BROKEN", extra={"new/file": b"new\n"})
    assert bed.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert not before.compare(bed.inventory())
    assert git(bed.live / LIB, "rev-parse", "HEAD") == head
    assert git(bed.live / LIB, "status", "--porcelain") == "?? notes.txt"


def test_a_submodule_at_another_commit_is_there_again_after_a_failed_update(host):
    """As everything that was changed here."""
    bed = host(local_changes="save")
    write(bed.live / LIB / "mine.txt", b"mine\n")
    git(bed.live / LIB, "add", ".")
    git(bed.live / LIB, "commit", "--quiet", "-m", "mine")
    before, mine = bed.inventory(), git(bed.live / LIB, "rev-parse", "HEAD")
    release(bed, "1.2.0", "BROKEN", extra={"new.txt": b"new\n"})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert git(bed.live / LIB, "rev-parse", "HEAD") == mine
    assert not before.compare(bed.inventory())
    bed.publish_with_library("1.3.0")
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert mine in (bed.work / "saved/3.patch").read_text()


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_changes_that_git_does_not_look_at_in_a_submodule_are_refused(host, mark):
    """Git would write over them as well."""
    bed = host()
    git(bed.live / LIB, "update-index", mark, "VERSION")
    (bed.live / LIB / "VERSION").write_text("mine\n")
    release(bed, "1.2.0", extra={})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'"{LIB}"' in result.reason
    assert (bed.live / LIB / "VERSION").read_text() == "mine\n"


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
def test_a_file_in_place_of_a_submodule(host, traits):
    """Git removes the submodule's directory, with what it does not know of in there."""
    bed = host()
    write(bed.live / LIB / "mine.txt", b"mine\n")
    before = bed.inventory()
    bed.publish("1.2.0", *traits, extra={LIB: b"a file\n"})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'git knows of none: "{LIB}/mine.txt";' in f"{result.reason};"
    assert not result.touched
    assert not before.compare(bed.inventory())
    (bed.live / LIB / "mine.txt").unlink()
    before = bed.inventory()
    result = bed.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    if traits:
        assert not before.compare(bed.inventory())
        assert bed.is_clean("1.1.0")


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
def test_a_submodule_in_place_of_a_file_and_back(made, traits):
    """The file is there again after a failure."""
    bed = made(publish=False)
    bed.publish("1.1.0", extra={LIB: b"a file\n"})
    assert bed.updater().update("app").outcome is Outcome.DONE
    before = bed.inventory()
    release(bed, "1.2.0", *traits, extra={})
    result = bed.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    if traits:
        assert not before.compare(bed.inventory())
        assert bed.is_clean("1.1.0")


def test_a_clone_without_its_submodules(host):
    """People forget ``--recurse-submodules``; the old commit's are not needed for the way back."""
    bed = host()
    git(bed.live, "submodule", "--quiet", "deinit", "--force", LIB)
    (bed.live / ".git/modules").rename(bed.root / "away")
    before = bed.inventory()
    bed.library("lib", "2")
    git(bed.root / "lib-author", "checkout", "--quiet", "--orphan", "again")
    git(bed.root / "lib-author", "commit", "--quiet", "-m", "again")
    git(bed.root / "lib-author", "branch", "--quiet", "--force", "main")
    git(bed.root / "lib-author", "checkout", "--quiet", "main")
    bed.library("lib", "3")
    git(bed.author, "rm", "--quiet", "--force", LIB)
    bed.commit("1.1.1")
    shutil.rmtree(bed.author / ".git/modules")
    bed.publish_with_library("1.2.0", "BROKEN")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert not before.compare(bed.inventory())
    assert bed.is_clean("1.1.0")
    bed.publish_with_library("1.3.0")
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert (bed.live / LIB / "VERSION").read_text() == "3\n"


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
def test_a_preserved_file_in_a_submodule_that_becomes_a_file(host, traits):
    """As with a directory: what is preserved stays where it is."""
    bed = host(preserve=[".env", "data/", f"{LIB}/mine.txt"])
    write(bed.live / LIB / "mine.txt", b"mine\n")
    bed.publish("1.2.0", *traits, extra={LIB: b"a file\n"})
    result = bed.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    assert (bed.live / LIB / "mine.txt").read_bytes() == b"mine\n"


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
@pytest.mark.parametrize("moved", [True, False])
def test_a_preserved_file_where_a_submodule_was_not_checked_out(host, traits, moved):
    """It is checked out for the first time, over what is there."""
    bed = host(preserve=[".env", "data/", f"{LIB}/*.txt"])
    git(bed.live, "submodule", "--quiet", "deinit", "--force", LIB)
    write(bed.live / LIB / "old.txt", b"mine\n")
    before = bed.inventory()
    release(bed, "1.2.0", *traits, extra={}) if moved else bed.publish_with_library("1.2.0", *traits)
    result = bed.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    assert (bed.live / LIB / "old.txt").read_bytes() == b"mine\n"
    if traits:
        assert not before.compare(bed.inventory())
    else:
        assert (bed.live / LIB / "VERSION").read_text() == ("1.2.0\n" if moved else "1\n")


@pytest.mark.parametrize("moved", [True, False])
def test_a_file_where_a_submodule_was_not_checked_out(host, moved):
    """Checking it out for the first time would write over it, or find the directory full."""
    bed = host()
    git(bed.live, "submodule", "--quiet", "deinit", "--force", LIB)
    write(bed.live / LIB / "old.txt", b"mine\n")
    before = bed.inventory()
    release(bed, "1.2.0", extra={}) if moved else bed.publish_with_library("1.2.0")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.reason
    assert f'"{LIB}/old.txt"' in result.reason
    assert not result.touched
    assert not before.compare(bed.inventory())
    (bed.live / LIB / "old.txt").unlink()
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert (bed.live / LIB / "VERSION").read_text() == ("1.2.0\n" if moved else "1\n")


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
def test_a_submodule_that_moves_to_another_place(host, traits):
    """Its repository serves the new place; files that git does not know stay in the old one."""
    bed = host()
    write(bed.live / LIB / "mine.txt", b"mine\n")
    before = bed.inventory()
    git(bed.author, "mv", LIB, "moved")
    bed.library("lib", "2")
    git(bed.author / "moved", "pull", "--quiet", str(bed.root / "lib.git"), "main")
    for trait in traits:
        (bed.author / trait).touch()
    (bed.author / "VERSION").write_text("1.2.0\n")
    git(bed.author, "add", "--all", ".")
    bed.commit("1.2.0")
    result = bed.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result.reason
    assert (bed.live / LIB / "mine.txt").read_bytes() == b"mine\n"
    if traits:
        assert not before.compare(bed.inventory())
        assert bed.is_clean("1.1.0")
        assert git(bed.live / LIB, "status", "--porcelain") == "?? mine.txt"
    else:
        assert (bed.live / "moved/VERSION").read_text() == "2\n"
        assert bed.is_clean("1.2.0")
