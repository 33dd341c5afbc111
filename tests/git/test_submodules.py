"""Submodules: fetched before the stop, checked out without a network, and back."""

from __future__ import annotations

import pytest

from fsm.report import Outcome
from tests.gitbed import GitBed, git


@pytest.fixture
def bed(made):
    """1.0.0 without a library, 1.1.0 with its first version."""
    bed = made(publish=False)
    bed.library("lib", "1")
    bed.publish_with_library("1.1.0")
    return bed


def test_a_submodule_comes_and_goes_with_its_commit(bed):
    """Added, moved on, rolled back to; the old state after a failure."""
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (bed.live / "vendor/lib/VERSION").read_text() == "1\n"
    assert bed.is_clean("1.1.0")
    bed.library("lib", "2")
    bed.publish_with_library("1.2.0")
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert (bed.live / "vendor/lib/VERSION").read_text() == "2\n"
    bed.library("lib", "3")
    bed.publish_with_library("1.3.0", "BROKEN")
    assert bed.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert (bed.live / "vendor/lib/VERSION").read_text() == "2\n"
    assert bed.is_clean("1.2.0")
    assert bed.updater().rollback("app").outcome is Outcome.DONE
    assert (bed.live / "vendor/lib/VERSION").read_text() == "1\n"
    assert not git(bed.live, "submodule", "status").startswith(("+", "-"))


def test_a_new_submodule_goes_with_a_failed_update(made):
    """Nothing of it is left in the checkout."""
    bed = made(publish=False)
    before = bed.inventory()
    bed.library("lib", "1")
    bed.publish_with_library("1.1.0", "BROKEN")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert "command failed" in result.reason
    assert not before.compare(bed.inventory())
    assert bed.is_clean("1.0.0")


def test_nothing_is_asked_of_the_network_after_the_fetch(bed):
    """Neither by the checkout nor by the undo."""
    assert bed.updater().update("app").outcome is Outcome.DONE
    bed.library("lib", "2")
    bed.publish_with_library("1.2.0")
    flag, away = f"{bed.root}/flag", f"{bed.root}/away"
    network = {
        "manager": "command",
        "start": ["touch", flag],
        "stop": ["sh", "-c", f"rm {flag}; mkdir {away}; mv {bed.releases} {bed.root}/lib.git {away} || true"],
        "status": ["test", "-e", flag],
    }
    (bed.root / "flag").touch()
    process = bed.config["components"]["app"]["services"]["app"]
    both = GitBed(bed.root, services={"network": network, "app": process})
    assert both.updater().update("app").outcome is Outcome.DONE
    assert (bed.live / "vendor/lib/VERSION").read_text() == "2\n"
    (bed.root / "away").rename(bed.root / "back")
    assert both.updater().rollback("app").outcome is Outcome.DONE
    assert (bed.live / "vendor/lib/VERSION").read_text() == "1\n"


def nested(bed: GitBed) -> None:
    """Version 2 of the library, which has one itself."""
    bed.library("inner", "inner 1")
    bed.library("lib", "1")
    author = bed.root / "lib-author"
    git(author, "config", "remote.origin.url", str(bed.root / "lib.git"))
    git(author, "submodule", "--quiet", "add", "../inner.git", "inner")
    git(author, "commit", "--quiet", "-m", "inner")
    bed.library("lib", "2")


def test_nested_submodules(made):
    """A library that has one itself."""
    bed = made(publish=False)
    nested(bed)
    bed.publish_with_library("1.1.0")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (bed.live / "vendor/lib/inner/VERSION").read_text() == "inner 1\n"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://elsewhere.example.org/lib.git", "submodule_hosts does not name elsewhere.example.org"),
        ("ext::sh -c id", "characters"),
        ("https://user:secret@example.org/lib.git", "would end up in logs"),
    ],
)
def test_a_commit_cannot_send_us_to_any_host(bed, url, why):
    """Only to those that the configuration names; the secret is not repeated."""
    text = (bed.author / ".gitmodules").read_text().replace("../lib.git", url)
    (bed.author / ".gitmodules").write_text(text)
    git(bed.author, "add", ".gitmodules")
    bed.commit("1.1.0", rewrite=True)
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert why in result.reason
    assert "user:secret" not in result.model_dump_json()
    assert not result.touched


def test_without_submodules(bed):
    """They are left alone where that is configured."""
    bed = GitBed(bed.root, submodules=False)
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert not (bed.live / "vendor/lib/VERSION").exists()


@pytest.mark.parametrize("name", ["deep/lib.url x", "lib.path x", 'a "b"', "new\nline"])
def test_no_name_hides_a_submodule_from_us(bed, monkeypatch, name):
    """What we do not see, git itself would clone, from any host, between stop and start."""
    log = bed.root / "ssh.log"
    monkeypatch.setenv("GIT_SSH_COMMAND", f"sh -c 'echo called >> {log}; exit 1' --")
    commit = git(bed.root / "lib-author", "rev-parse", "HEAD")
    for key, value in (("path", name), ("url", "ssh://git@elsewhere.example.org/lib.git")):
        git(bed.author, "config", "--file", ".gitmodules", f"submodule.odd.{key}", value)
    git(bed.author, "add", ".gitmodules")
    git(bed.author, "update-index", "--add", "--cacheinfo", f"160000,{commit},{name}")
    bed.commit("1.1.0", rewrite=True)
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result
    assert "submodule_hosts does not name elsewhere.example.org" in result.reason
    assert not result.touched
    assert not log.exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[submodule "vendor/lib"]\n\turl = ../lib.git\n', "says no url of the submodule"),
        ('[submodule "vendor/lib"]\n\tpath = vendor/lib\n', "says no url of the submodule"),
        ("", "says no url of the submodule"),
        ('[submodule "vendor/lib"]\n\tpath\n\turl\n', "says no url of the submodule"),
        ("[submodule\n", "config"),
        ("garbage \0\n", "config"),
    ],
)
def test_what_gitmodules_lacks_is_found_before_the_stop(bed, text, why):
    """With what to do; it is the commit's fault."""
    (bed.author / ".gitmodules").write_text(text)
    git(bed.author, "add", ".gitmodules")
    bed.commit("1.1.0", rewrite=True)
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result
    assert not result.touched
    assert why in result.reason
    assert "submodules = false" in result.todo
    assert bed.answer() == "1.0.0"


@pytest.mark.parametrize("local_changes", ["refuse", "save"])
def test_changed_files_in_a_submodule_are_refused(bed, local_changes):
    """No patch of the checkout has them."""
    bed = GitBed(bed.root, local_changes=local_changes)
    assert bed.updater().update("app").outcome is Outcome.DONE
    (bed.live / "vendor/lib/VERSION").write_text("mine\n")
    bed.library("lib", "2")
    bed.publish_with_library("1.2.0")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result
    assert '"vendor/lib"' in result.reason
    assert (bed.live / "vendor/lib/VERSION").read_text() == "mine\n"


def test_a_submodule_at_another_commit_is_saved(bed):
    """The patch says which; the commit is in its repository."""
    bed = GitBed(bed.root, local_changes="save")
    assert bed.updater().update("app").outcome is Outcome.DONE
    there = bed.live / "vendor/lib"
    git(there, "commit", "--quiet", "--allow-empty", "-m", "mine")
    mine = git(there, "rev-parse", "HEAD")
    bed.library("lib", "2")
    bed.publish_with_library("1.2.0")
    assert bed.updater().update("app").outcome is Outcome.DONE
    assert mine in (bed.work / "saved/2.patch").read_text()
    assert git(there, "cat-file", "-t", mine) == "commit"


@pytest.mark.parametrize("where", ["worktree", "checkout"])
def test_a_build_finds_the_submodules(made, where):
    """Those of the new commit, and theirs; the checkout's own are still the old ones, and stay so if it fails."""
    copy = "mkdir dist && cp vendor/lib/VERSION dist/lib && cp vendor/lib/inner/VERSION dist/inner"
    again = f"rm -rf dist && {copy} && cp {{live}}/vendor/lib/VERSION dist/live && test ! -e BROKEN"
    bed = made(publish=False, build={"command": ["sh", "-c", again], "products": ["dist"], "where": where})
    nested(bed)
    bed = GitBed(bed.root, local_changes="save")
    bed.publish_with_library("1.1.0")
    assert bed.updater().update("app").outcome is Outcome.DONE
    bed = GitBed(bed.root, build={"command": ["sh", "-c", again], "products": ["dist"], "where": where})
    bed.library("lib", "3")
    bed.publish_with_library("1.2.0")
    result = bed.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    read = {name: (bed.live / "dist" / name).read_text() for name in ("lib", "inner", "live")}
    assert read == {"lib": "3\n", "inner": "inner 1\n", "live": "2\n" if where == "worktree" else "3\n"}
    assert not any("submodules" in note for note in result.notes)
    bed.library("lib", "4")
    bed.publish_with_library("1.3.0", "BROKEN")
    assert bed.updater().update("app").outcome is (Outcome.REFUSED if where == "worktree" else Outcome.ROLLED_BACK)
    assert (bed.live / "vendor/lib/VERSION").read_text() == "3\n"
    assert bed.is_clean("1.2.0")
