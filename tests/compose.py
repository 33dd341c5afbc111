"""A fixture for compose services: a project on the real engine, releases in a directory, images in a real registry.

with ComposeFixture(tmp_path) as app_fixture:
    app_fixture.start("1.0.0")
    app_fixture.publish("1.1.0")
    assert app_fixture.updater().update("web").outcome == "done"
    assert app_fixture.answers() == "1.1.0"
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from fsm.adapter import Registry
from fsm.engine.progress import Observer
from fsm.system import inventory
from fsm.system.inventory import Inventory
from fsm.updater import Updater
from fsm_container.layout import KEPT, Layout
from tests.hosts.engine import Engine, engine, registry
from tests.hosts.images import PORT, Trait, fetch, publish

COMPOSE: Final = """\
# The shop. Edited by hand; keep the comments.
services:
  web:   # the front
    image: "{image}:1.0.0"   # moved by the updater
    ports: ["127.0.0.1::8080"]
    stop_grace_period: 1s

  db:
    image: '{image}-db:1.0.0'
    stop_grace_period: 1s
networks: {default: {}}"""
"""Two services, of which one is updated; no line break at the end."""


class ComposeFixture:
    """One host with one compose project.

    Args:
        root: an empty directory.
        compose: the compose file; ``{image}`` is the repository.
        env: the ``.env`` file.
        spec: keys of the component's table that are added or differ.

    Attributes:
        image: the repository in the registry; nobody else has it.
        project: the compose project's name.
        more: further components, by name, with the keys in which they differ.
    """

    name: Final = "web"

    def __init__(self, root: Path, *, compose: str = COMPOSE, env: str | None = None, **spec: Any) -> None:
        self.docker: Engine = engine()
        self._environ = {key: os.environ.get(key) for key in self.docker.env}
        os.environ.update(self.docker.env)
        self.root = root
        self.folder = root / "shop"
        self.state = root / "state"
        self.releases = root / "releases"
        self.repository = self.docker.name("web")
        self.project = self.docker.name("shop")
        self.image = f"{registry()}/{self.repository}"
        self.folder.mkdir(parents=True)
        self.releases.mkdir()
        self.file.write_bytes(compose.replace("{image}", self.image).encode())
        if env is not None:
            self.env_file.write_bytes(env.encode())
        self._spec = spec
        self.more: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def file(self) -> Path:
        """The compose file."""
        return self.folder / "docker-compose.yml"

    @property
    def env_file(self) -> Path:
        """The env file."""
        return self.folder / ".env"

    @property
    def config(self) -> dict[str, Any]:
        """The configuration, as `fsm.toml` would give it."""
        table: dict[str, Any] = {
            "type": "container",
            "compose_files": [str(self.file)],
            "project": self.project,
            "services": ["web"],
            "image": self.image,
            "source": {"type": "directory", "allow_unsigned": True, "path": str(self.releases)},
            "settle_seconds": 0.5,
            "start_timeout": 20.0,
            "reserve_mb": 1,
        }
        more = {name: {**table, **keys} for name, keys in self.more.items()}
        tables = {self.name: {**table, **self._spec}, **more}
        return {"fsm": {"state_dir": str(self.state)}, "components": tables}

    def updater(self, registry: Registry | None = None, *, observers: Sequence[Observer] = ()) -> Updater:
        """A new updater, as a new process would make it."""
        return Updater.from_data(self.config, observers=observers, registry=registry)

    # Releases

    def push(self, version: str, trait: Trait = "good", *, keep: bool = False, tag: str | None = None) -> str:
        """Push an image, without a release."""
        return publish(self.repository, version, trait=trait, keep=keep, tag=tag)

    def publish(self, version: str, trait: Trait = "good", *, manifest: str = "", image: bool = True) -> None:
        """Publish a release: an image in the registry, and a manifest that names it.

        Args:
            version: its version, and its tag.
            trait: what the image does.
            manifest: further lines of the manifest.
            image: whether there is an image.
        """
        if image:
            self.push(version, trait)
        staged = self.releases / f".{version}.new"
        staged.mkdir()
        lines = [f'version: "{version}"', "component_type: container", manifest]
        (staged / "update-manifest.yaml").write_text("\n".join(lines))
        staged.rename(self.releases / version)

    # What runs

    def start(self, version: str = "1.0.0", trait: Trait = "good", *services: str) -> None:
        """Push a version, and have compose start the project with it by hand."""
        self.push(version, trait, keep=True)
        if f"{self.image}-db" in self.file.read_text():
            publish(f"{self.repository}-db", "1.0.0", keep=True)
        self.compose("up", "-d", *([] if trait == "once" else ["--wait"]), *services)

    def compose(self, *arguments: str) -> str:
        """A compose command as people type it."""
        return self.docker.compose(*arguments, project=self.project, folder=self.folder)

    def container(self, service: str = "web") -> dict[str, Any] | None:
        """What the engine has about a service's container; None where there is none, or several."""
        filters = [f"label=com.docker.compose.project={self.project}", f"label=com.docker.compose.service={service}"]
        found = self.docker("ps", "-aq", *(part for one in filters for part in ("--filter", one))).split()
        return self.docker.inspect(found[0]) if len(found) == 1 else None

    def runs(self, service: str = "web") -> str | None:
        """The version in a service's running container, as its image says; None where it does not run."""
        found = self.container(service)
        if found is None or found["State"]["Status"] != "running":
            return None
        return str(found["Config"]["Labels"]["org.opencontainers.image.version"])

    def answers(self, timeout: float = 5.0) -> str | None:
        """The version that the service tells over the network; None when nobody answers."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            found = self.container()
            bound = (found or {}).get("NetworkSettings", {}).get("Ports", {}).get(f"{PORT}/tcp")
            if bound:
                with suppress(OSError):
                    return fetch(f"http://127.0.0.1:{bound[0]['HostPort']}/version")
            time.sleep(0.05)
        return None

    def names(self) -> list[str]:
        """The names of all containers of the project."""
        label = f"label=com.docker.compose.project={self.project}"
        return sorted(self.docker("ps", "-a", "--filter", label, "--format", "{{.Names}}").split())

    def kept(self) -> list[str]:
        """The names by which this component keeps images."""
        mark = f"{KEPT}:{Layout(root=self.state / 'containers' / self.name, component=self.name).mark}"
        found = self.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", KEPT).split()
        return sorted(name for name in found if name.startswith(mark))

    def _forget(self) -> None:
        """Remove the names by which images of this fixture are kept."""
        marks = [Layout(root=self.state / "containers" / name, component=name).mark for name in (self.name, *self.more)]
        found = self.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", KEPT).split()
        if kept := [name for name in found if name.startswith(tuple(f"{KEPT}:{mark}" for mark in marks))]:
            self.docker.run("image", "rm", "--force", *kept)

    # The fixture as `tests.contract.fixtures` wants it

    stopping: Final = "container.edit.renamed"

    def live(self) -> Path:
        """The project's directory."""
        return self.folder

    def inventory(self) -> Inventory:
        """What is in it."""
        return inventory.take(self.folder)

    def whole(self, version: str) -> bool:
        """Whether that version runs, answers, and is what the compose file says; and nothing is left over."""
        said = f'"{self.image}:{version}"' in self.file.read_text()
        whole = self.names() == [f"{self.project}-db-1", f"{self.project}-web-1"]
        return said and whole and self.runs() == version == self.answers() and self.runs("db") == "1.0.0"

    def break_release(self) -> None:
        """Publish a release that is newer than the good one and does not work."""
        self.publish("1.2.0", "crashes")

    def unplug(self) -> None:
        """Take the releases away. The registry stays, and nothing asks it: images are here before anything changes."""
        self.releases.rename(self.root / "unplugged")

    def close(self) -> None:
        """End what runs, and remove what was made in the engine."""
        for name in (self.project, self.repository, f"{self.repository}-db"):
            self.docker.remove(name)
        self._forget()
        for key, value in self._environ.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
