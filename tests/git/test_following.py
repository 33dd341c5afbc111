"""What the rest of the updater makes of versions that are commits."""

from __future__ import annotations

import pytest

from fsm.errors import BlockedBy
from fsm.host.selection import Objection, is_prerelease, select, supersedes
from fsm.sources.base import Announced
from fsm.sources.git import commit_version, tag_version
from fsm.versions import Version

OLD, NEW = commit_version("a" * 40), commit_version("0" * 40)
"""By their digits the new one would be lower."""


def head(version: Version) -> Announced:
    """Where main is."""
    return Announced(version=version, tag="main", commit="0" * 40, head=True)


def chosen(installed: Version | None, **given: object) -> tuple[Version | None, str]:
    """What is chosen of a branch, and why."""
    keys = {"prereleases": False, "pin": None, "against": lambda version: None, **given}
    found = select((head(NEW),), installed=installed, **keys)  # type: ignore[arg-type]
    return (found.chosen.version if found.chosen else None), found.reason


def test_a_branch_is_followed_whatever_the_digits_say():
    """It needs no choice of pre-releases, and is never called newer or older."""
    assert chosen(OLD) == (NEW, f"main is at {NEW}, installed is {OLD}")
    assert chosen(NEW) == (None, f"{NEW} is where main is")
    assert chosen(Version("1.0.0"))[0] == NEW
    assert chosen(None) == (NEW, f"the installed version is unknown, {NEW} is where main is")
    assert not is_prerelease(head(NEW))
    assert supersedes(head(NEW), OLD)
    assert not supersedes(head(NEW), NEW)


def test_pins_and_quarantine_hold_for_commits():
    """A pin to the installed commit keeps it; one that failed is passed over."""
    assert chosen(OLD, pin=str(OLD))[0] is None
    assert chosen(OLD, pin=str(NEW))[0] == NEW
    there, why = chosen(OLD, against=lambda version: Objection(BlockedBy.QUARANTINED, "it has failed here 1 time"))
    assert there is None
    assert why == f"{OLD} stays; skipped {NEW}: it has failed here 1 time"
    assert chosen(OLD, wanted=NEW)[0] == NEW


def test_commits_are_versions_of_their_own():
    """Different digits are different versions, and the text survives."""
    assert OLD != NEW
    assert str(commit_version("1a2b3c4d5e6f7890" + "0" * 24)) == "0-g1a2b3c4d5e6f"
    assert OLD.canonical == str(OLD)


@pytest.mark.parametrize(
    ("pattern", "tag", "version"),
    [
        ("v*", "v1.2.3", "1.2.3"),
        ("*", "1.2.3", "1.2.3"),
        ("web/v*", "web/v2", "2"),
        ("v*-lts", "v2-lts", "2"),
        ("v*", "1.2.3", None),
        ("v*", "v", None),
        ("v*", "vNext", None),
        ("web/v*", "api/v2", None),
    ],
)
def test_what_a_tag_names(pattern, tag, version):
    """The ``*`` stands for the version."""
    assert tag_version(pattern, tag) == (None if version is None else Version(version))


def test_status_tells_of_what_the_last_check_found(made):
    """From the journal, without asking the remote."""
    app_fixture = made()
    app_fixture.updater().check("app")
    (status,) = app_fixture.updater().status()
    assert (status.latest, status.update_available) == (app_fixture.version_of("1.1.0"), True)
    app_fixture.updater().update("app")
    app_fixture.updater().check("app", force=True)
    (status,) = app_fixture.updater().status()
    assert (status.installed, status.update_available) == (app_fixture.version_of("1.1.0"), False)
