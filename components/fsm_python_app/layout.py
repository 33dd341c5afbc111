"""Where everything of one Python app lies.

::

    /opt/app/core                      the live tree, a plain directory
    /opt/app/.core.fsm/                the work directory, on the same file system
        run-7/                         one run: download, new tree, backup
            download/                  what was downloaded, under its own name
            tree/                      the new version; after the exchange the old one
            old/                       the old version, where there is no exchange
            preserved/                 copies of the preserved files
            live.inventory             what the live tree was
            new.inventory              what the new tree was when it was unpacked
            record.json                written last: the backup is whole
        backups/1.1.0@7/               run-7, once its update is done: `tree/` is version 1.1.0
        envs/3f2a…/                    virtual environments, never moved
        data/7/                        preserved files that gave way to others
            files/                     under the names that they had
            record.json                written last: all of them are here
        aside/7/                       what a version wrote that was rolled back
        installed.json                 the files of the installed release
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fsm import kit
from fsm.model import Model
from fsm.system.files import Patterns


def patterns(preserve: Iterable[str]) -> Patterns:
    """What `preserve` names; ``data/`` may be a link of the app's to another disk."""
    return Patterns(preserve, links=True)


class Layout(kit.Layout):
    """The paths of one app.

    Attributes:
        live: the app's directory.
    """

    live: Path

    @classmethod
    def of(cls, live: Path) -> Layout:
        """The layout of the app in a directory."""
        return cls(root=live.parent / f".{live.name}.fsm", live=live)

    @property
    def envs(self) -> Path:
        """The virtual environments."""
        return self.root / "envs"

    @property
    def data(self) -> Path:
        """Preserved files that gave way to others, by the numbers of the runs."""
        return self.root / "data"

    @property
    def installed(self) -> Path:
        """The list of the installed release's files."""
        return self.root / "installed.json"

    def last_run(self, *more: Path) -> int:
        """See `kit.Layout.last_run`."""
        return super().last_run(self.data, *more)

    def is_whole(self, backup: Path) -> bool:
        """See `kit.Layout.is_whole`: the old tree is there."""
        return RunPaths(root=backup).old_version.is_dir()

    def paths(self, run: int) -> RunPaths:
        """The paths of one run."""
        return RunPaths(root=self.run(run))


class RunPaths(Model):
    """The paths of one run of one app."""

    root: Path

    @property
    def download(self) -> Path:
        """The directory of the downloaded file."""
        return self.root / "download"

    @property
    def tree(self) -> Path:
        """The new tree; after the exchange the old one."""
        return self.root / "tree"

    @property
    def old(self) -> Path:
        """The old tree, where the file system cannot exchange."""
        return self.root / "old"

    @property
    def old_version(self) -> Path:
        """In a finished run's directory: the tree of the old version."""
        return self.old if self.old.is_dir() else self.tree

    @property
    def preserved(self) -> Path:
        """Copies of the preserved files."""
        return self.root / "preserved"

    @property
    def live_inventory(self) -> Path:
        """What the live tree was before the update."""
        return self.root / "live.inventory"

    @property
    def new_inventory(self) -> Path:
        """What the new tree was when it was unpacked."""
        return self.root / "new.inventory"

    @property
    def preserved_inventory(self) -> Path:
        """What the copies of the preserved files were when they were made."""
        return self.root / "preserved.inventory"
