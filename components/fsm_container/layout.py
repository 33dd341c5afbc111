"""What the updater keeps for compose services, and where.

::

    <state>/containers/web/            one component; nobody else may look: copies of .env files are in there
        run-7/                         one run
            record.json                written last: the backup is whole
            0.docker-compose.yml       the files as they were
            1..env
            override.yml               for a rollback whose image is not the one that the file says
        backups/1.1.0@7/               run-7, once its update is done: what to roll back to
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fsm import kit
from fsm.adapter import Target
from fsm.kit import read_record
from fsm.model import Model
from fsm.services.docker.facts import Image

KEPT: Final = "fsm-kept"
"""The repository of the names that keep old images from being pruned; it is never pushed."""


class SavedFile(Model):
    """A file as it was before the run.

    Attributes:
        path: where it belongs.
        sha256: of its bytes; None if there was none.
        copy_name: the copy's name in the run's directory.
    """

    path: Path
    sha256: str | None
    copy_name: str


class SavedService(Model):
    """A service's containers as they were.

    Attributes:
        containers: their ids.
        image: the id of the image that they were made of.
        reference: the image's name when they were made.
        kept: the name that keeps the image.
        digests: the image's names by digest, for a registry.
        running, healthy: how they were.
        finished: whether they had done their work and exited with 0.
    """

    service: str
    containers: tuple[str, ...]
    image: str
    reference: str
    kept: str
    digests: tuple[str, ...] = ()
    running: bool
    healthy: bool
    finished: bool


class Record(kit.BackupRecord):
    """What a backup of compose services is of.

    Attributes:
        wanted: the new image's name in the compose file.
        wanted_by_digest: its name for the registry, or its id.
        wanted_was: the id of the image that had this name before; None: none.
        known: whether the new image was here before.
        dependants: services that share the network of the updated ones, and had containers.
    """

    files: tuple[SavedFile, ...]
    services: tuple[SavedService, ...]
    wanted: str
    wanted_by_digest: str = ""
    wanted_was: str | None = None
    known: bool = False
    dependants: tuple[str, ...] = ()

    def wants(self, image: Image) -> bool:
        """Whether this is the image that the run is to bring."""
        return any(name and image.has(name) for name in (self.wanted, self.wanted_by_digest))


class Layout(kit.Layout):
    """The paths of one component.

    Attributes:
        component: its name.
    """

    component: str

    @classmethod
    def of(cls, target: Target) -> Layout:
        """The layout of a component."""
        return cls(root=target.state_dir / "containers" / target.name, component=target.name)

    def record(self, run: int) -> Record | None:
        """The record of a run in progress."""
        return read_record(self.run(run), Record)

    def elsewhere(self) -> Iterator[Record]:
        """The records of other components' runs in progress."""
        for path in self.root.parent.glob("*/run-*"):
            if path.parent != self.root and (record := read_record(path, Record)) is not None:
                yield record

    @property
    def mark(self) -> str:
        """The beginning of all tags by which this component keeps images; no other component on the engine has it."""
        place = hashlib.sha256(os.fsencode(self.root.absolute())).hexdigest()[:12]
        return f"{self.component}.{place}."

    def kept_name(self, run: int, number: int) -> str:
        """The name that keeps the image that a service, by its number, had before a run."""
        return f"{KEPT}:{self.mark}{run}.{number}"
