"""Two components in one compose file: neither waits for the other, and neither takes the other's change back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fsm.report import Outcome
from tests.compose import ComposeBed
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


def shop(make, **spec: Any) -> ComposeBed:
    """A bed with the components `web` and `db`, each with a service of the same project."""
    bed: ComposeBed = make(compose=COMPOSE, **spec)
    releases = bed.root / "db-releases"
    source = {"type": "directory", "allow_unsigned": True, "path": str(releases)}
    bed.more["db"] = {"services": ["db"], "image": f"{bed.image}-db", "source": source}
    bed.start()
    release_db(bed, "1.1.0")
    return bed


def release_db(bed: ComposeBed, version: str, trait: Trait = "good") -> None:
    """Publish a release of `db`."""
    publish(f"{bed.repository}-db", version, trait=trait)
    folder = bed.root / "db-releases" / version
    folder.mkdir(parents=True)
    (folder / "update-manifest.yaml").write_text(json.dumps({"version": version}))


def test_both_at_once(make):
    """Each has its plan, of a file that the other one changes meanwhile."""
    bed = shop(make)
    bed.publish("1.1.0")
    before = bed.file.read_bytes()
    results = bed.updater().update_all()
    assert [result.outcome for result in results] == [Outcome.DONE, Outcome.DONE], results
    assert bed.runs("web") == bed.answers() == bed.runs("db") == "1.1.0"
    assert bed.file.read_bytes() == before.replace(b":1.0.0", b":1.1.0")


@pytest.mark.parametrize("point", ["container.stage.written", "container.edit.renamed", "container.up.ended"])
def test_one_goes_back_and_the_other_stays(make, point):
    """A backup of the compose file that is put back whole would take the other's update back."""
    bed = shop(make)
    bed.publish("1.1.0")
    with crash_at(0, only=point), pytest.raises(Crash):
        bed.updater().update("web")
    assert bed.updater().update("db").outcome is Outcome.DONE
    result = bed.updater().cancel("web")
    assert result.outcome in (Outcome.ROLLED_BACK, Outcome.REFUSED), result
    assert bed.runs("web") == bed.answers() == "1.0.0"
    assert bed.runs("db") == "1.1.0"
    assert bed.file.read_text() == COMPOSE.replace("{image}-db:1.0.0", f"{bed.image}-db:1.1.0").replace(
        "{image}", bed.image
    )
    assert [path.name for path in bed.folder.iterdir()] == [bed.file.name]
    assert bed.updater().update("web", force=True).outcome is Outcome.DONE
    assert bed.runs("web") == bed.runs("db") == "1.1.0"


def test_a_set_that_goes_back_leaves_as_many_old_images_as_retention_says(make):
    """A member that waits for the others has removed none that it could need when it goes back."""
    bed = shop(make, retention={"count": 1, "days": 0.0})
    bed.publish("1.1.0")
    assert bed.updater().update_set(["web", "db"])[0].outcome is Outcome.DONE
    bed.publish("1.2.0")
    release_db(bed, "1.2.0", "crashes")
    assert bed.updater().update_set(["web", "db"])[0].outcome is Outcome.ROLLED_BACK
    assert len(bed.kept()) == 1
    assert bed.updater().rollback("web").outcome is Outcome.DONE
    assert bed.runs() == bed.answers() == "1.0.0"


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


def twins(make, **spec: Any) -> ComposeBed:
    """A bed with the components `web` and `db`, whose services have the same image: the same line of the file."""
    bed: ComposeBed = make(compose=ONE_IMAGE, others="leave")
    bed.more["db"] = {"services": ["db"], "others": "leave", **spec}
    bed.start()
    return bed


def test_two_components_of_one_image_at_once(make):
    """Each knows its own line by the service above it."""
    bed = twins(make)
    before = bed.file.read_bytes()
    bed.publish("1.1.0")
    results = bed.updater().update_all()
    assert [result.outcome for result in results] == [Outcome.DONE, Outcome.DONE], results
    assert bed.runs("web") == bed.answers() == bed.runs("db") == "1.1.0"
    assert bed.file.read_bytes() == before.replace(b":1.0.0", b":1.1.0")


def test_one_of_two_of_one_image_goes_back_before_the_other_has_started(make):
    """It leaves the image that it has pulled to the other one; when that goes back as well, nothing is left."""
    bed = twins(make, post_checks=[{"type": "command", "argv": ["false"]}])
    bed.publish("1.1.0")
    for name in ("web", "db"):
        with crash_at(0, only="container.stage.written"), pytest.raises(Crash):
            bed.updater().update(name)
    before = bed.file.read_bytes()
    assert bed.updater().cancel("web").outcome is Outcome.REFUSED
    (result,) = bed.updater().resume()
    assert "command failed" in result.reason, result
    assert bed.file.read_bytes() == before
    assert bed.docker("image", "ls", "--format", "{{.Tag}}", bed.image).split() == ["1.0.0"]
