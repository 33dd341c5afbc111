"""The updater's own copy of a component's repository, where the checkout is somebody else's.

Who speaks to the remote has the token, and may read what the checkout's user may not. So the updater does it, in a bare
repository in the state directory, whose settings nobody else can write. What the user lacks is put into bundles, which
become the user's to read, and `fsm_git.take` takes it from there. The copy is kept between runs: each fetches only what
is new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final

from fsm.adapter import Done, RetryLater, Step, StepContext, StepResult, Target
from fsm.errors import CommandFailed, DeadlineExceeded, Refused
from fsm.kit import HostStep, Staging
from fsm.lifecycle import State
from fsm.model import Model, Seconds
from fsm.sources import GitSpec
from fsm.system import faults, files, private
from fsm.system.exit_codes import exited
from fsm_git import submodules
from fsm_git.command import Git
from fsm_git.fetch import fetch_commit
from fsm_git.inspect import Commit
from fsm_git.repository import Places, empty_objects, modules
from fsm_git.submodules import Fetched

_REFS: Final = "refs/fsm"

_GC: Final[Seconds] = 300.0
"""Seconds that git may tidy, when enough has come together."""


def ref_of(run: int) -> str:
    """What names in the copy, and in bundles, what a run has fetched."""
    return f"{_REFS}/run-{run}"


class Handed(Model):
    """What is handed over of one repository.

    Attributes:
        place: the submodule's, see `Fetched`; empty for the component's own.
        url: where it came from.
        commit: that it has.
        bundle: the file; None if the user has all of it.
    """

    place: str = ""
    url: str
    commit: Commit
    bundle: Path | None = None


class OwnCopy(Model):
    """The places of the updater's copy; frozen in plans.

    Attributes:
        repository: bare, kept between runs.
        staging: where bundles are handed over to the user.
    """

    repository: Path
    staging: Staging

    @classmethod
    def of(cls, target: Target) -> OwnCopy | None:
        """The places of a component; None if the updater's own user fetches into the checkout itself."""
        staging = Staging.of(target)
        place = target.state_dir / "repositories" / f"{target.name}.git"
        return None if staging is None else cls(repository=place, staging=staging)

    def git(self, ctx: StepContext) -> Git:
        """Git on the copy."""
        return Git(self.repository, self.repository, runner=ctx, bare=True)

    def handed(self, run: int) -> Path:
        """Where the bundles of a run are."""
        return Path(self.staging.run.replace("{run}", str(run)))


class FetchApart(HostStep):
    """Fetch the new commit into the updater's copy, and hand over what the user has not got.

    Attributes:
        own: the places.
        source: where from.
        ref: the branch or tag that led to the commit.
        new: the commit.
        submodules: whether theirs are fetched as well.
        submodule_hosts: hosts that submodules may come from beside the source's own.
        has: the commit that the user has, with everything that leads to it; None: no such.
        modules: the same of submodules, by their places.
        patience: seconds for one try.
    """

    name: ClassVar[str] = "fetch"
    phase: ClassVar[State] = State.UPDATING
    title: ClassVar[str] = "fetch the new commit into a repository of the updater's own"
    undo_title: ClassVar[str] = "forget it"
    by_updater: ClassVar[bool] = True

    own: OwnCopy
    source: GitSpec
    ref: str
    new: Commit
    submodules: bool
    submodule_hosts: tuple[str, ...]
    has: Commit | None
    modules: dict[str, Commit]
    patience: Seconds

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`. The lock of the component says that nobody else works in the copy."""
        git = self.own.git(ctx)
        self._prepare(ctx, git)
        ours = ref_of(ctx.run_id)
        failed = fetch_commit(git, self.source, self.ref, self.new, ours, self.patience, anew=False)
        fetching = submodules.Fetching(self.source, self.submodule_hosts, ctx, own=True)
        if failed is None and self.submodules:
            failed = submodules.fetch(git, self.new, self.own.repository / "modules", fetching)
        if failed is not None:
            return failed
        try:
            handed = [each.model_dump(mode="json") for each in self._hand_over(ctx, git, fetching.done)]
        except CommandFailed as error:
            files.remove_tree(self.own.repository, ctx.check)
            return RetryLater(why=f"the updater's copy of the repository was damaged, and is fetched anew: {error}")
        return Done(data={"handed": handed})

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return (self.own.repository.parent,)

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`. The copy stays."""
        files.remove_tree(self.own.staging.root, ctx.check)
        git = self.own.git(ctx)
        if self.own.repository.is_dir():
            git.run("update-ref", "-d", ref_of(ctx.run_id))
        faults.point("git.apart.forgotten")
        return Done()

    def _prepare(self, ctx: StepContext, git: Git) -> None:
        """Have a repository without a killed git's locks, and without what a power cut has emptied."""
        place = self.own.repository
        private.directory(place.parent)
        if place.is_dir() and _is_damaged(place):
            files.remove_tree(place, ctx.check)
        for lock in place.rglob("*.lock"):
            lock.unlink()
        submodules.sweep(Places(place, place))
        kind = "sha256" if len(self.new) == 64 else "sha1"
        git.must("make the updater's copy", "init", "--quiet", "--bare", f"--object-format={kind}")
        faults.point("git.apart.copy_made")

    def _hand_over(self, ctx: StepContext, git: Git, inner_ones: list[Fetched]) -> list[Handed]:
        """Write the bundles where nobody else comes, then let the user through to them."""
        ours, place = ref_of(ctx.run_id), self.own.handed(ctx.run_id)
        files.remove_tree(self.own.staging.root, ctx.check)
        self.own.staging.make(place)
        found = []
        for number, each in enumerate([Fetched("", self.source.url, self.new), *inner_ones]):
            inner, has = git, self.has
            if each.place:
                inner = replace(git, directory=self.own.repository / "modules" / each.place)
                has = self.modules.get(each.place)
                inner.must("keep a submodule's commit", "update-ref", ours, each.commit)
            bundle = place / f"{number}.bundle"
            made = _write(inner, bundle, ours, each.commit, has)
            _keep_two(inner, ours)
            found.append(Handed(place=each.place, url=each.url, commit=each.commit, bundle=bundle if made else None))
        for handed in found:
            if handed.bundle is not None:
                self.own.staging.give(handed.bundle)
        faults.point("git.apart.handed_over")
        return found


class TidyCopy(Step):
    """Remove what was handed over, and have git tidy the copy now and then."""

    name: ClassVar[str] = "tidy_copy"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "remove what was handed over to the component's user"
    touches_live: ClassVar[bool] = True
    by_updater: ClassVar[bool] = True

    own: OwnCopy

    def do(self, ctx: StepContext) -> StepResult:
        """See `Step.do`. Nothing here can fail an update that has been verified."""
        tidying = ("-c", "gc.auto=5000", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet")
        try:
            files.remove_tree(self.own.staging.root, ctx.check)
            faults.point("git.apart.tidied")
            code = self.own.git(ctx).run(*tidying, timeout=_GC).code
        except (OSError, CommandFailed, DeadlineExceeded, Refused) as error:
            return Done(notes=(f"could not tidy {self.own.repository}: {error}",))
        return Done(notes=(f"could not tidy {self.own.repository}: git gc {exited(code)}",) if code else ())

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return (self.own.repository.parent,)


def _is_damaged(place: Path) -> bool:
    if not (place / "objects").is_dir() or not all(_has_something(place / name) for name in ("HEAD", "config")):
        return True
    return any(empty_objects(each / "objects") for each in (place, *modules(Places(place, place))))


def _has_something(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _write(git: Git, bundle: Path, ours: str, commit: str, has: str | None) -> bool:
    """Write what somebody lacks who has a commit; whether that is anything."""
    known = has if has is not None and git.has(has) else None
    if known is not None and git.commit(ours) == commit and git.ok("merge-base", "--is-ancestor", commit, known):
        return False
    without = [f"^{known}"] if known else []
    git.must("hand the new commit over", "bundle", "create", "--quiet", str(bundle), ours, *without)
    return True


def _keep_two(git: Git, ours: str) -> None:
    """Keep what this run has fetched, and the run before it: the next one goes on from there."""
    listed = git.ask("for-each-ref", "--format=%(refname)", _REFS).out.decode().split()
    older = sorted((ref for ref in listed if ref != ours), key=lambda ref: int(ref.rpartition("-")[2]))
    for ref in older[:-1]:
        git.must("forget what an earlier run has fetched", "update-ref", "-d", ref)
