"""Everything that needs the network, while the services run: the commit, and the commits of its submodules."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from fsm.adapter import Failed, RetryLater, StepContext
from fsm.model import Seconds
from fsm.sources import GitSpec
from fsm.sources.git import complaint, remote_settings
from fsm.sources.remotes import masked
from fsm.system import faults
from fsm_git import submodules
from fsm_git.bring import Bring
from fsm_git.command import Git, fetch_command
from fsm_git.repository import Places


class Fetch(Bring):
    """Fetch the new commit into the checkout's repository: where that is the updater's own.

    Attributes:
        source: where from.
        submodule_hosts: hosts that submodules may come from beside the source's own.
        patience: seconds for one try.
    """

    name: ClassVar[str] = "download"
    title: ClassVar[str] = "fetch the new commit"

    source: GitSpec
    submodule_hosts: tuple[str, ...]
    patience: Seconds

    def bring(self, ctx: StepContext, git: Git, found: Places, *, anew: bool) -> Failed | RetryLater | None:
        """See `Bring.bring`."""
        new, ours = self.site.new, self.site.layout.new_ref(ctx.run_id)
        failed = fetch_commit(git, self.source, self.ref, new, ours, self.patience, anew=anew)
        if failed is None and self.site.submodules:
            fetching = submodules.Fetching(self.source, self.submodule_hosts, ctx)
            failed = submodules.fetch(git, new, found.own / "modules", fetching)
        return failed


def fetch_commit(
    git: Git, source: GitSpec, wanted: str, new: str, ours: str, patience: Seconds, *, anew: bool
) -> Failed | RetryLater | None:
    """Fetch a commit by the ref that led to it, which every server allows, then by its name: the ref may have moved.

    Args:
        git: the repository that it goes into.
        source: where from.
        wanted: the branch or tag.
        new: the commit.
        ours: the ref that is to name it here.
        patience: seconds for one try.
        anew: whether objects are missing that seem to be there.
    """
    remote = replace(git, secrets=remote_settings(source))
    said = ""
    for each in (wanted, new):
        if not anew and git.commit(ours) == new and git.has(new):
            return None
        result = remote.run(*fetch_command(anew=anew), "--", source.url, f"+{each}:{ours}", timeout=patience)
        faults.point("git.fetch.tried")
        if result.code == 0 and git.has(new):
            name(git, ours, new)
            return None
        said = said or ("" if result.code == 0 else complaint(result.tail))
    if said:
        return RetryLater(why=f"cannot fetch {new[:12]} from {masked(source.url)}: {said}")
    return Failed(
        why=f"{masked(source.url)} no longer has {new[:12]}: {wanted} was moved while the plan was made",
        todo="update again",
        blame="host",
    )


def name(git: Git, ours: str, new: str) -> None:
    """Have a ref of ours name the commit: by its annotated tag, where it leads there already."""
    there = git.commit(ours)
    tagged = there is not None and git.commit(f"{ours}^{{commit}}") == new
    git.must("name the new commit", "update-ref", ours, there if there and tagged else new)
