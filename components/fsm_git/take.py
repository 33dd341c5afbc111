"""The new commit comes into a checkout that is not the updater's: as its user, and without a network."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import ClassVar

from fsm.adapter import Failed, RetryLater, StepContext
from fsm.sources.git import complaint
from fsm.system import faults
from fsm_git import submodules
from fsm_git.bring import Bring
from fsm_git.command import Git, fetch_command
from fsm_git.fetch import name
from fsm_git.own_copy import FetchApart, Handed, ref_of
from fsm_git.repository import Places


class Take(Bring):
    """Take the new commit, and those of its submodules, from the bundles that `FetchApart` has written."""

    name: ClassVar[str] = "take"
    title: ClassVar[str] = "take the new commit into the checkout's repository"

    def bring(self, ctx: StepContext, git: Git, found: Places, *, anew: bool) -> Failed | RetryLater | None:
        """See `Bring.bring`."""
        ours = self.site.layout.new_ref(ctx.run_id)
        for data in ctx.results[FetchApart.name]["handed"]:
            handed = Handed.model_validate_json(json.dumps(data))
            if not handed.place:
                failed = self._take(ctx, git, handed, [f"+{ref_of(ctx.run_id)}:{ours}"], anew=anew)
            else:
                inner = replace(git, directory=found.own / "modules" / handed.place)
                if not inner.directory.is_dir():
                    submodules.make(inner, handed.url)
                failed = self._take(ctx, inner, handed, [ref_of(ctx.run_id)], anew=False)
            if failed is not None:
                return failed
        name(git, ours, self.site.new)
        return None

    def _take(self, ctx: StepContext, git: Git, handed: Handed, refs: list[str], *, anew: bool) -> Failed | None:
        said = "nothing was handed over, as it was all there"
        if handed.bundle is not None:
            result = git.run(*fetch_command(anew=anew), "--", str(handed.bundle), *refs)
            faults.point("git.apart.taken")
            said = complaint(result.tail)
        if git.has_all(handed.commit):
            return None
        return Failed(
            why=f"{git.directory} did not take {handed.commit[:12]}: {said}",
            todo="update again; `git fsck` names what is damaged there",
            blame="host",
        )
