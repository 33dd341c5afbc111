"""Where everything of one git checkout lies.

::

    /opt/agent                         the checkout
    /opt/.agent.fsm/                   the work directory
        run-7/                         one run; gone when the run has ended, with its copies of secrets
            preserved/                 copies of the preserved files, of the stopped tree
            local/                     copies of files that the reset would overwrite and git does not have
            index                      git's index as it was
            old-settings/              settings of the repository and of its submodules, likewise
            saved.json                 written last: what was there is saved
            set-aside                  on the way back: what the new version changed lies in aside/
            stage/fsm-agent-run-7/     the new commit in a worktree of its own, for the build
            old-products/              what the build's products replaced
            git/                       a repository that is not yet in its place
        saved/7.patch                  local changes that an update replaced
        aside/7/                       what a version wrote that was rolled back
        backups/1.1.0@7/record.json    an old commit that can be rolled back to

In the repository, ``refs/fsm/<component>/`` has `runs/7` (the commit that run 7 installs) and `kept/7` (the one that
was installed before it), so that git's garbage collection leaves both.
"""

from __future__ import annotations

from pathlib import Path

from fsm import kit
from fsm.adapter import Target
from fsm.model import Model
from fsm_git.spec import GitCheckoutSpec


class Layout(kit.Layout):
    """The paths and refs of one checkout.

    Attributes:
        live: the checkout.
        component: its name.
    """

    live: Path
    component: str

    @classmethod
    def of(cls, target: Target, spec: GitCheckoutSpec) -> Layout:
        """The layout of a component."""
        return cls(root=spec.path.parent / f".{spec.path.name}.fsm", live=spec.path, component=target.name)

    @property
    def saved(self) -> Path:
        """Local changes that updates replaced."""
        return self.root / "saved"

    def last_run(self, *more: Path) -> int:
        """See `kit.Layout.last_run`."""
        return super().last_run(self.saved, *more)

    def patch(self, run: int) -> Path:
        """Local changes that a run replaced."""
        return self.saved / f"{run}.patch"

    def saved_files(self, run: int) -> Path:
        """Files without a repository that a run replaced."""
        return self.saved / str(run)

    def paths(self, run: int) -> RunPaths:
        """The paths of one run."""
        return RunPaths(root=self.run(run), stage_name=f"fsm-{self.component}-run-{run}")

    def new_ref(self, run: int) -> str:
        """What keeps the commit that a run installs."""
        return f"refs/fsm/{self.component}/runs/{run}"

    def kept_ref(self, run: int) -> str:
        """What keeps the commit that a run replaces."""
        return f"refs/fsm/{self.component}/kept/{run}"


class RunPaths(Model):
    """The paths of one run."""

    root: Path
    stage_name: str

    @property
    def preserved(self) -> Path:
        """Copies of the preserved files."""
        return self.root / "preserved"

    @property
    def local(self) -> Path:
        """Copies of what only this host has."""
        return self.root / "local"

    @property
    def index(self) -> Path:
        """Git's index as it was."""
        return self.root / "index"

    @property
    def old_settings(self) -> Path:
        """Git's settings as they were."""
        return self.root / "old-settings"

    @property
    def saved_record(self) -> Path:
        """Says that everything is saved."""
        return self.root / "saved.json"

    @property
    def looked(self) -> Path:
        """Says that on the way back everything was set aside that the new version had changed."""
        return self.root / "set-aside"

    @property
    def settings(self) -> Path:
        """Settings for the gits that git calls for submodules."""
        return self.root / "gitconfig"

    @property
    def stage(self) -> Path:
        """The new commit in a worktree of its own; its name is unique among all worktrees of the repository.

        The directory above it belongs to git's user; what is beside that belongs to the updater's.
        """
        return self.root / "stage" / self.stage_name

    @property
    def old_products(self) -> Path:
        """What the build's products replaced."""
        return self.root / "old-products"

    @property
    def repository(self) -> Path:
        """A repository that is not yet in its place."""
        return self.root / "git"
