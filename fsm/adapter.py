"""The contract of a component type: its spec, its steps, its plan. `fsm.registry` finds types.

An adapter is data plus small actions. It never touches the journal and never decides about states: the executor
calls `do` and `undo` of its steps in the order of the frozen plan and writes down what they return. That keeps an
adapter short (the how-to shows one in forty lines) and lets one crash test cover them all. `fsm.step` has the
contract of a step. Its names are offered here as well, as are the values that both speak of (`Release`, `State`,
`Version`, `HostPath`): an adapter imports from here, from `fsm.kit`, and its errors from `fsm`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar

from pydantic import Field

from fsm.errors import ManifestError, Unsupported
from fsm.formats.version_file import VersionFile
from fsm.lifecycle import State
from fsm.model import ComponentName, Digest, HostPath, Model, Seconds, Text, Version
from fsm.step import CommandResult, Deadline, Done, Failed, RetryLater, Step, StepContext, StepResult
from fsm.system import late
from fsm.system.users import User

if TYPE_CHECKING:
    from fsm.formats.artifacts import Artifact
    from fsm.formats.releases import Release
    from fsm.registry import ENTRY_POINTS, Registry

__all__ = [
    "ENTRY_POINTS",
    "Adapter",
    "AnyAdapter",
    "Artifact",
    "Backup",
    "CommandResult",
    "ComponentName",
    "DataChanges",
    "DataChoice",
    "Deadline",
    "Digest",
    "Done",
    "Draft",
    "Failed",
    "Finding",
    "HostPath",
    "Installed",
    "KeptData",
    "Model",
    "Registry",
    "Release",
    "RetryLater",
    "Seconds",
    "Spec",
    "State",
    "Step",
    "StepContext",
    "StepResult",
    "Target",
    "User",
    "Version",
    "VersionFile",
]

# Half of the time that loading this module would take, for what a plan is made of and no step needs.
__getattr__ = late.names(
    __name__,
    {
        "Artifact": "fsm.formats.artifacts",
        "Release": "fsm.formats.releases",
        **dict.fromkeys(("ENTRY_POINTS", "Registry"), "fsm.registry"),
    },
)


NAMED: Final = 20
"""So many names of changed files are told; nobody reads more."""


class Installed(Model):
    """What is installed now. Adapters may subclass it with facts that their plan needs.

    Attributes:
        version: None when it is unknown.
        why_unknown: why it is; empty otherwise.
        present: whether anything is installed at all.
    """

    version: Version | None = None
    why_unknown: str = ""
    present: bool = True


DataChoice = Literal["keep", "restore"]
"""What a rollback does with people's preserved files: they stay as they are now, or go back to the version's own."""


class DataChanges(Model):
    """What became of the preserved files since a version was replaced.

    Attributes:
        count: files that were changed, added or removed since.
        size: bytes of the changed and added ones, as they are now.
        names: the first of them, sorted.
    """

    count: Annotated[int, Field(ge=0)] = 0
    size: Annotated[int, Field(ge=0)] = 0
    names: Annotated[tuple[str, ...], Field(max_length=NAMED)] = ()


class KeptData(Model):
    """Preserved files of an earlier time that are still on this host, and can be brought back.

    Attributes:
        id: what `fsm data NAME bring-back` calls it by: the number of the run, with a word where that has two.
        run: the run that put them there.
        version: whose they are; None when nobody knows it any more.
        made_at: when they were last in use, UTC, ISO 8601.
        why: they belong to a kept version, which retention may remove (`version`); gave way to others (`set_aside`); or
            are what a version wrote that was rolled back (`written`).
        path: the directory that they lie in.
        files: how many.
        size: their bytes.
        partial: whether they are single files, and not all that there were.
        preserve: the patterns that named them, where these are known.
    """

    id: Annotated[str, Field(max_length=40)]
    run: int
    version: Version | None
    made_at: str
    why: Literal["version", "set_aside", "written"]
    path: Path
    files: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=0)]
    partial: bool = False
    preserve: tuple[str, ...] = ()


class Backup(Model):
    """An older version that is kept on this host and can be rolled back to without a network.

    Attributes:
        version: None when nobody knows it any more.
        path: where it is kept.
        run_id: the run that replaced it.
        made_at: when, UTC, ISO 8601.
        size: bytes; None when nobody has counted.
        data: what a rollback to it does with the preserved files; the host says so before it asks for a draft.
    """

    version: Version | None
    path: Path
    run_id: int
    made_at: str
    size: int | None = None
    data: DataChoice = "restore"


class Finding(Model):
    """One result of `fsm doctor`.

    Attributes:
        level: whether there is something to do: not, some time, or before the next update.
        subject: a component's name, or what of the host it is about.
        message: what was found.
        todo: what to do about it; empty if there is nothing.
    """

    level: Literal["ok", "warning", "error"]
    subject: str
    message: str
    todo: Text = ""


class Draft(Model):
    """What an adapter makes of a request: steps in order, and what people should know beforehand.

    Attributes:
        steps: ordered by phase; each name once.
        downloads: (name, bytes or None) of each file that the steps will download.
        disk_need: bytes, by directory, that the steps need at most at one time.
        preserved: paths or patterns that keep their bytes through the update.
        data_kept_in: where a rollback keeps the preserved files that it takes away; ``{run}`` is the run's number.
        notes: costs and peculiarities, one sentence each.
    """

    steps: tuple[Step, ...]
    downloads: tuple[tuple[str, int | None], ...] = ()
    disk_need: tuple[tuple[Path, int], ...] = ()
    preserved: tuple[str, ...] = ()
    data_kept_in: Text = ""
    notes: tuple[str, ...] = ()


class Spec(Model):
    """A component's configuration beside the keys that every type has; adapters subclass it."""


class Target(Model):
    """Which component an adapter works on, and where the updater keeps things.

    Attributes:
        name: the component's name.
        state_dir: the host's state directory; steps may keep pid files and the like below it.
        source: the configured source as JSON values, for steps that download.
        user: as whom the component is touched; None: as the updater's own user.
    """

    name: ComponentName
    state_dir: Path
    source: dict[str, Any] = {}
    user: User | None = None


SpecT = TypeVar("SpecT", bound=Spec)
InstalledT = TypeVar("InstalledT", bound=Installed)


class Adapter(ABC, Generic[SpecT, InstalledT]):
    """A component type.

    Class attributes:
        component_type: the name used in configurations, e.g. ``python_app``.
        spec: the model of its configuration.
        steps: every step class that a plan of this adapter may hold.
        installed: the model of what `inspect` and `look` answer: what a process of somebody else says is held to it.

    A component whose tree belongs to another user than the updater is touched as that user, `Target.user`: the steps
    that are not `Step.by_updater`, and the questions `inspect`, `look`, `backups`, `data_changes`, `kept_data`,
    `doctor`, `last_run` and `leftovers`, are then called in a process of that user's. Everything else runs as the
    updater, and must neither read nor write what `place` names.
    """

    component_type: ClassVar[str]
    spec: ClassVar[type[Spec]]
    steps: ClassVar[Sequence[type[Step]]]
    installed: ClassVar[type[Installed]] = Installed

    def place(self, target: Target, spec: SpecT) -> Path | None:
        """The tree whose owner the component is touched as; None: it has none, and is touched as the updater."""
        return None

    def relies_on(self, target: Target, spec: SpecT) -> Sequence[Path]:
        """Files by which whoever may change them does what root does, such as compose files; services have their own.

        A component with one that others than root may change is not updated without ``run_as = "root"``.
        """
        return ()

    @abstractmethod
    def inspect(self, target: Target, spec: SpecT) -> InstalledT:
        """Ask the component what is installed. Reads only, never raises for an unknown version."""

    def look(self, target: Target, spec: SpecT, installed: InstalledT, release: Release | None) -> InstalledT:
        """Look closer before a plan is made: `installed`, with the facts that `draft` or `draft_rollback` needs.

        Args:
            release: where an update leads; None before a rollback.

        Raises:
            PlanError, Unsupported: no update can begin here; nothing was touched.
        """
        return installed

    @abstractmethod
    def draft(self, target: Target, spec: SpecT, installed: InstalledT, release: Release) -> Draft:
        """The steps from what `look` has found to `release`. Touches nothing of the component.

        Raises:
            PlanError, Unsupported: no steps lead there; nothing was touched.
        """

    def backups(self, target: Target, spec: SpecT) -> Sequence[Backup]:
        """The versions kept on this host, newest first."""
        return ()

    def draft_rollback(self, target: Target, spec: SpecT, installed: InstalledT, backup: Backup) -> Draft:
        """The steps from what `look` has found back to a kept version, without a network; as `draft`."""
        raise Unsupported(
            f"cannot roll {target.name} back to {backup.version}",
            f"components of type {self.component_type} do not keep old versions on this host",
            "update to that version instead",
        )

    def data_changes(self, target: Target, spec: SpecT, backup: Backup) -> DataChanges | None:
        """What became of the preserved files since `backup` was replaced, which a rollback to it may take back.

        None, unless a component type says otherwise: its rollbacks leave all such files as they are.
        """
        return None

    def kept_data(self, target: Target, spec: SpecT) -> Sequence[KeptData]:
        """The preserved files of earlier times that can be brought back, newest first."""
        return ()

    def draft_bring_back(self, target: Target, spec: SpecT, installed: InstalledT, kept: KeptData) -> Draft:
        """The steps that bring such files back, and set aside those that are there now; as `draft`."""
        raise Unsupported(
            f"cannot bring files of {target.name} back",
            f"components of type {self.component_type} set none aside",
            "see `fsm doctor`",
        )

    def allows(self, target: Target, spec: SpecT, release: Release) -> None:
        """Refuse a release whose manifest asks for more than `spec` names (a manifest narrows, never widens).

        Unless a component type says otherwise, it is one that compares nothing and performs no checks of a release: so
        a manifest that names something on the host, or asks for a check, is refused.

        Raises:
            ManifestError: with the path in the manifest and the key of the configuration that would allow it.
        """
        for asked in () if release.manifest is None else release.manifest.asks():
            raise ManifestError(
                f"cannot update {target.name} to {release.version}",
                f"its manifest has {asked}, and nobody would look at it: components of type {self.component_type}"
                " perform nothing that a release asks for",
                "publish the release without it",
            )

    def pre_check(
        self, target: Target, spec: SpecT, installed: InstalledT, release: Release, runner: StepContext
    ) -> None:
        """Perform the checks that the release and the configuration ask for before an update.

        A component type that overrides `allows` has to override this, too, or to refuse `pre_update_checks` there.

        Raises:
            Refused: one of them failed; nothing was touched.
        """

    def doctor(self, target: Target, spec: SpecT) -> Sequence[Finding]:
        """Look for what would make an update of this component fail."""
        return ()

    def version_file(self, target: Target, spec: SpecT) -> VersionFile | None:
        """The file that alone decides what `inspect` answers; None if it takes more than that.

        With it `fsm status` answers without loading the adapter (`fsm.host.quick_status`).
        """
        return None

    def last_run(self, target: Target, spec: SpecT) -> int:
        """The highest number of a run of which something is left on this host, 0 if there is nothing.

        A new run gets a higher one. Numbers come from the journal, and a new journal would begin with 1 again: what a
        run of the lost one has left must not pass for the new run's own work.
        """
        return 0

    def leftovers(self, target: Target, spec: SpecT) -> Sequence[Path]:
        """Work directories that runs have left behind; named to the user when the journal was set aside."""
        return ()


AnyAdapter = Adapter[Any, Any]
