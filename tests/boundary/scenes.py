"""Hosts on which a component belongs to a user: installed, updated once, and with a better release published."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from tests.app_fixture import AppFixture, wheel, write
from tests.boundary.canary import MARKERS
from tests.boundary.ground import ATTACKER, NEIGHBOUR, Ground
from tests.boundary.verbs import perform
from tests.config_file import toml
from tests.git_fixture import GitFixture

Layout = Literal["root's parent", "the user's parent"]

APP: Final = "app"
OTHER: Final = "other"
IMAGE: Final = "127.0.0.1:9/shop/web"

_STATES: Final = {"checking": 8, "backing_up": 8, "updating": 8, "verifying": 8, "rolling_back": 8}
"""Seconds: whatever hangs has ended before `verbs.LIMIT`."""

_LEAN: Final[dict[str, Any]] = {"service": {"manager": "none"}, "post_checks": [], "settle_seconds": 0}


@dataclass(frozen=True)
class Scene:
    """One component type in one layout.

    Attributes:
        kind: of the component.
        layout: whose the directory above the tree is.
        rich: whether the release has what runs programs of its own: an environment, a migration, a build.
        options: further keys of the component.
    """

    kind: Literal["python_app", "git", "container"]
    layout: Layout
    rich: bool
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """A name for people."""
        return f"{self.kind}{' with programs' * self.rich}, {self.layout}"

    @property
    def slug(self) -> str:
        """A name for files."""
        return re.sub("[^a-z]+", "-", self.name)


class Site:
    """The paths of a scene on the ground."""

    def __init__(self, ground: Ground, scene: Scene) -> None:
        self.ground, self.scene = ground, scene
        self.parent = ground.host / "place"
        self.tree = self.parent / APP
        self.work = self.parent / f".{APP}.fsm"
        self.state = ground.host / "state"
        self.other = ground.host / "homes" / OTHER

    @property
    def watched(self) -> tuple[Path, ...]:
        """What an attacker looks at: the tree, what is beside it, and the updater's own."""
        return self.parent, self.state

    def configure(self) -> None:
        """Write this scene's `fsm.toml`; it is root's."""
        config = _fixture(self).config
        if self.scene.kind == "container":
            config["components"][APP] = _container(self, config["components"][APP]["source"])
        config["components"][OTHER] = _other(self).config["components"][APP]
        path = self.ground.private / "fsm.toml"
        path.write_text(toml(config))
        path.chmod(0o600)


def prepare(ground: Ground, scene: Scene) -> Site:
    """Make a scene's template: 1.0.0 is installed, 0.9.0 is kept, 1.1.0 is published."""
    site = Site(ground, scene)
    ground.clear()
    for folder in (ground.host, site.parent, site.other.parent):
        folder.mkdir()
        folder.chmod(0o755)
    site.configure()
    if scene.layout == "the user's parent":
        os.chown(site.parent, ATTACKER, ATTACKER)
    other = _other(site)
    other.install("1.0.0")
    write(other.live / ".env", MARKERS["a secret of the neighbour's"], mode=0o600)
    _own(other.live, NEIGHBOUR)
    if not (other.releases / "1.1.0").exists():
        other.publish("1.1.0")
    if scene.kind == "container":
        _compose_project(site)
    else:
        _installed(site)
    ground.keep(scene.name)
    return site


def _installed(site: Site) -> None:
    """An app that was updated once, and could be again."""
    scene, fixture = site.scene, _fixture(site)
    fixture.publish("0.9.0", **_extra(scene, "0.9.0"))
    fixture.install("0.9.0")
    fixture.furnish()
    write(site.tree / "data/secret", MARKERS["a secret of the app's"], mode=0o600)
    _own(site.tree, ATTACKER)
    fixture.publish("1.0.0", **_extra(scene, "1.0.0"))
    said = perform(site.ground.private, ("update", APP))
    assert said.code == 0, f"{scene.name}: {said}"
    _own(site.tree, ATTACKER)
    fixture.publish("1.1.0", **_extra(scene, "1.1.0"))


def _compose_project(site: Site) -> None:
    """Files of a compose project whose image nobody has."""
    write(site.tree / "docker-compose.yml", f'services:\n  web:\n    image: "{IMAGE}:1.0.0"\n'.encode())
    write(site.tree / ".env", b"TOKEN=1\n", mode=0o600)
    _own(site.tree, ATTACKER)
    _fixture(site).publish("1.1.0", manifest="component_type: container\n")


def _fixture(site: Site) -> AppFixture:
    scene = site.scene
    sources = site.ground.sources / scene.slug
    sources.mkdir(exist_ok=True)
    options = {**_LEAN, **(_RICH[scene.kind] if scene.rich else {}), **scene.options}
    if scene.kind == "git":
        options |= {"copies": {"conf/second": "conf/first"}, "source": _remote(site, sources)}
    fixture = (GitFixture if scene.kind == "git" else AppFixture)(sources, fsm={"deadlines": _STATES}, **options)
    fixture.live, fixture.work, fixture.state = site.tree, site.work, site.state
    return fixture


def _container(site: Site, source: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "container",
        "compose_files": [str(site.tree / "docker-compose.yml")],
        "project": "fsm-boundary",
        "services": ["web"],
        "image": IMAGE,
        "source": {**source, "path": str(site.ground.sources / site.scene.slug / "releases")},
        "settle_seconds": 0,
        "reserve_mb": 1,
    }


def _remote(site: Site, sources: Path) -> dict[str, Any]:
    """The repository over HTTP, with a token that only the fetch needs."""
    token = site.ground.private / "token"
    token.write_bytes(MARKERS["the source's token"])
    token.chmod(0o600)
    url = f"{site.ground.git_url}/{sources.name}/releases"
    return {"type": "git", "allow_unsigned": True, "url": url, "branch": "main", "token_file": str(token)}


def _other(site: Site) -> AppFixture:
    sources = site.ground.sources / OTHER
    other = AppFixture(sources, **_LEAN)
    other.live, other.state = site.other, site.state
    return other


def _extra(scene: Scene, version: str) -> dict[str, Any]:
    """What a release has beside the usual files."""
    extra: dict[str, bytes] = {"conf/first": b"the first\n"}
    if scene.rich and scene.kind == "python_app":
        extra |= {
            "requirements.txt": f"tiny=={version}\n".encode(),
            f"wheels/tiny-{version}-py3-none-any.whl": wheel("tiny", version, {"tiny.py": b"here = True\n"}),
            "migrate.py": b"open('migrated', 'w').close()\n",
            "bin/own": b"#!/bin/sh\ncat VERSION\n",
        }
    if scene.rich and scene.kind == "git":
        extra |= {"build.sh": b"mkdir -p dist && cp VERSION dist/built\n", "run.sh": b"exec sleep 600\n"}
    return {"extra": extra}


_RICH: Final[dict[str, dict[str, Any]]] = {
    "python_app": {
        "environment": {"smoke": ["-c", "import tiny"], "timeout": 8},
        "migration": {"command": ["{python}", "migrate.py"], "timeout": 5},
        "version": {"command": ["cat", "VERSION"]},
        "service": {"manager": "process", "command": ["sleep", "600"], "cwd": "{live}", "stop_timeout": 1.0},
        "retention": {"count": 1, "days": 0},
    },
    "git": {
        "build": {"command": ["sh", "build.sh"], "products": ["dist"], "timeout": 8},
        "service": {"manager": "process", "command": ["sh", "run.sh"], "cwd": "{live}", "stop_timeout": 1.0},
    },
}


def _own(path: Path, uid: int) -> None:
    subprocess.run(["chown", "-hR", f"{uid}:{uid}", str(path)], check=True)


LAYOUTS: Final[tuple[Layout, ...]] = ("root's parent", "the user's parent")

SCENES: Final = (
    *(Scene("python_app", layout, rich) for layout in LAYOUTS for rich in (False, True)),
    *(Scene("git", layout, rich) for layout in LAYOUTS for rich in (False, True)),
)

CONTAINERS: Final = tuple(Scene("container", layout, False) for layout in LAYOUTS)
"""These need a Docker engine: who may write a compose file could be root by it, so they are to be refused."""
