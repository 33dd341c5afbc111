"""Git checkouts, as they are meant to be used: update, up to date, rolled back, tags, force-pushes, builds."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from fsm.engine.report import Outcome
from fsm.system import inventory
from fsm.updater import Updater
from fsm_git.reset import _make
from fsm_git.save_local import Directory
from tests.app_fixture import Trait
from tests.git_fixture import GitFixture, git
from tests.users import OTHER
from tests.world import Crash, crash_at


def test_a_branch_is_followed(made):
    """Fetched, checked out, verified; the commit is the version."""
    app_fixture = made()
    check = app_fixture.updater().check("app")
    assert (check.installed, check.target) == (app_fixture.version_of("1.0.0"), app_fixture.version_of("1.1.0"))
    assert "main is at" in check.reason
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (result.from_version, result.to_version) == (
        app_fixture.version_of("1.0.0"),
        app_fixture.version_of("1.1.0"),
    )
    assert app_fixture.answer() == "1.1.0"
    assert app_fixture.is_clean("1.1.0")
    assert git(app_fixture.live, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert app_fixture.refs() == ["refs/fsm/app/kept/1"]


def test_up_to_date_touches_nothing(made):
    """Not even ``.git``: nothing is fetched, nothing is written, the service is not asked to stop."""
    app_fixture = made(publish=False)
    pids = [who.pid for who in app_fixture.processes()]
    before = inventory.take(app_fixture.live)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.UP_TO_DATE
    assert "is where main is" in result.reason
    assert not before.compare(inventory.take(app_fixture.live))
    assert [who.pid for who in app_fixture.processes()] == pids
    assert not app_fixture.work.exists()


def test_preserved_files_keep_everything(made):
    """Bytes, line ends, mode, owner, also through an update that is rolled back; no copy of a secret stays behind."""
    app_fixture = made()
    before = app_fixture.inventory()
    times = {name: (app_fixture.live / name).stat().st_mtime_ns for name in (".env", "data/log")}
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    app_fixture.publish("1.2.0", "BROKEN", "WRITES")
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    after = app_fixture.inventory()
    kept = {path for path in before.entries if path.startswith((".env", "data"))}
    assert {path: before.entries[path][:5] for path in kept} == {path: after.entries[path][:5] for path in kept}
    assert {name: (app_fixture.live / name).stat().st_mtime_ns for name in times} == times
    assert (app_fixture.live / "local.txt").read_bytes() == b"nobody knows of this file\n"
    secret = b"SECRET=1"
    outside = [path for path in app_fixture.work.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert outside == []


def test_a_failed_update_puts_everything_back(made):
    """The old commit, the files, the service; the ref and the work directory of the run are gone."""
    app_fixture = made(publish=False)
    before = app_fixture.inventory()
    app_fixture.publish("1.1.0", "CRASHES", extra={"new/deep/file": b"new\n", "lib/same.txt": None})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert app_fixture.answer() == "1.0.0"
    assert app_fixture.is_clean("1.0.0")
    assert not before.compare(app_fixture.inventory())
    assert app_fixture.refs() == []
    assert not app_fixture.work.exists()


@pytest.mark.parametrize("again", ["", "git.reset.put_back"])
def test_a_directory_that_comes_and_goes_keeps_its_mode(made, again):
    """Git knows no modes of directories: it removes one with its last file, and makes another one on the way back."""
    app_fixture = made(publish=False)
    (app_fixture.live / "lib").chmod(0o750)
    app_fixture.publish("1.1.0", "BROKEN", extra={"lib/names.txt": None, "lib/same.txt": None})
    if again:
        with crash_at(0, only="git.reset.undone"), pytest.raises(Crash):
            app_fixture.updater().update("app")
        assert (app_fixture.live / "lib").stat().st_mode & 0o777 == 0o755
        with crash_at(0, only=again), pytest.raises(Crash):
            app_fixture.updater().resume()
        app_fixture.updater().resume()
    else:
        assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert app_fixture.is_clean("1.0.0")
    assert (app_fixture.live / "lib").stat().st_mode & 0o777 == 0o750


@pytest.mark.needs_root
def test_a_directory_of_somebody_else_is_left_as_it_is():
    """A container may have given one away, or have changed its mode: only who owns it may change that back."""
    with tempfile.TemporaryDirectory() as directory:
        live = Path(directory)
        live.chmod(0o755)
        (live / "data").mkdir(mode=0o755)
        os.setresuid(OTHER, OTHER, 0)
        try:
            _make(live, Directory(path="data", mode=0o700, uid=0, gid=0))
        finally:
            os.setresuid(0, 0, 0)
        assert (live / "data").stat().st_mode & 0o777 == 0o755


def test_a_rollback_needs_no_network_and_holds(made):
    """To a kept commit, and from there forward again."""
    app_fixture = made(retention={"count": 1, "days": 0})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert app_fixture.refs() == ["refs/fsm/app/kept/2"]
    app_fixture.releases.rename(app_fixture.root / "unplugged")
    result = app_fixture.updater().rollback("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.answer() == "1.1.0"
    (app_fixture.root / "unplugged").rename(app_fixture.releases)
    assert "held" in app_fixture.updater().update("app").reason
    assert app_fixture.updater().update("app", force=True).outcome is Outcome.DONE
    assert app_fixture.answer() == "1.2.0"


def test_a_version_that_failed_is_not_tried_again_before_upstream_moves(made):
    """Though commits have no order."""
    app_fixture = made(publish=False)
    app_fixture.publish("1.1.0", "BROKEN")
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert "failed here" in app_fixture.updater().update("app").reason
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE


@pytest.mark.parametrize("annotated", [False, True])
def test_tags_are_versions(made, annotated):
    """The highest one wins; a tag that is no version is said; HEAD without a tag is unknown."""
    app_fixture = made(source={"type": "git", "allow_unsigned": True, "url": "{root}/releases", "tags": "v*"})
    git(app_fixture.author, "tag", "--force", *(["-m", "notes"] if annotated else []), "v1.10.0", "v1.1.0")
    git(app_fixture.author, "tag", "vNext", "v1.0.0")
    git(app_fixture.author, "push", "--quiet", "--force", str(app_fixture.releases), "v1.10.0", "vNext")
    check = app_fixture.updater().check("app")
    assert (check.installed, check.target) == ("1.0.0", "1.10.0")
    assert any("vNext" in warning for warning in check.warnings)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.head() == app_fixture.released("1.1.0")
    assert app_fixture.updater().check("app", force=True).installed == "1.10.0"
    assert git(app_fixture.live, "cat-file", "-t", "v1.10.0") == ("tag" if annotated else "commit")
    assert app_fixture.updater().rollback("app").outcome is Outcome.DONE
    assert app_fixture.answer() == "1.0.0"
    git(app_fixture.live, "commit", "--quiet", "--allow-empty", "-m", "by hand")
    assert "no tag of the form v*" in app_fixture.updater().check("app", force=True).why_unknown


def test_a_tag_that_failed_is_not_left_behind(made):
    """It was made for this run, and goes with it."""
    app_fixture = made(
        publish=False, source={"type": "git", "allow_unsigned": True, "url": "{root}/releases", "tags": "v*"}
    )
    app_fixture.publish("1.1.0", "BROKEN")
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert git(app_fixture.live, "tag") == "v1.0.0"


def test_a_rewritten_upstream_is_refused_before_the_stop(made):
    """With both commits named."""
    app_fixture = made()
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    old = app_fixture.head()
    app_fixture.publish("1.2.0", rewrite=True)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert not result.touched
    assert "not an ancestor" in result.reason
    assert old[:12] in result.reason
    assert app_fixture.head() == old


def test_a_rewritten_upstream_is_followed_where_that_is_wanted(made):
    """The old commit is kept under a ref, through git's garbage collection, and can be rolled back to."""
    app_fixture = made(rewritten="reset")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    old = app_fixture.head()
    app_fixture.publish("1.2.0", rewrite=True)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert any("refs/fsm/app/kept/2" in note for note in result.notes)
    git(app_fixture.live, "reflog", "expire", "--expire=now", "--all")
    git(app_fixture.live, "gc", "--quiet", "--prune=now")
    assert git(app_fixture.live, "rev-parse", "refs/fsm/app/kept/2") == old
    assert app_fixture.updater().rollback("app").outcome is Outcome.DONE
    assert app_fixture.answer() == "1.1.0"


def test_local_commits_count_as_rewritten(made):
    """Somebody mended something on the host: it is not lost without being told."""
    app_fixture = made()
    git(app_fixture.live, "commit", "--quiet", "--allow-empty", "-m", "mended by hand")
    assert "somebody committed here" in app_fixture.updater().update("app").reason


def test_several_services_stop_last_first_and_start_first_first(made):
    """And all of them run again after a failure."""
    log = "{root}/log"
    say = ["sh", "-c", f'echo "$0 $1" >> {log}']
    second = {
        "manager": "command",
        "start": [*say, "start", "second"],
        "stop": [*say, "stop", "second"],
        "status": ["sh", "-c", f"tail -n1 {log} | grep -q start"],
    }
    app_fixture = made(publish=False)
    process = app_fixture.config["components"]["app"]["services"]["app"]
    app_fixture = GitFixture(app_fixture.root, services={"app": process, "second": second})
    (app_fixture.root / "log").write_text("start second\n")
    pid = app_fixture.processes()[0].pid
    app_fixture.publish("1.1.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.root / "log").read_text().split("\n")[1:3] == ["stop second", "start second"]
    assert app_fixture.processes()[0].pid != pid
    app_fixture.publish("1.2.0", "CRASHES")
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert (app_fixture.root / "log").read_text().endswith("start second\n")
    assert app_fixture.answer() == "1.1.0"


def test_a_file_is_made_from_its_other_copy(made):
    """Document 000's two .env files; the copy goes when the update is rolled back."""
    app_fixture = made(publish=False, preserve=[".env", "agent/.env", "data/"], copies={"agent/.env": ".env"})
    app_fixture.publish("1.1.0", "BROKEN", extra={"agent/main.py": b"pass\n"})
    before = app_fixture.inventory()
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert not before.compare(app_fixture.inventory())
    app_fixture.publish("1.2.0", extra={"agent/main.py": b"pass\n"})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE
    assert any("agent/.env was missing" in note for note in result.notes)
    first, second = app_fixture.live / ".env", app_fixture.live / "agent/.env"
    assert first.read_bytes() == second.read_bytes()
    assert (first.stat().st_mode, first.stat().st_uid) == (second.stat().st_mode, second.stat().st_uid)
    first.unlink()
    app_fixture.publish("1.3.0", extra={"agent/main.py": b"pass\n"})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert first.read_bytes() == second.read_bytes()


def test_a_missing_path_is_cloned_and_a_failure_takes_it_away(made):
    """Nothing is installed yet."""
    app_fixture = made(install=False, publish=False)
    app_fixture.publish("1.1.0", "BROKEN")
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert not app_fixture.live.exists()
    assert not app_fixture.work.exists()
    app_fixture.publish("1.2.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.answer() == "1.2.0"
    assert app_fixture.is_clean("1.2.0")
    assert git(app_fixture.live, "remote", "get-url", "origin") == str(app_fixture.releases)
    assert git(app_fixture.live, "config", "--get", "core.worktree", check=False) == ""
    app_fixture.publish("1.3.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE


def test_a_path_that_the_new_commit_lacks_is_refused_before_the_stop(made):
    """`required`."""
    app_fixture = made(required=["serve.py", "compose.yaml"])
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "compose.yaml" in result.reason
    assert not result.touched


def test_what_the_new_version_changed_in_tracked_files_is_set_aside(made):
    """A rollback takes it out of the checkout, and drops nothing."""
    spoil = "cd {live}; test ! -e BROKEN || { echo changed > lib/names.txt; exit 1; }"
    app_fixture = made(publish=False, post_checks=[{"type": "command", "argv": ["sh", "-c", spoil]}])
    app_fixture.publish("1.1.0", "BROKEN")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert (app_fixture.work / "aside/1/lib/names.txt").read_text() == "changed\n"
    assert any("aside/1" in note for note in result.notes)
    assert app_fixture.is_clean("1.0.0")


def test_the_undo_needs_no_network(made):
    """The remote goes away while the new version runs."""
    unplug = {"type": "command", "argv": ["mv", "{root}/releases", "{root}/unplugged"]}
    app_fixture = made(post_checks=[unplug, {"type": "command", "argv": ["false"]}])
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert app_fixture.answer() == "1.0.0"
    assert app_fixture.is_clean("1.0.0")


def test_a_member_of_a_set_goes_back_after_its_last_step(tmp_path):
    """It has waited for the others, with all that its way back needs."""
    with GitFixture(tmp_path / "one") as one, GitFixture(tmp_path / "two") as two:
        broken: tuple[tuple[GitFixture, tuple[Trait, ...]], ...] = ((one, ()), (two, ("CRASHES",)))
        for app_fixture, traits in broken:
            app_fixture.publish("1.0.0")
            app_fixture.install("1.0.0")
            app_fixture.publish("1.1.0", *traits)
        whole = one.config
        whole["components"]["two"] = {**two.config["components"]["app"], "depends_on": ["app"]}
        whole["sets"] = {"both": ["app", "two"]}
        results = Updater.from_data(whole).update_set("both")
        assert [str(result.outcome) for result in results] == ["rolled_back"] * 3
        assert (one.version(), two.version()) == ("1.0.0", "1.0.0")


def test_a_set_that_goes_back_leaves_as_many_old_commits_as_are_kept(tmp_path):
    """A member that waits for the others has forgotten none that it could need when it goes back."""
    with GitFixture(tmp_path / "one", retention={"count": 1, "days": 0}) as one, GitFixture(tmp_path / "two") as two:
        for app_fixture in (one, two):
            app_fixture.publish("1.0.0")
            app_fixture.install("1.0.0")
            app_fixture.publish("1.1.0")
        whole = one.config
        whole["components"]["two"] = {**two.config["components"]["app"], "depends_on": ["app"]}
        whole["sets"] = {"both": ["app", "two"]}
        assert Updater.from_data(whole).update_set("both")[0].outcome is Outcome.DONE
        one.publish("1.2.0")
        two.publish("1.2.0", "CRASHES")
        assert Updater.from_data(whole).update_set("both")[0].outcome is Outcome.ROLLED_BACK
        assert Updater.from_data(whole).rollback("app").outcome is Outcome.DONE
        assert one.version() == "1.0.0"


def test_a_way_back_that_is_gone_is_said(tmp_path):
    """Killed between the last removal and the last commit, then cancelled: no success is claimed; a resume ends it."""
    for verb in ("cancel", "resume"):
        with GitFixture(tmp_path / verb) as app_fixture:
            app_fixture.publish("1.0.0")
            app_fixture.install("1.0.0")
            app_fixture.publish("1.1.0")
            with crash_at(0, only="git.tidy.removed"), pytest.raises(Crash):
                app_fixture.updater().update("app")
            if verb == "cancel":
                result = app_fixture.updater().cancel("app")
                assert result.outcome == "failed"
                assert "what was saved for going back is gone" in result.reason
            else:
                assert [each.outcome for each in app_fixture.updater().resume()] == ["done"]
            assert app_fixture.version() == "1.1.0"
