"""Where everything of one Python app lies.

::

    /opt/app/core                      the live tree, a plain directory
    /opt/app/.core.fsm/                the work directory, on the same file system
        run-7/                         one run: download, new tree, backup
            download/                  what was downloaded, under its own name
            tree/                      the new version; after the exchange the old one
            old/                       the old version, where there is no exchange
            kept/                      copies of the preserved files
            live.inventory             what the live tree was
            new.inventory              what the new tree was when it was unpacked
            backup.json                written last: the backup is whole
        backups/1.1.0@7/               run-7, once its update is done: `tree/` is version 1.1.0
        envs/3f2a…/                    virtual environments, never moved
        aside/7/                       what a version wrote that was rolled back
        installed.json                 the files of the installed release
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from fsm.model import Model
from fsm.system.files import Patterns


def printable(path: object) -> str:
    """A path as text that can be stored and shown: a name that is no UTF-8 gets escapes."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def patterns(preserve: Iterable[str]) -> Patterns:
    """What `preserve` names; ``data/`` may be a link of the app's to another disk."""
    return Patterns(preserve, links=True)


def make_directory(path: Path, mode: int) -> None:
    """Make a directory with that mode, whatever the mask; one that is there keeps its own."""
    with suppress(FileExistsError):
        path.mkdir()
        path.chmod(mode)


class Layout(Model):
    """The paths of one app; frozen in the plan as its install path and run number's parent.

    Args:
        live: the app's directory.
    """

    live: Path

    @property
    def work(self) -> Path:
        """Everything that the updater keeps for this app."""
        return self.live.parent / f".{self.live.name}.fsm"

    @property
    def envs(self) -> Path:
        """The virtual environments."""
        return self.work / "envs"

    @property
    def backups(self) -> Path:
        """The old versions."""
        return self.work / "backups"

    @property
    def installed(self) -> Path:
        """The list of the installed release's files."""
        return self.work / "installed.json"

    def aside(self, run: int) -> Path:
        """What a rolled-back version wrote."""
        return self.work / "aside" / str(run)

    def run(self, run: int) -> RunPaths:
        """The paths of one run."""
        return RunPaths(root=self.work / f"run-{run}")


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
    def kept(self) -> Path:
        """Copies of the preserved files."""
        return self.root / "kept"

    @property
    def live_inventory(self) -> Path:
        """What the live tree was before the update."""
        return self.root / "live.inventory"

    @property
    def new_inventory(self) -> Path:
        """What the new tree was when it was unpacked."""
        return self.root / "new.inventory"

    @property
    def kept_inventory(self) -> Path:
        """What the copies of the preserved files were when they were made."""
        return self.root / "kept.inventory"

    @property
    def record(self) -> Path:
        """Written last; says that the backup is whole."""
        return self.root / "backup.json"
