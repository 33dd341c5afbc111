"""Git checkouts, as they are meant to be used: update, up to date, rolled back, tags, force-pushes, builds."""

from __future__ import annotations

import pytest

from fsm import inventory
from fsm.report import Outcome
from fsm.updater import Updater
from tests.bed import Trait
from tests.gitbed import GitBed, git
from tests.world import Crash, crash_at


def test_a_branch_is_followed(made):
    """Fetched, checked out, verified; the commit is the version."""
    bed = made()
    check = bed.updater().check("app")
    assert (check.installed, check.target) == (bed.version_of("1.0.0"), bed.version_of("1.1.0"))
    assert "main is at" in check.reason
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (result.from_version, result.to_version) == (bed.version_of("1.0.0"), bed.version_of("1.1.0"))
    assert bed.answer() == "1.1.0"
    assert bed.is_clean("1.1.0")
    assert git(bed.live, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert bed.refs() == ["refs/fsm/app/kept/1"]


def test_up_to_date_touches_nothing(made):
    """Not even ``.git``: nothing is fetched, nothing is written, the service is not asked to stop."""
    bed = made(publish=False)
    pids = [who.pid for who in bed.processes()]
    before = inventory.take(bed.live)
    result = bed.updater().update("app")
    assert result.outcome is Outcome.UP_TO_DATE
    assert "is where main is" in result.reason
    assert not before.compare(inventory.take(bed.live))
    assert [who.pid for who in bed.processes()] == pids
    assert not bed.work.exists()


def test_preserved_files_keep_everything(made):
    """Bytes, line ends, mode, owner, also through an update that is rolled back; no copy of a secret stays behind."""
    bed = made()
    before = bed.inventory()
    times = {name: (bed.live / name).stat().st_mtime_ns for name in (".env", "data/log")}
    assert bed.updater().update("app").outcome is Outcome.DONE
    bed.publish("1.2.0", "BROKEN", "WRITES")
    assert bed.updater().update("app").outcome is Outcome.ROLLED_BACK
    after = bed.inventory()
    kept = {path for path in before.entries if path.startswith((".env", "data"))}
    assert {path: before.entries[path][:5] for path in kept} == {path: after.entries[path][:5] for path in kept}
    assert {name: (bed.live / name).stat().st_mtime_ns for name in times} == times
    assert (bed.live / "local.txt").read_bytes() == b"nobody knows of this file\n"
    secret = b"SECRET=1"
    outside = [path for path in bed.work.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert outside == []


def test_a_failed_update_puts_everything_back(made):
    """The old commit, the files, the service; the ref and the work directory of the run are gone."""
    bed = made(publish=False)
    before = bed.inventory()
    bed.publish("1.1.0", "CRASHES", extra={"new/deep/file": b"new\n", "lib/same.txt": None})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert bed.answer() == "1.0.0"
    assert bed.is_clean("1.0.0")
    assert not before.compare(bed.inventory())
    assert bed.refs() == []
    assert not bed.work.exists()


def test_a_rollback_needs_no_network_and_holds(made):
    """To a kept commit, and from there forward again."""
    bed = made(keep=1)
    assert bed.updater().update("app").outcome is Outcome.DONE
    bed.publish("1.2.0")
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert bed.refs() == ["refs/fsm/app/kept/2"]
    bed.releases.rename(bed.root / "unplugged")
    result = bed.updater().rollback("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert bed.answer() == "1.1.0"
    (bed.root / "unplugged").rename(bed.releases)
    assert "held" in bed.updater().update("app").reason
    assert bed.updater().update("app", force=True).outcome is Outcome.DONE
    assert bed.answer() == "1.2.0"


def test_a_version_that_failed_is_not_tried_again_before_upstream_moves(made):
    """Though commits have no order."""
    bed = made(publish=False)
    bed.publish("1.1.0", "BROKEN")
    assert bed.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert "failed here" in bed.updater().update("app").reason
    bed.publish("1.2.0")
    assert bed.updater().update("app").outcome is Outcome.DONE


@pytest.mark.parametrize("annotated", [False, True])
def test_tags_are_versions(made, annotated):
    """The highest one wins; a tag that is no version is said; HEAD without a tag is unknown."""
    bed = made(source={"type": "git", "allow_unsigned": True, "url": "{root}/releases", "tags": "v*"})
    git(bed.author, "tag", "--force", *(["-m", "notes"] if annotated else []), "v1.10.0", "v1.1.0")
    git(bed.author, "tag", "vNext", "v1.0.0")
    git(bed.author, "push", "--quiet", "--force", str(bed.releases), "v1.10.0", "vNext")
    check = bed.updater().check("app")
    assert (check.installed, check.target) == ("1.0.0", "1.10.0")
    assert any("vNext" in warning for warning in check.warnings)
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert bed.head() == bed.released("1.1.0")
    assert bed.updater().check("app", force=True).installed == "1.10.0"
    assert git(bed.live, "cat-file", "-t", "v1.10.0") == ("tag" if annotated else "commit")
    assert bed.updater().rollback("app").outcome is Outcome.DONE
    assert bed.answer() == "1.0.0"
    git(bed.live, "commit", "--quiet", "--allow-empty", "-m", "by hand")
    assert "no tag of the form v*" in bed.updater().check("app", force=True).why_unknown


def test_a_tag_that_failed_is_not_left_behind(made):
    """It was made for this run, and goes with it."""
    bed = made(publish=False, source={"type": "git", "allow_unsigned": True, "url": "{root}/releases", "tags": "v*"})
    bed.publish("1.1.0", "BROKEN")
    assert bed.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert git(bed.live, "tag") == "v1.0.0"


def test_a_rewritten_upstream_is_refused_before_the_stop(made):
    """With both commits named."""
    bed = made()
    assert bed.updater().update("app").outcome is Outcome.DONE
    old = bed.head()
    bed.publish("1.2.0", rewrite=True)
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert not result.touched
    assert "no ancestor" in result.reason
    assert old[:12] in result.reason
    assert bed.head() == old


def test_a_rewritten_upstream_is_followed_where_that_is_wanted(made):
    """The old commit is kept under a ref, through git's garbage collection, and can be rolled back to."""
    bed = made(rewritten="reset")
    assert bed.updater().update("app").outcome is Outcome.DONE
    old = bed.head()
    bed.publish("1.2.0", rewrite=True)
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert any("refs/fsm/app/kept/2" in note for note in result.notes)
    git(bed.live, "reflog", "expire", "--expire=now", "--all")
    git(bed.live, "gc", "--quiet", "--prune=now")
    assert git(bed.live, "rev-parse", "refs/fsm/app/kept/2") == old
    assert bed.updater().rollback("app").outcome is Outcome.DONE
    assert bed.answer() == "1.1.0"


def test_local_commits_count_as_rewritten(made):
    """Somebody mended something on the host: it is not lost without being told."""
    bed = made()
    git(bed.live, "commit", "--quiet", "--allow-empty", "-m", "mended by hand")
    assert "somebody committed here" in bed.updater().update("app").reason


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
    bed = made(publish=False)
    process = bed.config["components"]["app"]["services"]["app"]
    bed = GitBed(bed.root, services={"app": process, "second": second})
    (bed.root / "log").write_text("start second\n")
    pid = bed.processes()[0].pid
    bed.publish("1.1.0")
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert (bed.root / "log").read_text().split("\n")[1:3] == ["stop second", "start second"]
    assert bed.processes()[0].pid != pid
    bed.publish("1.2.0", "CRASHES")
    assert bed.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert (bed.root / "log").read_text().endswith("start second\n")
    assert bed.answer() == "1.1.0"


def test_a_file_is_made_from_its_other_copy(made):
    """Document 000's two .env files; the copy goes when the update is rolled back."""
    bed = made(publish=False, preserve=[".env", "agent/.env", "data/"], copies={"agent/.env": ".env"})
    bed.publish("1.1.0", "BROKEN", extra={"agent/main.py": b"pass\n"})
    before = bed.inventory()
    assert bed.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert not before.compare(bed.inventory())
    bed.publish("1.2.0", extra={"agent/main.py": b"pass\n"})
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE
    assert any("agent/.env was missing" in note for note in result.notes)
    first, second = bed.live / ".env", bed.live / "agent/.env"
    assert first.read_bytes() == second.read_bytes()
    assert (first.stat().st_mode, first.stat().st_uid) == (second.stat().st_mode, second.stat().st_uid)
    first.unlink()
    bed.publish("1.3.0", extra={"agent/main.py": b"pass\n"})
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert first.read_bytes() == second.read_bytes()


def test_a_missing_path_is_cloned_and_a_failure_takes_it_away(made):
    """Nothing is installed yet."""
    bed = made(install=False, publish=False)
    bed.publish("1.1.0", "BROKEN")
    assert bed.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert not bed.live.exists()
    assert not bed.work.exists()
    bed.publish("1.2.0")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert bed.answer() == "1.2.0"
    assert bed.is_clean("1.2.0")
    assert git(bed.live, "remote", "get-url", "origin") == str(bed.releases)
    assert git(bed.live, "config", "--get", "core.worktree", check=False) == ""
    bed.publish("1.3.0")
    assert bed.updater().update("app").outcome is Outcome.DONE


def test_a_path_that_the_new_commit_lacks_is_refused_before_the_stop(made):
    """`required`."""
    bed = made(required=["serve.py", "compose.yaml"])
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "compose.yaml" in result.reason
    assert not result.touched


def test_what_the_new_version_changed_in_tracked_files_is_set_aside(made):
    """A rollback takes it out of the checkout, and drops nothing."""
    spoil = "cd {live}; test ! -e BROKEN || { echo changed > lib/names.txt; exit 1; }"
    bed = made(publish=False, post_checks=[{"type": "command", "argv": ["sh", "-c", spoil]}])
    bed.publish("1.1.0", "BROKEN")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert (bed.work / "aside/1/lib/names.txt").read_text() == "changed\n"
    assert any("aside/1" in note for note in result.notes)
    assert bed.is_clean("1.0.0")


def test_the_undo_needs_no_network(made):
    """The remote goes away while the new version runs."""
    unplug = {"type": "command", "argv": ["mv", "{root}/releases", "{root}/unplugged"]}
    bed = made(post_checks=[unplug, {"type": "command", "argv": ["false"]}])
    assert bed.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert bed.answer() == "1.0.0"
    assert bed.is_clean("1.0.0")


def test_a_member_of_a_set_goes_back_after_its_last_step(tmp_path):
    """It has waited for the others, with all that its way back needs."""
    with GitBed(tmp_path / "one") as one, GitBed(tmp_path / "two") as two:
        broken: tuple[tuple[GitBed, tuple[Trait, ...]], ...] = ((one, ()), (two, ("CRASHES",)))
        for bed, traits in broken:
            bed.publish("1.0.0")
            bed.install("1.0.0")
            bed.publish("1.1.0", *traits)
        whole = one.config
        whole["components"]["two"] = {**two.config["components"]["app"], "depends_on": ["app"]}
        whole["sets"] = {"both": ["app", "two"]}
        results = Updater.from_data(whole).update_set("both")
        assert [str(result.outcome) for result in results] == ["rolled_back"] * 3
        assert (one.version(), two.version()) == ("1.0.0", "1.0.0")


def test_a_set_that_goes_back_leaves_as_many_old_commits_as_are_kept(tmp_path):
    """A member that waits for the others has forgotten none that it could need when it goes back."""
    with GitBed(tmp_path / "one", keep=1) as one, GitBed(tmp_path / "two") as two:
        for bed in (one, two):
            bed.publish("1.0.0")
            bed.install("1.0.0")
            bed.publish("1.1.0")
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
        with GitBed(tmp_path / verb) as bed:
            bed.publish("1.0.0")
            bed.install("1.0.0")
            bed.publish("1.1.0")
            with crash_at(0, only="git.tidy.removed"), pytest.raises(Crash):
                bed.updater().update("app")
            if verb == "cancel":
                result = bed.updater().cancel("app")
                assert result.outcome == "failed"
                assert "what was held for the way back is gone" in result.reason
            else:
                assert [each.outcome for each in bed.updater().resume()] == ["done"]
            assert bed.version() == "1.1.0"
