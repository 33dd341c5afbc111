"""Going back when the host is not as it was: names that moved, images that were pruned, files that somebody edited."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

from fsm.engine.progress import EventKind, ProgressEvent
from fsm.engine.report import Outcome
from fsm_container.layout import KEPT
from tests.compose import ComposeFixture
from tests.containers.child import ask
from tests.world import Crash, crash_at

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_docker]

ALONE = "services:\n  web:\n    image: {image}:1.0.0\n    ports: ['127.0.0.1::8080']\n    stop_grace_period: 1s\n"


def image_of(app_fixture: ComposeFixture, service: str = "web") -> str:
    """The id of the image that a service's container was made of."""
    found = app_fixture.container(service)
    assert found is not None
    return str(found["Image"])


def killed(app_fixture: ComposeFixture, point: str) -> dict[str, Any]:
    """Update, killed at a point, and resume in another process."""
    assert ask(app_fixture.config, "update", (point, 1)) is None, f"the update does not come to {point}"
    answer = ask(app_fixture.config, "resume")
    assert answer is not None
    (result,) = answer["results"]
    return dict(result)


def test_the_old_tag_was_pulled_again_since(make):
    """The container's image comes back by its id, whatever its name stands for now; and that the two differ is said."""
    app_fixture = make(compose=ALONE)
    app_fixture.start()
    old = image_of(app_fixture)
    app_fixture.push("1.0.0", "unchecked", keep=True)
    app_fixture.publish("1.1.0", "crashes")
    assert any("names another image by now" in note for note in app_fixture.updater().plan("web").notes)
    result = killed(app_fixture, "container.restore.tagged")
    assert result["outcome"] == "rolled_back", result
    assert image_of(app_fixture) == old
    assert app_fixture.answers() == "1.0.0"


@pytest.fixture(params=[True, False], ids=["tag and digest", "digest"])
def pinned(make, request) -> ComposeFixture:
    """A fixture whose compose file names its image by digest."""
    app_fixture: ComposeFixture = make(compose=ALONE)
    app_fixture.push("1.0.0", keep=True)
    (digest,) = app_fixture.docker.inspect(f"{app_fixture.image}:1.0.0")["RepoDigests"]
    written = f"{app_fixture.image}:1.0.0@{digest.partition('@')[2]}" if request.param else digest
    app_fixture.file.write_text(app_fixture.file.read_text().replace(f"{app_fixture.image}:1.0.0", written))
    app_fixture.compose("up", "-d", "--wait")
    return app_fixture


def forget(app_fixture: ComposeFixture, image: str) -> None:
    """Remove an image's names but that by which it is kept: with the last tag of a repository the digest goes, too."""
    about = app_fixture.docker.inspect(image)
    theirs = [name for name in (*about["RepoTags"], *about["RepoDigests"]) if not name.startswith(KEPT)]
    app_fixture.docker.run("image", "rm", *theirs)
    assert app_fixture.docker.inspect(image)["RepoDigests"] == []


def test_an_update_fails_after_the_engine_has_forgotten_the_digest(pinned):
    """No registry is needed: the image is kept under a name of ours."""
    old, before = image_of(pinned), pinned.file.read_bytes()

    def observe(event: ProgressEvent) -> None:
        if event.step == "examine" and event.kind is EventKind.STEP:
            forget(pinned, old)

    pinned.publish("1.1.0", "crashes")
    result = pinned.updater(observers=[observe]).update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert (image_of(pinned), pinned.answers(), pinned.file.read_bytes()) == (old, "1.0.0", before)


def test_a_rollback_after_the_engine_has_forgotten_the_digest(pinned):
    """As above; the file has its digest again, and the installed version is known."""
    old, before = image_of(pinned), pinned.file.read_bytes()
    pinned.publish("1.1.0")
    assert pinned.updater().update("web").outcome is Outcome.DONE
    forget(pinned, old)
    result = pinned.updater().rollback("web")
    assert result.outcome is Outcome.DONE, result
    assert (image_of(pinned), pinned.answers(), pinned.file.read_bytes()) == (old, "1.0.0", before)
    assert pinned.updater().check("web", force=True).installed == "1.0.0"


def test_a_service_that_did_not_run_before_is_left_so_and_that_is_said(make):
    """`rolled back` would have people believe that it runs."""
    app_fixture = make(compose=ALONE)
    app_fixture.start()
    app_fixture.docker("kill", app_fixture.container("web")["Id"])
    app_fixture.publish("1.1.0", "crashes")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert not app_fixture.container("web")["State"]["Running"]
    assert "web did not run before, and does not now" in result.notes


def test_the_old_image_has_lost_its_name(make):
    """Somebody cleaned up; and it was never pushed, so no registry could bring it back."""
    app_fixture = make(compose=ALONE)
    app_fixture.start()
    old = image_of(app_fixture)
    app_fixture.docker("image", "rm", "--force", f"{app_fixture.image}:1.0.0")
    app_fixture.publish("1.1.0", "crashes")
    app_fixture.docker("image", "prune", "--force", "--filter", f"label=nothing-{app_fixture.project}")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert image_of(app_fixture) == old
    assert app_fixture.docker("image", "inspect", "--format", "{{.Id}}", f"{app_fixture.image}:1.0.0") == old
    assert app_fixture.answers() == "1.0.0"


def test_the_containers_that_were_only_stopped_are_started(make):
    """The very containers: nothing is made anew that need not be."""
    app_fixture = make(compose=ALONE)
    app_fixture.start()
    before = app_fixture.container()
    assert before is not None
    app_fixture.publish("1.1.0")
    with crash_at(0, only="container.edit.renamed"), pytest.raises(Crash):
        app_fixture.updater().update("web")
    app_fixture.docker("stop", before["Id"])
    assert ask(app_fixture.config, "cancel", ("container.restore.started", 1)) is None
    answer = ask(app_fixture.config, "cancel")
    assert answer is not None
    after = app_fixture.container()
    assert after is not None
    assert after["Id"] == before["Id"]
    assert app_fixture.answers() == "1.0.0"


def test_a_first_version_that_does_not_work_leaves_nothing(make):
    """There is nothing to go back to: the container goes."""
    app_fixture = make(compose=ALONE)
    app_fixture.publish("1.1.0", "crashes")
    assert any("has no container" in note for note in app_fixture.updater().plan("web").notes)
    before = app_fixture.file.read_bytes()
    result = killed(app_fixture, "container.restore.removed")
    assert result["outcome"] == "rolled_back", result
    assert app_fixture.names() == []
    assert app_fixture.file.read_bytes() == before
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
    assert app_fixture.answers() == "1.2.0"


def test_the_file_said_something_else_than_what_ran(make):
    """Both are as they were: the file's bytes, and the image that ran."""
    app_fixture = make(compose=ALONE)
    app_fixture.start()
    app_fixture.file.write_text(app_fixture.file.read_text().replace(":1.0.0", ":1.0.5"))
    app_fixture.publish("1.1.0", "crashes")
    before = app_fixture.file.read_bytes()
    assert any("the compose file says" in note for note in app_fixture.updater().plan("web").notes)
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert app_fixture.file.read_bytes() == before
    assert app_fixture.runs() == app_fixture.answers() == "1.0.0"


def test_a_person_edits_the_file_during_the_update(make):
    """Only the image in it goes back; what they wrote stays."""
    app_fixture = make(compose=ALONE)
    app_fixture.start()
    before = app_fixture.file.read_bytes()
    app_fixture.publish("1.1.0")
    with crash_at(0, only="container.up.ended"), pytest.raises(Crash):
        app_fixture.updater().update("web")
    app_fixture.file.write_bytes(app_fixture.file.read_bytes() + b"# mine\n")
    result = app_fixture.updater().cancel("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert app_fixture.file.read_bytes() == before + b"# mine\n"
    assert any("only the image in it went back" in note for note in result.notes)
    assert app_fixture.answers() == "1.0.0"


def test_a_person_edits_the_image_during_the_update(make):
    """What they wrote is set aside and named; it does not get in the way of going back."""
    app_fixture = make(compose=ALONE)
    app_fixture.start()
    before = app_fixture.file.read_bytes()
    app_fixture.publish("1.1.0")
    with crash_at(0, only="container.up.ended"), pytest.raises(Crash):
        app_fixture.updater().update("web")
    app_fixture.file.write_bytes(app_fixture.file.read_bytes().replace(b":1.1.0", b":1.1.0 # mine"))
    result = app_fixture.updater().cancel("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert app_fixture.file.read_bytes() == before
    aside = next(path for path in app_fixture.folder.iterdir() if path.name != app_fixture.file.name)
    assert b"# mine" in aside.read_bytes()
    assert any(str(aside) in note for note in result.notes)
    assert app_fixture.answers() == "1.0.0"


def test_a_person_edits_the_file_before_it_is_changed(make):
    """Another service: it stays, and the update goes on. The image itself: the plan was about another file."""
    app_fixture = make(compose=ALONE)
    app_fixture.start()
    app_fixture.publish("1.1.0")
    with crash_at(0, only="container.examine.written"), pytest.raises(Crash):
        app_fixture.updater().update("web")
    app_fixture.file.write_bytes(app_fixture.file.read_bytes() + b"  other: {image: 'busybox:1'}  # mine\n")
    assert app_fixture.updater().resume()[0].outcome is Outcome.DONE
    assert app_fixture.file.read_bytes().endswith(b"  # mine\n")
    assert app_fixture.answers() == "1.1.0"
    app_fixture.publish("1.2.0")
    with crash_at(0, only="container.examine.written"), pytest.raises(Crash):
        app_fixture.updater().update("web")
    mine = app_fixture.file.read_bytes().replace(b":1.1.0", b":1.1.0 # mine")
    app_fixture.file.write_bytes(mine)
    (result,) = app_fixture.updater().resume()
    assert result.outcome is Outcome.REFUSED, result
    assert "was changed since the plan was made" in result.reason
    assert app_fixture.file.read_bytes() == mine
    assert app_fixture.answers() == "1.1.0"


@pytest.mark.parametrize("name", ["fsm-kept:*", "*:1.1.0"])
def test_an_image_that_could_not_be_named_at_once(make, tmp_path, monkeypatch, name):
    """The engine was away for a moment: the old image would not be kept, the new one not be started."""
    app_fixture = make(compose=ALONE)
    app_fixture.start()
    app_fixture.publish("1.1.0")
    programs = tmp_path / "programs"
    programs.mkdir()
    once = f'case "$1 $2 $4" in "image tag "{name}) mkdir {programs}/once 2>/dev/null && exit 1;; esac'
    (programs / "docker").write_text(f'#!/bin/sh\n{once}\nexec {shutil.which("docker")} "$@"\n')
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.DONE, result
    assert (programs / "once").is_dir()
    assert len(app_fixture.kept()) == 1


@pytest.mark.parametrize(
    ("step", "act", "reason"),
    [
        (
            "edit",
            lambda app_fixture: app_fixture.docker.remove(app_fixture.repository),
            "the new image was removed in the meantime",
        ),
        (
            "verify",
            lambda app_fixture: app_fixture.compose("down"),
            "what is running was changed by somebody else: there is no container of web",
        ),
    ],
)
def test_somebody_takes_away_what_is_new(make, step, act, reason):
    """A prune, or a person, between two steps: the release is not to blame, and is tried again."""
    app_fixture = make(compose=ALONE)
    app_fixture.start()
    app_fixture.publish("1.1.0")

    def observe(event: ProgressEvent) -> None:
        if event.step == step and event.kind is EventKind.STEP:
            act(app_fixture)

    result = app_fixture.updater(observers=[observe]).update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert reason in result.reason
    assert app_fixture.answers() == "1.0.0"
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
