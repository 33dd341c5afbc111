"""Scenarios of git checkouts for the crash matrix."""

from __future__ import annotations

import os
import time
from typing import Any, Final

from tests.bed import write
from tests.gitbed import GitBed, git


def _history(bed: GitBed, *, library: bool = False) -> None:
    """A checkout that was updated once, so that an old commit is kept, and that has local files."""
    bed.publish("0.9.0")
    bed.install("0.9.0")
    bed.furnish()
    bed.start()
    if library:
        bed.library("lib", "1")
        bed.publish_with_library("1.0.0")
    else:
        bed.publish("1.0.0")
    assert bed.updater().update("app").outcome == "done"
    bed.stop()
    write(bed.live / "local.txt", b"nobody knows of this file either\n")


def good(bed: GitBed) -> None:
    """A better commit is there."""
    _history(bed)
    bed.publish("1.1.0", extra={"new/file": b"new\n", "lib/same.txt": None})


def broken(bed: GitBed) -> None:
    """A commit is there that fails its checks after it has written something."""
    _history(bed)
    bed.publish("1.1.0", "BROKEN", extra={"new/file": b"new\n", "lib/same.txt": None})


def first(bed: GitBed) -> None:
    """Nothing is installed."""
    bed.publish("1.1.0")


def first_broken(bed: GitBed) -> None:
    """Nothing is installed, and the only commit is broken."""
    bed.publish("1.1.0", "BROKEN")


def _adopted(bed: GitBed) -> None:
    """The files are there, without a repository, and one of them is changed."""
    bed.publish("1.0.0")
    bed.install("1.0.0")
    bed.furnish()
    write(bed.live / "local.txt", b"nobody knows of this file either\n")
    write(bed.live / "lib/names.txt", b"changed here\n")
    (bed.live / ".git").rename(bed.root / "former.git")


def adopted_broken(bed: GitBed) -> None:
    """A broken commit."""
    _adopted(bed)
    bed.publish("1.1.0", "BROKEN")


def _rich(bed: GitBed) -> None:
    """Changed files, a stale lock, an empty object, a missing copy, products of a build."""
    bed.install("0.9.0")
    bed.furnish()
    bed.start()
    bed.publish("1.0.0", extra={"agent/main": b"main\n"})
    assert bed.updater().update("app").outcome == "done"
    bed.stop()
    (bed.live / "agent/.env").unlink()
    write(bed.live / "local.txt", b"nobody knows of this file either\n")
    write(bed.live / "lib/names.txt", b"changed here\n")
    for name in ("index.lock", "refs/heads/main.lock"):
        lock = bed.live / ".git" / name
        lock.touch()
        os.utime(lock, (time.time() - 3600,) * 2)
    empty = bed.live / ".git/objects/ab" / ("c" * 38)
    empty.parent.mkdir(exist_ok=True)
    empty.touch()


def rich(bed: GitBed) -> None:
    """A better commit."""
    bed.publish("0.9.0")
    _rich(bed)
    bed.publish("1.1.0", extra={"agent/main": b"main\n"})


def rich_broken(bed: GitBed) -> None:
    """A broken one, whose check changes a tracked file."""
    bed.publish("0.9.0")
    _rich(bed)
    bed.publish("1.1.0", "BROKEN", extra={"agent/main": b"main\n"})


def submodule(bed: GitBed) -> None:
    """A commit that brings a submodule."""
    _history(bed)
    bed.library("lib", "1")
    bed.publish_with_library("1.1.0")


def submodule_broken(bed: GitBed) -> None:
    """The same, but it fails."""
    _history(bed)
    bed.library("lib", "1")
    bed.publish_with_library("1.1.0", "BROKEN")


def submodule_moved_broken(bed: GitBed) -> None:
    """A submodule goes to another commit, and back to the one that somebody made here."""
    _history(bed, library=True)
    write(bed.live / "vendor/lib/mine.txt", b"mine\n")
    git(bed.live / "vendor/lib", "add", ".")
    git(bed.live / "vendor/lib", "commit", "--quiet", "-m", "mine")
    bed.library("lib", "2", extra={"new.txt": b"new\n"})
    bed.publish_with_library("1.1.0", "BROKEN")


def tagged_broken(bed: GitBed) -> None:
    """A release by tag that fails."""
    good(bed)
    bed.publish("1.2.0", "BROKEN")


FROM_LIBRARY: Final = ["sh", "-c", "mkdir -p dist && cp vendor/lib/VERSION dist/"]
PLAIN: Final[dict[str, Any]] = {"settle_seconds": 0, "keep": 1}
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

SCENARIOS: Final[dict[str, dict[str, Any]]] = {
    "git-update": {"verb": "update", "prepare": good, "outcome": "done", "version": "1.1.0", "bed": PLAIN},
    "git-broken": {"verb": "update", "prepare": broken, "outcome": "rolled_back", "version": "1.0.0", "bed": PLAIN},
    "git-rollback": {
        "verb": "rollback",
        "prepare": good,
        "outcome": "done",
        "version": "0.9.0",
        "bed": PLAIN,
        "only": ("git.", "step."),
    },
    "git-first": {
        "verb": "update",
        "prepare": first,
        "outcome": "done",
        "version": "1.1.0",
        "before": None,
        "bed": PLAIN,
        "only": ("git.", "step."),
    },
    "git-first-broken": {
        "verb": "update",
        "prepare": first_broken,
        "outcome": "rolled_back",
        "version": None,
        "before": None,
        "bed": PLAIN,
        "only": ("git.", "step."),
    },
    "git-rich": {
        "verb": "update",
        "prepare": rich,
        "outcome": "done",
        "version": "1.1.0",
        "bed": RICH,
        "only": ("git.",),
    },
    "git-rich-broken": {
        "verb": "update",
        "prepare": rich_broken,
        "outcome": "rolled_back",
        "version": "1.0.0",
        "bed": {**RICH, "post_checks": [{"type": "command", "argv": SPOILING}]},
        "only": ("git.",),
        "changed": "M lib/names.txt",
    },
    "git-here-broken": {
        "verb": "update",
        "prepare": rich_broken,
        "outcome": "rolled_back",
        "version": "1.0.0",
        "bed": {**RICH, "build": HERE},
        "only": ("git.build", "git.products", "git.reset"),
        "changed": "M lib/names.txt",
    },
    "git-submodule": {
        "verb": "update",
        "prepare": submodule,
        "outcome": "done",
        "version": "1.1.0",
        "bed": PLAIN,
        "only": ("git.submodule", "git.reset", "git.fetch"),
    },
    "git-submodule-broken": {
        "verb": "update",
        "prepare": submodule_broken,
        "outcome": "rolled_back",
        "version": "1.0.0",
        "bed": PLAIN,
        "only": ("git.submodule", "git.reset", "git.fetch"),
    },
    "git-submodule-moved-broken": {
        "verb": "update",
        "prepare": submodule_moved_broken,
        "outcome": "rolled_back",
        "version": "1.0.0",
        "bed": {**PLAIN, "local_changes": "save", "build": {"command": FROM_LIBRARY, "products": ["dist"]}},
        "only": ("git.submodule", "git.reset"),
        "changed": "M vendor/lib",
    },
    "git-tags-broken": {
        "verb": "update",
        "prepare": tagged_broken,
        "outcome": "rolled_back",
        "version": "1.0.0",
        "bed": {**PLAIN, "source": TAGS},
        "only": ("git.fetch",),
    },
}
