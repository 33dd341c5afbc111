"""Repositories as they are found in the field: none, half of one, a damaged one, a stranger's one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fsm import inventory
from fsm.report import Outcome
from tests.bed import Bed, write
from tests.gitbed import GitBed, git
from tests.githttp import serving


def test_without_a_repository_one_is_made_from_the_remote(made):
    """Files that are equal to the new commit's are no reason to refuse."""
    bed = made(publish=False)
    shutil.rmtree(bed.live / ".git")
    assert "no git checkout yet" in bed.updater().check("app").why_unknown
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert bed.is_clean("1.0.0")
    assert bed.answer() == "1.0.0"
    assert (bed.live / ".env").read_bytes() == b"SECRET=1\r\nOTHER=2\r\n"


def test_without_a_repository_files_that_differ_are_named_or_saved(made):
    """Nobody knows what they were."""
    bed = made()
    shutil.rmtree(bed.live / ".git")
    before = inventory.take(bed.live)
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "VERSION" in result.reason
    assert not before.compare(inventory.take(bed.live))
    bed = made(publish=False, install=False, local_changes="save")
    git(bed.author, "reset", "--quiet", "--hard", "v1.1.0")
    bed.publish("1.2.0", "BROKEN")
    assert bed.updater().update("app", force=True).outcome is Outcome.ROLLED_BACK
    assert not before.compare(inventory.take(bed.live))
    bed.publish("1.3.0")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert bed.answer() == "1.3.0"
    saved = next(bed.work.glob("saved/*"))
    assert (saved / "VERSION").read_text() == "1.0.0\n"
    assert any(str(saved) in note for note in result.notes)


def test_another_repository_further_up_is_left_alone(made):
    """As with /etc under etckeeper: a checkout without ``.git`` is not the one that git would find above it."""
    bed = made()
    shutil.rmtree(bed.live / ".git")
    git(bed.root, "init", "--quiet")
    before = inventory.take(bed.root / ".git")
    assert "no git checkout yet" in bed.updater().check("app").why_unknown
    assert bed.updater().update("app").outcome is Outcome.REFUSED
    assert not before.compare(inventory.take(bed.root / ".git"))


def test_a_detached_head_stays_detached(made):
    """And the plan says so."""
    bed = made()
    git(bed.live, "checkout", "--quiet", "--detach")
    assert any("detached" in note for note in bed.updater().plan("app").notes)
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert bed.is_clean("1.1.0")
    assert git(bed.live, "symbolic-ref", "--quiet", "HEAD", check=False) == ""
    assert git(bed.live, "rev-parse", "main") == bed.released("1.0.0")


def test_a_shallow_clone_is_updated_and_rolled_back(made):
    """Two commits further, and back, without the history."""
    bed = made(publish=False)
    for version in ("1.1.0", "1.2.0", "1.3.0"):
        bed.publish(version)
    shutil.rmtree(bed.live / ".git")
    git(bed.root, "clone", "--quiet", "--depth=1", "--branch=v1.1.0", f"file://{bed.releases}", str(bed.root / "clone"))
    (bed.root / "clone/.git").rename(bed.live / ".git")
    git(bed.live, "reset", "--quiet", "--hard")
    assert any("shallow" in note for note in bed.updater().plan("app").notes)
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert bed.is_clean("1.3.0")
    assert git(bed.live, "rev-parse", "--is-shallow-repository") == "true"
    assert bed.updater().rollback("app").outcome is Outcome.DONE
    assert bed.is_clean("1.1.0")


def test_a_partial_clone_has_everything_before_the_stop(made):
    """Its missing files come from the network while the services run; the undo has no need of one."""
    bed = made(publish=False)
    bed.publish("1.1.0", "BROKEN", extra={f"lib/{number}": b"%d" % number for number in range(20)})
    url = f"file://{bed.releases}"
    shutil.rmtree(bed.live / ".git")
    git(bed.root, "clone", "--quiet", "--no-checkout", "--filter=blob:none", url, str(bed.root / "clone"))
    (bed.root / "clone/.git").rename(bed.live / ".git")
    git(bed.live, "reset", "--quiet", "--hard", "v1.0.0")
    unplug = {"type": "command", "argv": ["mv", str(bed.releases), str(bed.root / "unplugged")]}
    bed = made(publish=False, install=False, post_checks=[unplug, {"type": "command", "argv": ["false"]}])
    git(bed.releases, "update-ref", "refs/heads/main", "v1.1.0")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK, result.headline
    assert "command failed" in result.reason
    assert bed.answer() == "1.0.0"


def test_git_as_a_file(made):
    """A repository elsewhere, and a linked worktree of another checkout; one that leads nowhere is explained."""
    bed = made()
    git(bed.live, "init", "--quiet", "--separate-git-dir", str(bed.root / "elsewhere.git"))
    assert (bed.live / ".git").is_file()
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert bed.is_clean("1.1.0")
    assert (bed.live / ".git").is_file()
    (bed.root / "elsewhere.git").rename(bed.root / "gone.git")
    bed.publish("1.2.0")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert f"{bed.root}/elsewhere.git" in result.reason


def test_a_linked_worktree(made):
    """HEAD and index are its own; the other checkout of the repository stays as it is."""
    bed = made(install=False)
    git(bed.root, "clone", "--quiet", str(bed.releases), str(bed.root / "main"))
    git(bed.root / "main", "worktree", "add", "--quiet", "-b", "deployed", str(bed.live), "v1.0.0")
    bed.furnish()
    bed.start()
    head = git(bed.root / "main", "rev-parse", "HEAD")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert bed.answer() == "1.1.0"
    assert git(bed.live, "status", "--porcelain", "--untracked-files=no") == ""
    assert git(bed.root / "main", "rev-parse", "HEAD") == head
    assert git(bed.live, "symbolic-ref", "HEAD") == "refs/heads/deployed"


def test_an_empty_object_is_fetched_again(made):
    """The tip of the installed commit, after a power cut: neither git nor an update by hand gets past it."""
    bed = made()
    objects = bed.live / ".git/objects"
    for pack in list(objects.glob("pack/*.pack")):
        taken = bed.root / pack.name
        pack.rename(taken)
        for other in objects.glob(f"pack/{pack.stem}.*"):
            other.unlink()
        data = taken.read_bytes()
        subprocess.run(["git", "-C", str(bed.live), "unpack-objects", "-q"], input=data, check=True)
    commit = bed.head()
    for digest in (commit, git(bed.live, "rev-parse", "HEAD:lib/names.txt")):
        loose = objects / digest[:2] / digest[2:]
        loose.chmod(0o644)
        loose.write_bytes(b"")
    assert "fatal" in _fails(bed.live, "show", "HEAD")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert any("2 empty objects" in note for note in result.notes)
    assert bed.is_clean("1.1.0")
    assert bed.updater().rollback("app").outcome is Outcome.DONE
    assert bed.is_clean("1.0.0")


def _fails(where: Path, *args: str) -> str:
    done = subprocess.run(["git", "-C", str(where), *args], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr


def test_an_object_that_nobody_has_any_more_is_said_before_the_stop(made):
    """A local commit whose file is lost: the undo would need it."""
    bed = made(rewritten="reset")
    write(bed.live / "lib/names.txt", b"mended by hand\n")
    git(bed.live, "commit", "--quiet", "--all", "-m", "mended by hand")
    digest = git(bed.live, "rev-parse", "HEAD:lib/names.txt")
    loose = bed.live / ".git/objects" / digest[:2] / digest[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert not result.touched
    assert "cannot read all" in result.reason
    assert bed.answer() == "1.0.0"


def test_lfs_pointers_are_said(made):
    """Without git-lfs they stay what they are."""
    bed = made(publish=False)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
    bed.publish("1.1.0", extra={".gitattributes": b"*.bin filter=lfs diff=lfs merge=lfs -text\n", "big.bin": pointer})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert any("1 files are LFS pointers" in note for note in result.notes)


@pytest.mark.needs_root
def test_a_checkout_of_another_user_stays_that_user_s(made):
    """Git runs as the owner: no complaint about safe.directory, no file of root's in between, no hook as root."""
    bed = made()
    for path in (bed.root, *bed.root.parents):
        path.chmod(path.stat().st_mode | 0o011)
    hook = bed.live / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {bed.root}/hooked\n")
    hook.chmod(0o755)
    git(bed.live, "config", "core.fsmonitor", f"touch {bed.root}/monitored; false")
    for path in (bed.live, *bed.live.rglob("*")):
        os.chown(path, 4321, 4321, follow_symlinks=False)
    with serving(bed.root) as server:
        bed = GitBed(
            bed.root, source={"type": "git", "allow_unsigned": True, "url": f"{server.url}/releases", "branch": "main"}
        )
        result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    strangers = [path for path in bed.live.rglob("*") if path.lstat().st_uid != 4321]
    assert strangers == []
    assert not (bed.root / "hooked").exists()
    assert not (bed.root / "monitored").exists()
    assert bed.updater().rollback("app").outcome is Outcome.DONE
    assert [path for path in bed.live.rglob("*") if path.lstat().st_uid != 4321] == []


@pytest.mark.needs_root
def test_a_failed_update_leaves_it_to_that_user(made):
    """Nothing of root's is left in it, and nothing that the user cannot read; submodules are no exception."""
    bed = made(publish=False)
    bed.library("lib", "1")
    bed.publish_with_library("1.1.0")
    for path in (bed.root, *bed.root.parents):
        path.chmod(path.stat().st_mode | 0o011)
    for path in (bed.live, *bed.live.rglob("*")):
        os.chown(path, 4321, 4321, follow_symlinks=False)
    with serving(bed.root) as server:
        source = {"type": "git", "allow_unsigned": True, "url": f"{server.url}/releases", "branch": "main"}
        bed = GitBed(bed.root, source=source)
        assert bed.updater().update("app").outcome is Outcome.DONE
        bed.library("lib", "2")
        bed.publish_with_library("1.2.0", "BROKEN")
        before = (bed.live / ".git/index").stat()
        assert bed.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert [path for path in bed.live.rglob("*") if path.lstat().st_uid != 4321] == []
    assert (bed.live / ".git/index").stat().st_mode == before.st_mode


def test_another_user_s_checkout_is_explained_to_those_who_are_not_root(made, monkeypatch):
    """As git would refuse it, with what to do."""
    bed = made()
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    why = bed.updater().check("app").why_unknown
    assert "safe.directory" in why
    assert "chown" in why


def test_the_environment_of_a_git_hook_leads_nowhere_else(made, monkeypatch):
    """The updater called from a hook of another repository."""
    bed = made()
    git(bed.root, "init", "--quiet", "--bare", "other.git")
    before = inventory.take(bed.root / "other.git")
    monkeypatch.setenv("GIT_DIR", str(bed.root / "other.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(bed.root / "other.git/index"))
    assert bed.updater().update("app").outcome is Outcome.DONE
    monkeypatch.undo()
    assert bed.is_clean("1.1.0")
    assert not before.compare(inventory.take(bed.root / "other.git"))


def test_a_symbolic_link_is_refused_with_its_target(made):
    """`path` is a plain directory."""
    bed = made()
    bed.live.rename(bed.root / "real")
    bed.live.symlink_to("real")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert str(bed.root / "real") in result.reason


@pytest.mark.parametrize(
    ("file", "data", "why"),
    [
        ("HEAD", b"", "not a git repository"),
        ("HEAD", b"garbage\n", "not a git repository"),
        ("config", b"[core\n", "bad config line"),
        ("config", b"[core]\nrepositoryformatversion = 9\n", "repo version"),
    ],
)
def test_a_repository_that_git_cannot_use_is_refused(made, file, data, why):
    """As after a power cut, or an edit by hand: said at once, in the words of git; nothing is rolled back."""
    bed = made()
    path = bed.live / ".git" / file
    good = path.read_bytes()
    path.write_bytes(data)
    assert why in bed.updater().status()[0].why_unknown
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result
    assert why in result.reason
    assert bed.answer() == "1.0.0"
    path.write_bytes(good)
    assert bed.updater().update("app").outcome is Outcome.DONE


def test_a_source_of_another_type_is_refused(made):
    """A directory of releases has no commits."""
    bed = made(source={"type": "directory", "allow_unsigned": True, "path": "{root}/shelf"})
    (bed.root / "shelf").mkdir()
    shelf = Bed(bed.root / "other")
    shelf.publish("2.0.0")
    (shelf.releases / "2.0.0").rename(bed.root / "shelf/2.0.0")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "source of type git" in result.todo
