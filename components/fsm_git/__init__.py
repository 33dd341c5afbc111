"""Git checkouts: a working tree that follows a branch or tags, with the services that run in it.

The way of an update, in the order of the modules: `spec` (what the host configures), `inspect` (what is checked out),
`limits` (what a release may not widen), `look` (what a plan has to know), `plan` (which steps), `keep`, `fetch` (or
`own_copy` and `take`, where the checkout is somebody else's), `examine`, `stage` and `images` (all before the stop),
`services`, `save_local`, `reset` and `products` (between stop and start), `verify`, `finish`.
`command` says how git is called, `repository` where it keeps things, `locks` what a lock of git means,
`assume_unchanged` what git was told not to look at, `layout` where everything of ours lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from fsm import kit
from fsm.adapter import Backup, Draft, Finding, Installed, Spec, Step, StepContext, Target
from fsm.kit import KeepingAdapter, MakePlaces, refuse_unless
from fsm_git import doctor, inspect, limits, look, plan, services, verify
from fsm_git.examine import Examine
from fsm_git.fetch import Fetch
from fsm_git.finish import BackupRecord, Retire, Tidy
from fsm_git.images import BuildImages, ForgetImages, KeepImages, UseImages
from fsm_git.inspect import GitInstalled
from fsm_git.keep import Keep
from fsm_git.layout import Layout
from fsm_git.own_copy import FetchApart, TidyCopy
from fsm_git.products import BuildHere, NoteProducts, Products
from fsm_git.reset import Reset
from fsm_git.save_local import SaveLocal
from fsm_git.services import StartService, StopService
from fsm_git.spec import GitCheckoutSpec
from fsm_git.stage import BuildCommand, Stage
from fsm_git.take import Take
from fsm_git.verify import Verify

if TYPE_CHECKING:
    from fsm.formats.releases import Release


class GitCheckout(KeepingAdapter[GitCheckoutSpec, GitInstalled]):
    """The adapter of component type ``git``."""

    component_type: ClassVar[str] = "git"
    record: ClassVar[type[kit.BackupRecord]] = BackupRecord
    spec: ClassVar[type[Spec]] = GitCheckoutSpec
    installed: ClassVar[type[Installed]] = GitInstalled
    steps: ClassVar[tuple[type[Step], ...]] = (
        MakePlaces,
        Keep,
        Fetch,
        FetchApart,
        Take,
        Examine,
        Stage,
        BuildCommand,
        KeepImages,
        BuildImages,
        NoteProducts,
        StopService,
        SaveLocal,
        Reset,
        Products,
        BuildHere,
        UseImages,
        StartService,
        Verify,
        Retire,
        Tidy,
        ForgetImages,
        TidyCopy,
    )

    def place(self, target: Target, spec: GitCheckoutSpec) -> Path:
        """See `Adapter.place`."""
        return spec.path

    def inspect(self, target: Target, spec: GitCheckoutSpec) -> GitInstalled:
        """See `Adapter.inspect`."""
        return inspect.read(target, spec)

    def look(
        self, target: Target, spec: GitCheckoutSpec, installed: GitInstalled, release: Release | None
    ) -> GitInstalled:
        """See `Adapter.look`."""
        facts = look.look(target, spec, installed, None if release is None else release.ref)
        return installed.model_copy(update={"facts": facts})

    def layout(self, target: Target, spec: GitCheckoutSpec) -> Layout:
        """See `KeepingAdapter.layout`."""
        return Layout.of(target, spec)

    def pre_check(
        self, target: Target, spec: GitCheckoutSpec, installed: GitInstalled, release: Release, runner: StepContext
    ) -> None:
        """See `Adapter.pre_check`."""
        limits.refuse_engine(target, spec)
        units = services.of(target, spec)
        probes = (
            verify.probe(target, spec, runner, release.version, check, one)
            for check in spec.pre_checks
            for one in verify.about(check, units)
        )
        refuse_unless(probes, target.name)

    def draft(self, target: Target, spec: GitCheckoutSpec, installed: GitInstalled, release: Release) -> Draft:
        """See `Adapter.draft`."""
        return plan.update(target, spec, installed, release)

    def draft_rollback(self, target: Target, spec: GitCheckoutSpec, installed: GitInstalled, backup: Backup) -> Draft:
        """See `Adapter.draft_rollback`."""
        return plan.rollback(target, spec, installed, backup)

    def doctor(self, target: Target, spec: GitCheckoutSpec) -> Sequence[Finding]:
        """See `Adapter.doctor`."""
        return doctor.look(target, spec)
