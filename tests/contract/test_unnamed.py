"""What nobody named and an update would take away without a word: links to other disks, environments made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fsm.engine.report import Outcome
from tests.app_fixture import AppFixture
from tests.strategies_archive import Item, tar


def linked_data(app_fixture: AppFixture) -> None:
    """The app's data is on another disk, and `data` leads there."""
    disk = app_fixture.root / "disk"
    (app_fixture.live / "data").rename(disk)
    (app_fixture.live / "data").symlink_to(disk)


def named(notes: tuple[str, ...], name: str) -> bool:
    """Whether a note says that this one stays in the backup."""
    return any(note.startswith("1 local file stays in the backup") and note.endswith(f": {name}") for note in notes)


@pytest.fixture
def app_fixture(root: Path) -> AppFixture:
    """An app that runs, that no updater installed, and whose data nobody named."""
    app_fixture = AppFixture(root, preserve=[".env"])
    app_fixture.install("1.0.0")
    (app_fixture.live / "data").mkdir()
    app_fixture.start()
    return app_fixture


def test_a_link_in_whose_place_a_release_has_a_directory_is_named(app_fixture):
    """By its path alone, the release accounts for it, and the app would begin with empty data without a word."""
    linked_data(app_fixture)
    app_fixture.publish("1.1.0", extra={"data/default": b"empty"})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE
    assert named(result.notes, "data"), result.notes


def test_such_a_link_stops_an_update_that_is_to_refuse(app_fixture):
    """Before anything is stopped."""
    linked_data(app_fixture)
    app_fixture.publish("1.1.0", extra={"data/default": b"empty"})
    strict = AppFixture(app_fixture.root, preserve=[".env"], unlisted="refuse")
    refused = strict.updater().update("app")
    assert refused.outcome is not Outcome.DONE
    assert "1 local file" in refused.reason
    assert (app_fixture.live / "data").is_symlink()
    assert app_fixture.answer() == "1.0.0"


@pytest.mark.parametrize("older_record", [False, True])
def test_a_link_in_place_of_what_the_installed_release_brought_is_named(root, older_record):
    """Also where the record is from before kinds were recorded; the plan says it before."""
    app_fixture = AppFixture(root, preserve=[".env"])
    app_fixture.publish("1.0.0", extra={"data/default": b"empty"})
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    if older_record:
        forget_kinds(app_fixture)
    linked_data(app_fixture)
    app_fixture.publish("1.1.0", extra={"data/default": b"empty"})
    assert any("1 local file" in note and ": data;" in note for note in app_fixture.updater().plan("app").notes)
    assert named(app_fixture.updater().update("app").notes, "data")


def forget_kinds(app_fixture: AppFixture) -> None:
    """The record as former versions of the updater wrote it."""
    path = app_fixture.work / "installed.json"
    record = json.loads(path.read_text())
    del record["kinds"]
    path.write_text(json.dumps(record))


def publish_with_link(app_fixture: AppFixture, version: str) -> None:
    """A release that brings a link, which leads elsewhere in each of them."""
    items = [Item(name, content=data) for name, data in app_fixture.files(version).items()]
    packed = tar([*items, Item("current", "2", target=f"lib/{version}")])
    app_fixture.publish_file(version, f"app-{version}.tar", packed)


@pytest.mark.parametrize("back", [False, True])
def test_a_link_that_leads_elsewhere_than_the_releases_own_is_named(root, back):
    """A link that releases bring and change is theirs, also after a rollback; a person's in its place is not."""
    app_fixture = AppFixture(root, preserve=[".env"])
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        publish_with_link(app_fixture, version)
        result = app_fixture.updater().update("app")
        assert result.outcome is Outcome.DONE
        assert not any("local file" in note for note in result.notes), result.notes
    if back:
        assert app_fixture.updater().rollback("app").outcome is Outcome.DONE
    (app_fixture.live / "current").unlink()
    (app_fixture.live / "current").symlink_to("/srv/mine")
    publish_with_link(app_fixture, "1.3.0")
    assert named(app_fixture.updater().update("app", force=True).notes, "current")


@pytest.mark.parametrize("shape", ["directory", "link"])
def test_an_environment_made_by_hand_is_named(app_fixture, shape):
    """What somebody installed there by hand is in no release."""
    by_hand = app_fixture.live / ".venv"
    made = by_hand if shape == "directory" else app_fixture.root / "venvs"
    (made / "lib").mkdir(parents=True)
    (made / "lib/__editable__.pth").write_text("/home/me/src\n")
    if shape == "link":
        by_hand.symlink_to(made)
    app_fixture.publish("1.1.0", extra={"requirements.txt": b""})
    strict = AppFixture(app_fixture.root, preserve=[".env"], unlisted="refuse")
    assert ".venv" in strict.updater().update("app").reason
    result = app_fixture.updater().update("app", force=True)
    assert result.outcome is Outcome.DONE
    assert named(result.notes, ".venv"), result.notes
    app_fixture.publish("1.2.0", extra={"requirements.txt": b""})
    result = app_fixture.updater().update("app")
    assert not any("local file" in note for note in result.notes), "the updater's own is nobody's"
