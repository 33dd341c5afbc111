"""Where git has a file or a directory, this host has something else: it stays, or nothing begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fsm.engine.report import Outcome
from tests.app_fixture import Trait, write
from tests.git_fixture import GitFixture, git

PLACE = {"assets/.keep": b"", "assets/list.txt": b"given\n"}

LINK, FILE, DIRECTORY = "link", "file", "directory"


def replace(app_fixture: GitFixture, what: str) -> Path:
    """Put something else where 1.1.0 has ``assets/``, or ``assets/list.txt``; returns it."""
    if what == DIRECTORY:
        (app_fixture.live / "assets/list.txt").unlink()
        write(app_fixture.live / "assets/list.txt/mine", b"mine\n")
        return app_fixture.live / "assets/list.txt"
    for name in PLACE:
        (app_fixture.live / name).unlink()
    place = app_fixture.live / "assets"
    place.rmdir()
    if what == LINK:
        write(app_fixture.root / "disk/mine", b"mine\n")
        place.symlink_to(app_fixture.root / "disk")
    else:
        write(place, b"mine\n")
    return place


@pytest.fixture
def host(made):
    """Makes a host on 1.1.0, with something in place of what git has, and 1.2.0 published."""

    def make(what: str, *traits: Trait, **given: Any) -> GitFixture:
        app_fixture: GitFixture = made(publish=False, **given)
        app_fixture.publish("1.1.0", extra=PLACE)
        assert app_fixture.updater().update("app").outcome is Outcome.DONE
        replace(app_fixture, what)
        app_fixture.publish("1.2.0", *traits, extra=PLACE)
        return app_fixture

    return make


@pytest.mark.parametrize("traits", [(), ("BROKEN",)])
@pytest.mark.parametrize("what", [LINK, FILE, DIRECTORY])
def test_what_is_preserved_stays(host, what, traits):
    """Forth and back, whatever it is."""
    pattern = "assets/list.txt" if what == DIRECTORY else "assets"
    app_fixture = host(what, *traits, preserve=[".env", "data/", pattern])
    mine = [path for path in app_fixture.inventory().entries if str(path).startswith(pattern)]
    before = app_fixture.inventory()
    result = app_fixture.updater().update("app")
    assert result.outcome is (Outcome.ROLLED_BACK if traits else Outcome.DONE), result
    assert mine
    after = app_fixture.inventory()
    assert [after.entries[path] for path in mine] == [before.entries[path] for path in mine]
    if not traits:
        app_fixture.publish("1.3.0", extra=PLACE | {"assets/new": b"new\n"})
        assert app_fixture.updater().update("app").outcome is Outcome.DONE
        assert [app_fixture.inventory().entries[path] for path in mine] == [before.entries[path] for path in mine]


@pytest.mark.parametrize("local_changes", ["refuse", "save"])
@pytest.mark.parametrize(
    ("what", "pattern"), [(LINK, None), (FILE, None), (DIRECTORY, None), (LINK, "assets/"), (FILE, "assets/")]
)
def test_what_is_not_preserved_is_named_and_not_overwritten(host, what, local_changes, pattern):
    """A patch would have the deletion, and not what stands there; ``assets/`` names no file and no link."""
    app_fixture = host(what, local_changes=local_changes, preserve=[".env", "data/", *([pattern] if pattern else [])])
    before = app_fixture.inventory()
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result
    assert not result.touched
    assert '"assets' in result.reason
    assert not before.compare(app_fixture.inventory())
    assert app_fixture.answer() == "1.1.0"


@pytest.mark.parametrize("pattern", ["store", "store/"])
def test_a_new_directory_where_a_link_stands(made, pattern):
    """Preserved, it stays; ``store/`` names no link."""
    app_fixture = made(publish=False, preserve=[".env", "data/", pattern])
    (app_fixture.live / "store").symlink_to("data")
    app_fixture.publish("1.1.0", extra={"store/.keep": b""})
    result = app_fixture.updater().update("app")
    assert result.outcome is (Outcome.DONE if pattern == "store" else Outcome.REFUSED), result
    assert (app_fixture.live / "store").readlink() == Path("data")


def test_a_nested_repository_in_place_of_a_file(host):
    """Git would remove it with its history."""
    app_fixture = host(DIRECTORY, local_changes="save")
    git(app_fixture.live / "assets/list.txt", "init", "--quiet")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result
    assert (app_fixture.live / "assets/list.txt/.git/HEAD").exists()
