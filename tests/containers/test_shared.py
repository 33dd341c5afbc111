"""Two components in one compose file: neither waits for the other, and neither takes the other's change back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fsm.engine.report import Outcome
from tests.compose import ComposeFixture
from tests.hosts.images import Trait, publish
from tests.world import Crash, crash_at

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_docker]

COMPOSE = """\
services:
  web:
    image: {image}:1.0.0
    ports: ["127.0.0.1::8080"]
    stop_grace_period: 1s
  db:
    image: {image}-db:1.0.0
    stop_grace_period: 1s
"""


def shop(make, **spec: Any) -> ComposeFixture:
    """A fixture with the components `web` and `db`, each with a service of the same project."""
    app_fixture: ComposeFixture = make(compose=COMPOSE, **spec)
    releases = app_fixture.root / "db-releases"
    source = {"type": "directory", "allow_unsigned": True, "path": str(releases)}
    app_fixture.more["db"] = {"services": ["db"], "image": f"{app_fixture.image}-db", "source": source}
    app_fixture.start()
    release_db(app_fixture, "1.1.0")
    return app_fixture


def release_db(app_fixture: ComposeFixture, version: str, trait: Trait = "good") -> None:
    """Publish a release of `db`."""
    publish(f"{app_fixture.repository}-db", version, trait=trait)
    folder = app_fixture.root / "db-releases" / version
    folder.mkdir(parents=True)
    (folder / "update-manifest.yaml").write_text(json.dumps({"version": version}))


def test_both_at_once(make):
    """Each has its plan, of a file that the other one changes meanwhile."""
    app_fixture = shop(make)
    app_fixture.publish("1.1.0")
    before = app_fixture.file.read_bytes()
    results = app_fixture.updater().update_all()
    assert [result.outcome for result in results] == [Outcome.DONE, Outcome.DONE], results
    assert app_fixture.runs("web") == app_fixture.answers() == app_fixture.runs("db") == "1.1.0"
    assert app_fixture.file.read_bytes() == before.replace(b":1.0.0", b":1.1.0")


@pytest.mark.parametrize("point", ["container.examine.written", "container.edit.renamed", "container.up.ended"])
def test_one_goes_back_and_the_other_stays(make, point):
    """A backup of the compose file that is put back whole would take the other's update back."""
    app_fixture = shop(make)
    app_fixture.publish("1.1.0")
    with crash_at(0, only=point), pytest.raises(Crash):
        app_fixture.updater().update("web")
    assert app_fixture.updater().update("db").outcome is Outcome.DONE
    result = app_fixture.updater().cancel("web")
    assert result.outcome in (Outcome.ROLLED_BACK, Outcome.REFUSED), result
    assert app_fixture.runs("web") == app_fixture.answers() == "1.0.0"
    assert app_fixture.runs("db") == "1.1.0"
    assert app_fixture.file.read_text() == COMPOSE.replace("{image}-db:1.0.0", f"{app_fixture.image}-db:1.1.0").replace(
        "{image}", app_fixture.image
    )
    assert [path.name for path in app_fixture.folder.iterdir()] == [app_fixture.file.name]
    assert app_fixture.updater().update("web", force=True).outcome is Outcome.DONE
    assert app_fixture.runs("web") == app_fixture.runs("db") == "1.1.0"


def test_a_set_that_goes_back_leaves_as_many_old_images_as_retention_says(make):
    """A member that waits for the others has removed none that it could need when it goes back."""
    app_fixture = shop(make, retention={"count": 1, "days": 0.0})
    app_fixture.publish("1.1.0")
    assert app_fixture.updater().update_set(["web", "db"])[0].outcome is Outcome.DONE
    app_fixture.publish("1.2.0")
    release_db(app_fixture, "1.2.0", "crashes")
    assert app_fixture.updater().update_set(["web", "db"])[0].outcome is Outcome.ROLLED_BACK
    assert len(app_fixture.kept()) == 1
    assert app_fixture.updater().rollback("web").outcome is Outcome.DONE
    assert app_fixture.runs() == app_fixture.answers() == "1.0.0"


ONE_IMAGE = """\
services:
  web:
    image: {image}:1.0.0
    stop_grace_period: 1s
    ports: ["127.0.0.1::8080"]
  db:
    image: {image}:1.0.0
    stop_grace_period: 1s
"""


def twins(make, **spec: Any) -> ComposeFixture:
    """A fixture with the components `web` and `db`, whose services have the same image: the same line of the file."""
    app_fixture: ComposeFixture = make(compose=ONE_IMAGE, others="leave")
    app_fixture.more["db"] = {"services": ["db"], "others": "leave", **spec}
    app_fixture.start()
    return app_fixture


def test_two_components_of_one_image_at_once(make):
    """Each knows its own line by the service above it."""
    app_fixture = twins(make)
    before = app_fixture.file.read_bytes()
    app_fixture.publish("1.1.0")
    results = app_fixture.updater().update_all()
    assert [result.outcome for result in results] == [Outcome.DONE, Outcome.DONE], results
    assert app_fixture.runs("web") == app_fixture.answers() == app_fixture.runs("db") == "1.1.0"
    assert app_fixture.file.read_bytes() == before.replace(b":1.0.0", b":1.1.0")


def test_one_of_two_of_one_image_goes_back_before_the_other_has_started(make):
    """It leaves the image that it has pulled to the other one; when that goes back as well, nothing is left."""
    app_fixture = twins(make, post_checks=[{"type": "command", "argv": ["false"]}])
    app_fixture.publish("1.1.0")
    for name in ("web", "db"):
        with crash_at(0, only="container.examine.written"), pytest.raises(Crash):
            app_fixture.updater().update(name)
    before = app_fixture.file.read_bytes()
    assert app_fixture.updater().cancel("web").outcome is Outcome.REFUSED
    (result,) = app_fixture.updater().resume()
    assert "command failed" in result.reason, result
    assert app_fixture.file.read_bytes() == before
    assert app_fixture.docker("image", "ls", "--format", "{{.Tag}}", app_fixture.image).split() == ["1.0.0"]
