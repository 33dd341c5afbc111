"""Submodules: fetched before the stop, checked out without a network, and back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fsm.engine.report import Outcome
from tests.git_fixture import GitFixture, git
from tests.world import Crash, crash_at


@pytest.fixture
def app_fixture(made):
    """1.0.0 without a library, 1.1.0 with its first version."""
    app_fixture = made(publish=False)
    app_fixture.library("lib", "1")
    app_fixture.publish_with_library("1.1.0")
    return app_fixture


def test_a_submodule_comes_and_goes_with_its_commit(app_fixture):
    """Added, moved on, rolled back to; the old state after a failure."""
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (app_fixture.live / "vendor/lib/VERSION").read_text() == "1\n"
    assert app_fixture.is_clean("1.1.0")
    app_fixture.library("lib", "2")
    app_fixture.publish_with_library("1.2.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / "vendor/lib/VERSION").read_text() == "2\n"
    app_fixture.library("lib", "3")
    app_fixture.publish_with_library("1.3.0", "BROKEN")
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    assert (app_fixture.live / "vendor/lib/VERSION").read_text() == "2\n"
    assert app_fixture.is_clean("1.2.0")
    assert app_fixture.updater().rollback("app").outcome is Outcome.DONE
    assert (app_fixture.live / "vendor/lib/VERSION").read_text() == "1\n"
    assert not git(app_fixture.live, "submodule", "status").startswith(("+", "-"))


def test_a_new_submodule_goes_with_a_failed_update(made):
    """Nothing of it is left in the checkout."""
    app_fixture = made(publish=False)
    before = app_fixture.inventory()
    app_fixture.library("lib", "1")
    app_fixture.publish_with_library("1.1.0", "BROKEN")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert "command failed" in result.reason
    assert not before.compare(app_fixture.inventory())
    assert app_fixture.is_clean("1.0.0")


def test_nothing_is_asked_of_the_network_after_the_fetch(app_fixture):
    """Neither by the checkout nor by the undo."""
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    app_fixture.library("lib", "2")
    app_fixture.publish_with_library("1.2.0")
    flag, away = f"{app_fixture.root}/flag", f"{app_fixture.root}/away"
    network = {
        "manager": "command",
        "start": ["touch", flag],
        "stop": [
            "sh",
            "-c",
            f"rm {flag}; mkdir {away}; mv {app_fixture.releases} {app_fixture.root}/lib.git {away} || true",
        ],
        "status": ["test", "-e", flag],
    }
    (app_fixture.root / "flag").touch()
    process = app_fixture.config["components"]["app"]["services"]["app"]
    both = GitFixture(app_fixture.root, services={"network": network, "app": process})
    assert both.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / "vendor/lib/VERSION").read_text() == "2\n"
    (app_fixture.root / "away").rename(app_fixture.root / "back")
    assert both.updater().rollback("app").outcome is Outcome.DONE
    assert (app_fixture.live / "vendor/lib/VERSION").read_text() == "1\n"


def test_a_server_that_gives_no_commit_by_its_name(app_fixture):
    """All its branches are asked for, and leave no refs, as what is fetched never does."""
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    repository = app_fixture.live / ".git/modules/vendor/lib"
    git(repository, "config", "protocol.version", "0")
    before = git(repository, "for-each-ref")
    app_fixture.library("lib", "2")
    app_fixture.publish_with_library("1.2.0")
    app_fixture.library("lib", "3")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert (app_fixture.live / "vendor/lib/VERSION").read_text() == "2\n"
    assert git(repository, "for-each-ref") == before


def test_a_server_names_no_refs_of_ours(app_fixture):
    """What a hostile one calls a branch is not what git would take for a branch, and for where to write it here."""
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    repository = app_fixture.live / ".git/modules/vendor/lib"
    git(repository, "branch", "mine", "HEAD")
    before = git(repository, "for-each-ref")
    app_fixture.library("lib", "2")
    with plain_files(app_fixture.root) as url:
        app_fixture.publish_with_library("1.2.0", url=f"{url}/lib.git")
        app_fixture.library("lib", "3")
        far = app_fixture.root / "lib.git"
        commit = (far / "refs/heads/main").read_text().strip()
        named = ("main", "main:refs/heads/mine", "*:refs/theirs/*")
        (far / "info").mkdir(exist_ok=True)
        (far / "info/refs").write_text("".join(f"{commit}\trefs/heads/{name}\n" for name in named))
        app_fixture = GitFixture(app_fixture.root, submodule_hosts=["127.0.0.1"])
        result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.reason
    assert git(repository, "for-each-ref") == before


@contextmanager
def plain_files(root: Path) -> Iterator[str]:
    """A server that has no commits but by branches; what it says of a repository are the files in there."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.extend([self.path] if self.path.partition("?")[0].endswith("/info/refs") else [])
            super().do_GET() if len(asked) > 1 or asked[-1] == self.path else self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def nested(app_fixture: GitFixture) -> None:
    """Version 2 of the library, which has one itself."""
    app_fixture.library("inner", "inner 1")
    app_fixture.library("lib", "1")
    author = app_fixture.root / "lib-author"
    git(author, "config", "remote.origin.url", str(app_fixture.root / "lib.git"))
    git(author, "submodule", "--quiet", "add", "../inner.git", "inner")
    git(author, "commit", "--quiet", "-m", "inner")
    app_fixture.library("lib", "2")


def test_nested_submodules(made):
    """A library that has one itself."""
    app_fixture = made(publish=False)
    nested(app_fixture)
    app_fixture.publish_with_library("1.1.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (app_fixture.live / "vendor/lib/inner/VERSION").read_text() == "inner 1\n"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://elsewhere.example.org/lib.git", "submodule_hosts does not name elsewhere.example.org"),
        ("ext::sh -c id", "characters"),
        ("https://user:secret@example.org/lib.git", "would end up in logs"),
    ],
)
def test_a_commit_cannot_send_us_to_any_host(app_fixture, url, why):
    """Only to those that the configuration names; the secret is not repeated."""
    text = (app_fixture.author / ".gitmodules").read_text().replace("../lib.git", url)
    (app_fixture.author / ".gitmodules").write_text(text)
    git(app_fixture.author, "add", ".gitmodules")
    app_fixture.commit("1.1.0", rewrite=True)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert why in result.reason
    assert "user:secret" not in result.model_dump_json()
    assert not result.touched


def test_without_submodules(app_fixture):
    """They are left alone where that is configured."""
    app_fixture = GitFixture(app_fixture.root, submodules=False)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert not (app_fixture.live / "vendor/lib/VERSION").exists()


@pytest.mark.parametrize("name", ["deep/lib.url x", "lib.path x", 'a "b"', "new\nline"])
def test_no_name_hides_a_submodule_from_us(app_fixture, monkeypatch, name):
    """What we do not see, git itself would clone, from any host, between stop and start."""
    log = app_fixture.root / "ssh.log"
    monkeypatch.setenv("GIT_SSH_COMMAND", f"sh -c 'echo called >> {log}; exit 1' --")
    commit = git(app_fixture.root / "lib-author", "rev-parse", "HEAD")
    for key, value in (("path", name), ("url", "ssh://git@elsewhere.example.org/lib.git")):
        git(app_fixture.author, "config", "--file", ".gitmodules", f"submodule.odd.{key}", value)
    git(app_fixture.author, "add", ".gitmodules")
    git(app_fixture.author, "update-index", "--add", "--cacheinfo", f"160000,{commit},{name}")
    app_fixture.commit("1.1.0", rewrite=True)
    result = app_fixture.updater().update("app")
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
def test_what_gitmodules_lacks_is_found_before_the_stop(app_fixture, text, why):
    """With what to do; it is the commit's fault."""
    (app_fixture.author / ".gitmodules").write_text(text)
    git(app_fixture.author, "add", ".gitmodules")
    app_fixture.commit("1.1.0", rewrite=True)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result
    assert not result.touched
    assert why in result.reason
    assert "submodules = false" in result.todo
    assert app_fixture.answer() == "1.0.0"


@pytest.mark.parametrize("local_changes", ["refuse", "save"])
def test_changed_files_in_a_submodule_are_refused(app_fixture, local_changes):
    """No patch of the checkout has them."""
    app_fixture = GitFixture(app_fixture.root, local_changes=local_changes)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    (app_fixture.live / "vendor/lib/VERSION").write_text("mine\n")
    app_fixture.library("lib", "2")
    app_fixture.publish_with_library("1.2.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result
    assert '"vendor/lib"' in result.reason
    assert (app_fixture.live / "vendor/lib/VERSION").read_text() == "mine\n"


def test_a_submodule_at_another_commit_is_saved(app_fixture):
    """The patch says which; the commit is in its repository."""
    app_fixture = GitFixture(app_fixture.root, local_changes="save")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    there = app_fixture.live / "vendor/lib"
    git(there, "commit", "--quiet", "--allow-empty", "-m", "mine")
    mine = git(there, "rev-parse", "HEAD")
    app_fixture.library("lib", "2")
    app_fixture.publish_with_library("1.2.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert mine in (app_fixture.work / "saved/2.patch").read_text()
    assert git(there, "cat-file", "-t", mine) == "commit"


def test_a_first_checkout_that_was_cut_short(app_fixture):
    """Git takes such a submodule for checked out, at no commit; killed once more at `git.submodule.disconnected`."""
    for point, go in (("git.reset.done", "update"), ("git.submodule.disconnected", "resume")):
        with crash_at(0, only=point), pytest.raises(Crash):
            app_fixture.updater().update("app") if go == "update" else app_fixture.updater().resume()
        lib = app_fixture.live / "vendor/lib"
        lib.mkdir(parents=True, exist_ok=True)
        (lib / ".git").write_text("gitdir: ../../.git/modules/vendor/lib\n")
        git(app_fixture.live / ".git/modules/vendor/lib", "config", "core.worktree", "../../../../vendor/lib")
    (result,) = app_fixture.updater().resume()
    assert result.outcome is Outcome.DONE, result.headline
    assert (app_fixture.live / "vendor/lib/VERSION").read_text() == "1\n"
    assert app_fixture.is_clean("1.1.0")


def test_a_first_checkout_that_lost_its_pointer_goes_with_a_failed_update(app_fixture):
    """Files of a submodule that are no repository's any more: taken apart to be tried again, which then failed."""
    before = app_fixture.inventory()
    with crash_at(0, only="git.reset.done"), pytest.raises(Crash):
        app_fixture.updater().update("app")
    lib = app_fixture.live / "vendor/lib"
    lib.mkdir(parents=True, exist_ok=True)
    (lib / "VERSION").write_text("1\n")
    assert app_fixture.updater().cancel("app").outcome is Outcome.ROLLED_BACK
    assert not before.compare(app_fixture.inventory())


@pytest.mark.parametrize("point", ["git.reset.unflagged", "git.submodule.checked_out"])
def test_what_a_person_puts_into_a_first_checkout_is_kept(app_fixture, point):
    """Its directory goes with the update that is given up, before git came to it or after."""
    before = app_fixture.inventory()
    with crash_at(0, only=point), pytest.raises(Crash):
        app_fixture.updater().update("app")
    mine = app_fixture.live / "vendor/lib/deep/mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine\n")
    result = app_fixture.updater().cancel("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert not before.compare(app_fixture.inventory())
    [kept] = app_fixture.root.rglob("mine.txt")
    assert kept.read_text() == "mine\n"
    assert not list(kept.parents[1].glob("VERSION")), "what the commit has is no person's"
    assert any(str(kept.parents[3]) in note and "vendor/lib/deep/mine.txt" in note for note in result.notes)


@pytest.mark.parametrize("where", ["worktree", "checkout"])
def test_a_build_finds_the_submodules(made, where):
    """Those of the new commit, and theirs; the checkout's own are still the old ones, and stay so if it fails."""
    copy = "mkdir dist && cp vendor/lib/VERSION dist/lib && cp vendor/lib/inner/VERSION dist/inner"
    again = f"rm -rf dist && {copy} && cp {{live}}/vendor/lib/VERSION dist/live && test ! -e BROKEN"
    app_fixture = made(publish=False, build={"command": ["sh", "-c", again], "products": ["dist"], "where": where})
    nested(app_fixture)
    app_fixture = GitFixture(app_fixture.root, local_changes="save")
    app_fixture.publish_with_library("1.1.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    app_fixture = GitFixture(
        app_fixture.root, build={"command": ["sh", "-c", again], "products": ["dist"], "where": where}
    )
    app_fixture.library("lib", "3")
    app_fixture.publish_with_library("1.2.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    read = {name: (app_fixture.live / "dist" / name).read_text() for name in ("lib", "inner", "live")}
    assert read == {"lib": "3\n", "inner": "inner 1\n", "live": "2\n" if where == "worktree" else "3\n"}
    assert not any("submodules" in note for note in result.notes)
    app_fixture.library("lib", "4")
    app_fixture.publish_with_library("1.3.0", "BROKEN")
    assert app_fixture.updater().update("app").outcome is (
        Outcome.REFUSED if where == "worktree" else Outcome.ROLLED_BACK
    )
    assert (app_fixture.live / "vendor/lib/VERSION").read_text() == "3\n"
    assert app_fixture.is_clean("1.2.0")


@pytest.mark.parametrize(
    ("point", "outcome"), [("git.submodule.checked_out", "done"), ("git.reset.undone", "rolled_back")]
)
def test_what_a_power_cut_has_emptied_is_there_again(app_fixture, point, outcome):
    """Git syncs none of its settings, and those of a person may be among them; before 2.36, nor its index."""
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    app_fixture.library("lib", "2")
    app_fixture.publish_with_library("1.2.0", *(["BROKEN"] if outcome == "rolled_back" else []))
    configs = [app_fixture.live / ".git/config", app_fixture.live / ".git/modules/vendor/lib/config"]
    for config in configs:
        git(config.parent, "config", "user.name", "somebody")
    with crash_at(0, only=point), pytest.raises(Crash):
        app_fixture.updater().update("app")
    for path in (*configs, app_fixture.live / ".git/index"):
        path.write_bytes(b"")
    left = configs[1].with_name(".fsm-tmp-4194999-0")  # of a dead process: above the highest number that Linux gives
    left.touch()
    with crash_at(0, only="git.settings.mended"), pytest.raises(Crash):
        app_fixture.updater().resume()
    (result,) = app_fixture.updater().resume()
    assert result.outcome == outcome
    assert not left.exists()
    for config in configs:
        assert git(config.parent, "config", "user.name") == "somebody"
    assert git(configs[1].parent, "config", "remote.origin.url") == str(app_fixture.root / "lib.git")
