"""Scenarios of git checkouts for the crash matrix."""

from __future__ import annotations

import os
import time
from typing import Any, Final

from tests.app_fixture import write
from tests.git_fixture import GitFixture, git


def _history(app_fixture: GitFixture, *, library: bool = False) -> None:
    """A checkout that was updated once, so that an old commit is kept, and that has local files."""
    app_fixture.publish("0.9.0")
    app_fixture.install("0.9.0")
    app_fixture.furnish()
    app_fixture.start()
    if library:
        app_fixture.library("lib", "1")
        app_fixture.publish_with_library("1.0.0")
    else:
        app_fixture.publish("1.0.0")
    assert app_fixture.updater().update("app").outcome == "done"
    app_fixture.stop()
    write(app_fixture.live / "local.txt", b"nobody knows of this file either\n")


def good(app_fixture: GitFixture) -> None:
    """A better commit is there."""
    _history(app_fixture)
    app_fixture.publish("1.1.0", extra={"new/file": b"new\n", "lib/same.txt": None})


def broken(app_fixture: GitFixture) -> None:
    """A commit is there that fails its checks after it has written something."""
    _history(app_fixture)
    app_fixture.publish("1.1.0", "BROKEN", extra={"new/file": b"new\n", "lib/same.txt": None})


def first(app_fixture: GitFixture) -> None:
    """Nothing is installed."""
    app_fixture.publish("1.1.0")


def first_broken(app_fixture: GitFixture) -> None:
    """Nothing is installed, and the only commit is broken."""
    app_fixture.publish("1.1.0", "BROKEN")


def _adopted(app_fixture: GitFixture) -> None:
    """The files are there, without a repository, and one of them is changed."""
    app_fixture.publish("1.0.0")
    app_fixture.install("1.0.0")
    app_fixture.furnish()
    write(app_fixture.live / "local.txt", b"nobody knows of this file either\n")
    write(app_fixture.live / "lib/names.txt", b"changed here\n")
    (app_fixture.live / ".git").rename(app_fixture.root / "former.git")


def adopted_broken(app_fixture: GitFixture) -> None:
    """A broken commit."""
    _adopted(app_fixture)
    app_fixture.publish("1.1.0", "BROKEN")


def _rich(app_fixture: GitFixture) -> None:
    """Changed files, a stale lock, an empty object, a missing copy, products of a build."""
    app_fixture.install("0.9.0")
    app_fixture.furnish()
    app_fixture.start()
    app_fixture.publish("1.0.0", extra={"agent/main": b"main\n"})
    assert app_fixture.updater().update("app").outcome == "done"
    app_fixture.stop()
    (app_fixture.live / "agent/.env").unlink()
    write(app_fixture.live / "local.txt", b"nobody knows of this file either\n")
    write(app_fixture.live / "lib/names.txt", b"changed here\n")
    for name in ("index.lock", "refs/heads/main.lock"):
        lock = app_fixture.live / ".git" / name
        lock.touch()
        os.utime(lock, (time.time() - 3600,) * 2)
    empty = app_fixture.live / ".git/objects/ab" / ("c" * 38)
    empty.parent.mkdir(exist_ok=True)
    empty.touch()


def rich(app_fixture: GitFixture) -> None:
    """A better commit."""
    app_fixture.publish("0.9.0")
    _rich(app_fixture)
    app_fixture.publish("1.1.0", extra={"agent/main": b"main\n"})


def rich_broken(app_fixture: GitFixture) -> None:
    """A broken one, whose check changes a tracked file."""
    app_fixture.publish("0.9.0")
    _rich(app_fixture)
    app_fixture.publish("1.1.0", "BROKEN", extra={"agent/main": b"main\n"})


def submodule(app_fixture: GitFixture) -> None:
    """A commit that brings a submodule."""
    _history(app_fixture)
    app_fixture.library("lib", "1")
    app_fixture.publish_with_library("1.1.0")


def submodule_broken(app_fixture: GitFixture) -> None:
    """The same, but it fails."""
    _history(app_fixture)
    app_fixture.library("lib", "1")
    app_fixture.publish_with_library("1.1.0", "BROKEN")


def submodule_moved_broken(app_fixture: GitFixture) -> None:
    """A submodule goes to another commit, and back to the one that somebody made here."""
    _history(app_fixture, library=True)
    write(app_fixture.live / "vendor/lib/mine.txt", b"mine\n")
    git(app_fixture.live / "vendor/lib", "add", ".")
    git(app_fixture.live / "vendor/lib", "commit", "--quiet", "-m", "mine")
    app_fixture.library("lib", "2", extra={"new.txt": b"new\n"})
    app_fixture.publish_with_library("1.1.0", "BROKEN")


def tagged_broken(app_fixture: GitFixture) -> None:
    """A release by tag that fails."""
    good(app_fixture)
    app_fixture.publish("1.2.0", "BROKEN")


FROM_LIBRARY: Final = ["sh", "-c", "mkdir -p dist && cp vendor/lib/VERSION dist/"]
PLAIN: Final[dict[str, Any]] = {"settle_seconds": 0, "retention": {"count": 1, "days": 0}}
RICH: Final[dict[str, Any]] = {
    **PLAIN,
    "local_changes": "save",
    "preserve": [".env", "agent/.env", "data/"],
    "copies": {"agent/.env": ".env"},
    "build": {"command": ["sh", "-c", "rm -rf dist; mkdir dist; cp VERSION dist/"], "products": ["dist"]},
    "lock_wait": 0.05,
}
SPOILING: Final = ["sh", "-c", "cd {live}; test ! -e BROKEN || { echo spoilt > serve.py; exit 1; }"]
HERE: Final = {**RICH["build"], "where": "checkout"}
TAGS: Final = {"type": "git", "allow_unsigned": True, "url": "{root}/releases", "tags": "v*"}

SHARED: Final = ("stop_service.", "start_service.", "tidy.")
"""Points of the kit, to which a checkout comes as well as an app."""

SCENARIOS: Final[dict[str, dict[str, Any]]] = {
    "git-update": {"verb": "update", "prepare": good, "outcome": "done", "version": "1.1.0", "options": PLAIN},
    "git-broken": {
        "verb": "update",
        "prepare": broken,
        "outcome": "rolled_back",
        "version": "1.0.0",
        "options": PLAIN,
    },
    "git-rollback": {
        "verb": "rollback",
        "prepare": good,
        "outcome": "done",
        "version": "0.9.0",
        "options": PLAIN,
        "only": ("git.", "step.", *SHARED),
    },
    "git-first": {
        "verb": "update",
        "prepare": first,
        "outcome": "done",
        "version": "1.1.0",
        "before": None,
        "options": PLAIN,
        "only": ("git.", "step.", *SHARED),
    },
    "git-first-broken": {
        "verb": "update",
        "prepare": first_broken,
        "outcome": "rolled_back",
        "version": None,
        "before": None,
        "options": PLAIN,
        "only": ("git.", "step.", *SHARED),
    },
    "git-rich": {
        "verb": "update",
        "prepare": rich,
        "outcome": "done",
        "version": "1.1.0",
        "options": RICH,
        "only": ("git.", *SHARED),
    },
    "git-rich-broken": {
        "verb": "update",
        "prepare": rich_broken,
        "outcome": "rolled_back",
        "version": "1.0.0",
        "options": {**RICH, "post_checks": [{"type": "command", "argv": SPOILING}]},
        "only": ("git.", *SHARED),
        "changed": "M lib/names.txt",
    },
    "git-here-broken": {
        "verb": "update",
        "prepare": rich_broken,
        "outcome": "rolled_back",
        "version": "1.0.0",
        "options": {**RICH, "build": HERE},
        "only": ("git.build", "git.products", "git.reset"),
        "changed": "M lib/names.txt",
    },
    "git-submodule": {
        "verb": "update",
        "prepare": submodule,
        "outcome": "done",
        "version": "1.1.0",
        "options": PLAIN,
        "only": ("git.submodule", "git.reset", "git.fetch"),
    },
    "git-submodule-broken": {
        "verb": "update",
        "prepare": submodule_broken,
        "outcome": "rolled_back",
        "version": "1.0.0",
        "options": PLAIN,
        "only": ("git.submodule", "git.reset", "git.fetch"),
    },
    "git-submodule-moved-broken": {
        "verb": "update",
        "prepare": submodule_moved_broken,
        "outcome": "rolled_back",
        "version": "1.0.0",
        "options": {**PLAIN, "local_changes": "save", "build": {"command": FROM_LIBRARY, "products": ["dist"]}},
        "only": ("git.submodule", "git.reset"),
        "changed": "M vendor/lib",
        "publish": GitFixture.publish_with_library,
    },
    "git-tags-broken": {
        "verb": "update",
        "prepare": tagged_broken,
        "outcome": "rolled_back",
        "version": "1.0.0",
        "options": {**PLAIN, "source": TAGS},
        "only": ("git.fetch",),
    },
}
