"""Repositories as they are found in the field: none, half of one, a damaged one, a stranger's one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.engine.report import Outcome
from fsm.system import inventory
from fsm_git.finish import BackupRecord
from tests.app_fixture import AppFixture, write
from tests.git_fixture import GitFixture, git
from tests.githttp import serving
from tests.users import python_for_all


def test_without_a_repository_one_is_made_from_the_remote(made):
    """Files that are equal to the new commit's are no reason to refuse."""
    app_fixture = made(publish=False)
    shutil.rmtree(app_fixture.live / ".git")
    assert "not a git checkout yet" in app_fixture.updater().check("app").why_unknown
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.is_clean("1.0.0")
    assert app_fixture.answer() == "1.0.0"
    assert (app_fixture.live / ".env").read_bytes() == b"SECRET=1\r\nOTHER=2\r\n"


def test_without_a_repository_files_that_differ_are_named_or_saved(made):
    """Nobody knows what they were."""
    app_fixture = made()
    shutil.rmtree(app_fixture.live / ".git")
    before = inventory.take(app_fixture.live)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "VERSION" in result.reason
    assert not before.compare(inventory.take(app_fixture.live))
    app_fixture = made(publish=False, install=False, local_changes="save")
    git(app_fixture.author, "reset", "--quiet", "--hard", "v1.1.0")
    app_fixture.publish("1.2.0", "BROKEN")
    assert app_fixture.updater().update("app", force=True).outcome is Outcome.ROLLED_BACK
    assert not before.compare(inventory.take(app_fixture.live))
    app_fixture.publish("1.3.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.answer() == "1.3.0"
    saved = next(app_fixture.work.glob("saved/*"))
    assert (saved / "VERSION").read_text() == "1.0.0\n"
    assert any(str(saved) in note for note in result.notes)


def test_another_repository_further_up_is_left_alone(made):
    """As with /etc under etckeeper: a checkout without ``.git`` is not the one that git would find above it."""
    app_fixture = made()
    shutil.rmtree(app_fixture.live / ".git")
    git(app_fixture.root, "init", "--quiet")
    before = inventory.take(app_fixture.root / ".git")
    assert "not a git checkout yet" in app_fixture.updater().check("app").why_unknown
    assert app_fixture.updater().update("app").outcome is Outcome.REFUSED
    assert not before.compare(inventory.take(app_fixture.root / ".git"))


def test_a_detached_head_stays_detached(made):
    """And the plan says so."""
    app_fixture = made()
    git(app_fixture.live, "checkout", "--quiet", "--detach")
    assert any("detached" in note for note in app_fixture.updater().plan("app").notes)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert app_fixture.is_clean("1.1.0")
    assert git(app_fixture.live, "symbolic-ref", "--quiet", "HEAD", check=False) == ""
    assert git(app_fixture.live, "rev-parse", "main") == app_fixture.released("1.0.0")


def test_a_shallow_clone_is_updated_and_rolled_back(made):
    """Two commits further, and back, without the history."""
    app_fixture = made(publish=False)
    for version in ("1.1.0", "1.2.0", "1.3.0"):
        app_fixture.publish(version)
    shutil.rmtree(app_fixture.live / ".git")
    git(
        app_fixture.root,
        "clone",
        "--quiet",
        "--depth=1",
        "--branch=v1.1.0",
        f"file://{app_fixture.releases}",
        str(app_fixture.root / "clone"),
    )
    (app_fixture.root / "clone/.git").rename(app_fixture.live / ".git")
    git(app_fixture.live, "reset", "--quiet", "--hard")
    assert any("shallow" in note for note in app_fixture.updater().plan("app").notes)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.is_clean("1.3.0")
    assert git(app_fixture.live, "rev-parse", "--is-shallow-repository") == "true"
    assert app_fixture.updater().rollback("app").outcome is Outcome.DONE
    assert app_fixture.is_clean("1.1.0")


def test_a_partial_clone_has_everything_before_the_stop(made):
    """Its missing files come from the network while the services run; the undo has no need of one."""
    app_fixture = made(publish=False)
    app_fixture.publish("1.1.0", "BROKEN", extra={f"lib/{number}": b"%d" % number for number in range(20)})
    url = f"file://{app_fixture.releases}"
    shutil.rmtree(app_fixture.live / ".git")
    git(
        app_fixture.root,
        "clone",
        "--quiet",
        "--no-checkout",
        "--filter=blob:none",
        url,
        str(app_fixture.root / "clone"),
    )
    (app_fixture.root / "clone/.git").rename(app_fixture.live / ".git")
    git(app_fixture.live, "reset", "--quiet", "--hard", "v1.0.0")
    unplug = {"type": "command", "argv": ["mv", str(app_fixture.releases), str(app_fixture.root / "unplugged")]}
    app_fixture = made(publish=False, install=False, post_checks=[unplug, {"type": "command", "argv": ["false"]}])
    git(app_fixture.releases, "update-ref", "refs/heads/main", "v1.1.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK, result.headline
    assert "command failed" in result.reason
    assert app_fixture.answer() == "1.0.0"


def test_git_as_a_file(made):
    """A repository elsewhere, and a linked worktree of another checkout; one that leads nowhere is explained."""
    app_fixture = made()
    git(app_fixture.live, "init", "--quiet", "--separate-git-dir", str(app_fixture.root / "elsewhere.git"))
    assert (app_fixture.live / ".git").is_file()
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.is_clean("1.1.0")
    assert (app_fixture.live / ".git").is_file()
    (app_fixture.root / "elsewhere.git").rename(app_fixture.root / "gone.git")
    app_fixture.publish("1.2.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert f"{app_fixture.root}/elsewhere.git" in result.reason


def test_a_linked_worktree(made):
    """HEAD and index are its own; the other checkout of the repository stays as it is."""
    app_fixture = made(install=False)
    git(app_fixture.root, "clone", "--quiet", str(app_fixture.releases), str(app_fixture.root / "main"))
    git(app_fixture.root / "main", "worktree", "add", "--quiet", "-b", "deployed", str(app_fixture.live), "v1.0.0")
    app_fixture.furnish()
    app_fixture.start()
    head = git(app_fixture.root / "main", "rev-parse", "HEAD")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.answer() == "1.1.0"
    assert git(app_fixture.live, "status", "--porcelain", "--untracked-files=no") == ""
    assert git(app_fixture.root / "main", "rev-parse", "HEAD") == head
    assert git(app_fixture.live, "symbolic-ref", "HEAD") == "refs/heads/deployed"


def test_an_empty_object_is_fetched_again(made):
    """The tip of the installed commit, after a power cut: neither git nor an update by hand gets past it."""
    app_fixture = made()
    objects = app_fixture.live / ".git/objects"
    for pack in list(objects.glob("pack/*.pack")):
        taken = app_fixture.root / pack.name
        pack.rename(taken)
        for other in objects.glob(f"pack/{pack.stem}.*"):
            other.unlink()
        data = taken.read_bytes()
        subprocess.run(["git", "-C", str(app_fixture.live), "unpack-objects", "-q"], input=data, check=True)
    commit = app_fixture.head()
    for digest in (commit, git(app_fixture.live, "rev-parse", "HEAD:lib/names.txt")):
        loose = objects / digest[:2] / digest[2:]
        loose.chmod(0o644)
        loose.write_bytes(b"")
    assert "fatal" in _fails(app_fixture.live, "show", "HEAD")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert any("2 empty objects" in note for note in result.notes)
    assert app_fixture.is_clean("1.1.0")
    assert app_fixture.updater().rollback("app").outcome is Outcome.DONE
    assert app_fixture.is_clean("1.0.0")


def _fails(where: Path, *args: str) -> str:
    done = subprocess.run(["git", "-C", str(where), *args], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr


def test_an_object_that_nobody_has_any_more_is_said_before_the_stop(made):
    """A local commit whose file is lost: the undo would need it."""
    app_fixture = made(rewritten="reset")
    write(app_fixture.live / "lib/names.txt", b"mended by hand\n")
    git(app_fixture.live, "commit", "--quiet", "--all", "-m", "mended by hand")
    digest = git(app_fixture.live, "rev-parse", "HEAD:lib/names.txt")
    loose = app_fixture.live / ".git/objects" / digest[:2] / digest[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert not result.touched
    assert "cannot read all" in result.reason
    assert app_fixture.answer() == "1.0.0"


def test_lfs_pointers_are_said(made):
    """Without git-lfs they stay what they are."""
    app_fixture = made(publish=False)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
    app_fixture.publish(
        "1.1.0", extra={".gitattributes": b"*.bin filter=lfs diff=lfs merge=lfs -text\n", "big.bin": pointer}
    )
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert any("1 files are LFS pointers" in note for note in result.notes)


@pytest.fixture
def runnable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs as another user is a Python that this user can run."""
    monkeypatch.setattr(sys, "executable", python_for_all())


@pytest.mark.needs_root
@pytest.mark.usefixtures("runnable")
def test_a_checkout_of_another_user_stays_that_user_s(made):
    """Git runs as the owner: no complaint about safe.directory, no file of root's in between, no hook as root."""
    app_fixture = made()
    for path in (app_fixture.root, *app_fixture.root.parents):
        path.chmod(path.stat().st_mode | 0o011)
    hook = app_fixture.live / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {app_fixture.root}/hooked\n")
    hook.chmod(0o755)
    git(app_fixture.live, "config", "core.fsmonitor", f"touch {app_fixture.root}/monitored; false")
    for path in (app_fixture.live, *app_fixture.live.rglob("*")):
        os.chown(path, 4321, 4321, follow_symlinks=False)
    with serving(app_fixture.root) as server:
        app_fixture = GitFixture(
            app_fixture.root,
            source={"type": "git", "allow_unsigned": True, "url": f"{server.url}/releases", "branch": "main"},
        )
        result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    strangers = [path for path in app_fixture.live.rglob("*") if path.lstat().st_uid != 4321]
    assert strangers == []
    assert not (app_fixture.root / "hooked").exists()
    assert not (app_fixture.root / "monitored").exists()
    assert app_fixture.updater().rollback("app").outcome is Outcome.DONE
    assert [path for path in app_fixture.live.rglob("*") if path.lstat().st_uid != 4321] == []


@pytest.mark.needs_root
@pytest.mark.usefixtures("runnable")
def test_a_strict_mask_locks_that_user_out_of_nothing(made):
    """Git runs as the owner also in the run's directory, where a build has its worktree."""
    app_fixture = made()
    for path in (app_fixture.root, *app_fixture.root.parents):
        path.chmod(path.stat().st_mode | 0o011)
    for path in (app_fixture.live, *app_fixture.live.rglob("*")):
        os.chown(path, 4321, 4321, follow_symlinks=False)
    build = {"command": ["sh", "-c", "mkdir dist && cp VERSION dist/"], "products": ["dist"]}
    with serving(app_fixture.root) as server:
        source = {"type": "git", "allow_unsigned": True, "url": f"{server.url}/releases", "branch": "main"}
        app_fixture = GitFixture(app_fixture.root, source=source, build=build)
        before = os.umask(0o077)
        try:
            result = app_fixture.updater().update("app")
        finally:
            os.umask(before)
    assert result.outcome is Outcome.DONE, result.headline
    assert (app_fixture.live / "dist/VERSION").read_text() == "1.1.0\n"


@pytest.mark.needs_root
@pytest.mark.usefixtures("runnable")
def test_a_failed_update_leaves_it_to_that_user(made):
    """Nothing of root's is left in it, and nothing that the user cannot read; submodules are no exception."""
    app_fixture = made(publish=False)
    app_fixture.library("lib", "1")
    app_fixture.publish_with_library("1.1.0")
    for path in (app_fixture.root, *app_fixture.root.parents):
        path.chmod(path.stat().st_mode | 0o011)
    for path in (app_fixture.live, *app_fixture.live.rglob("*")):
        os.chown(path, 4321, 4321, follow_symlinks=False)
    with serving(app_fixture.root) as server:
        source = {"type": "git", "allow_unsigned": True, "url": f"{server.url}/releases", "branch": "main"}
        app_fixture = GitFixture(app_fixture.root, source=source)
        assert app_fixture.updater().update("app").outcome is Outcome.DONE
        app_fixture.library("lib", "2")
        app_fixture.publish_with_library("1.2.0", "BROKEN")
        before = (app_fixture.live / ".git/index").stat()
        result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK, result.headline
    assert [path for path in app_fixture.live.rglob("*") if path.lstat().st_uid != 4321] == []
    assert (app_fixture.live / ".git/index").stat().st_mode == before.st_mode


def test_another_user_s_checkout_is_explained_to_those_who_are_not_root(made, monkeypatch):
    """As git would refuse it, with what to do."""
    app_fixture = made()
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    why = app_fixture.updater().check("app").why_unknown
    assert "safe.directory" in why
    assert "chown" in why


def test_the_environment_of_a_git_hook_leads_nowhere_else(made, monkeypatch):
    """The updater called from a hook of another repository."""
    app_fixture = made()
    git(app_fixture.root, "init", "--quiet", "--bare", "other.git")
    before = inventory.take(app_fixture.root / "other.git")
    monkeypatch.setenv("GIT_DIR", str(app_fixture.root / "other.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(app_fixture.root / "other.git/index"))
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    monkeypatch.undo()
    assert app_fixture.is_clean("1.1.0")
    assert not before.compare(inventory.take(app_fixture.root / "other.git"))


def test_a_symbolic_link_is_refused_with_its_target(made):
    """`path` is a plain directory."""
    app_fixture = made()
    app_fixture.live.rename(app_fixture.root / "real")
    app_fixture.live.symlink_to("real")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert str(app_fixture.root / "real") in result.reason


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
    app_fixture = made()
    path = app_fixture.live / ".git" / file
    good = path.read_bytes()
    path.write_bytes(data)
    assert why in app_fixture.updater().status()[0].why_unknown
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result
    assert why in result.reason
    assert app_fixture.answer() == "1.0.0"
    path.write_bytes(good)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE


def test_a_source_of_another_type_is_refused(made):
    """A directory of releases has no commits."""
    app_fixture = made(source={"type": "directory", "allow_unsigned": True, "path": "{root}/shelf"})
    (app_fixture.root / "shelf").mkdir()
    shelf = AppFixture(app_fixture.root / "other")
    shelf.publish("2.0.0")
    (shelf.releases / "2.0.0").rename(app_fixture.root / "shelf/2.0.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "source of type git" in result.todo


def test_a_record_whose_commit_is_none_is_none():
    """A record lies where the checkout's user may write: what he puts there is no bug of ours."""
    known = {"run": 1, "version": "1.0.0", "made_at": "2026-01-02T03:04:05+00:00", "ref": "refs/fsm/app/kept/1"}
    assert BackupRecord.model_validate({**known, "commit": "a" * 40}).commit == "a" * 40
    with pytest.raises(ValueError, match="commit"):
        BackupRecord.model_validate({**known, "commit": "/canary/dir"})
