"""A path is a link in one commit and a directory in the next: forth, back by itself, and back by hand."""

from __future__ import annotations

import pytest

from fsm.engine.report import Outcome
from tests.app_fixture import Trait
from tests.git_fixture import GitFixture, git

STORE = {"store/a": b"a\n", "store/deep/b": b"b\n"}
OTHER = {"other/a": b"a\n", "other/deep/b": b"another\n", "other/c": b"c\n"}
"""What the link leads to has files of the same names."""

LINK, DIRECTORY = "link", "directory"


def publish(app_fixture: GitFixture, version: str, kind: str, *traits: Trait) -> None:
    """A release in which ``store`` is a link to ``other``, or a directory."""
    app_fixture.publish(version, *traits, extra={**OTHER, **(STORE if kind == DIRECTORY else {})})
    if kind == LINK:
        (app_fixture.author / "store").symlink_to("other")
        git(app_fixture.author, "add", "--force", "--all", ".")
        app_fixture.commit(version, rewrite=True)


@pytest.fixture(params=[(LINK, DIRECTORY), (DIRECTORY, LINK)], ids=["link-to-directory", "directory-to-link"])
def host(request, made):
    """Makes a host on 1.1.0, and 1.2.0 with the other kind published."""

    def make(*traits: Trait) -> GitFixture:
        app_fixture: GitFixture = made(publish=False)
        publish(app_fixture, "1.1.0", request.param[0])
        assert app_fixture.updater().update("app").outcome is Outcome.DONE
        publish(app_fixture, "1.2.0", request.param[1], *traits)
        return app_fixture

    return make


def test_forth_and_back(host):
    """An update, and a rollback by hand; everything is git's."""
    app_fixture = host()
    before = app_fixture.inventory()
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result
    assert app_fixture.is_clean("1.2.0")
    result = app_fixture.updater().rollback("app")
    assert result.outcome is Outcome.DONE, result
    assert app_fixture.is_clean("1.1.0")
    assert not before.compare(app_fixture.inventory())


def test_a_broken_release(host):
    """Back by itself."""
    app_fixture = host("BROKEN")
    before = app_fixture.inventory()
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert app_fixture.is_clean("1.1.0")
    assert not before.compare(app_fixture.inventory())


@pytest.mark.parametrize("local_changes", ["refuse", "save"])
def test_a_file_of_a_persons_below_the_directory(made, local_changes):
    """It has no place below a link: named before anything is stopped."""
    app_fixture: GitFixture = made(publish=False, local_changes=local_changes)
    publish(app_fixture, "1.1.0", DIRECTORY)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    (app_fixture.live / "store/mine").write_text("mine\n")
    publish(app_fixture, "1.2.0", LINK)
    before = app_fixture.inventory()
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result
    assert not result.touched
    assert "store/mine" in result.reason
    assert not before.compare(app_fixture.inventory())
