"""Updates as persisted state machines: resumable after a crash at any instruction.

>>> from fsm import Updater
>>> updater = Updater.from_config()
>>> updater.update("core").headline

Everything that a program needs is imported from here: the verbs (`Updater`, and `AsyncUpdater` for asyncio), what they
return, what they raise and what observers hear. Adapters import from here, from `fsm.adapter` and from `fsm.kit`.
What lies below these three may change at any time. Each name is loaded when it is first used, so `import fsm` costs
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fsm.system import late
from fsm.version import __version__

if TYPE_CHECKING:
    from fsm.adapter import (
        Adapter,
        Backup,
        CommandResult,
        Done,
        Draft,
        Failed,
        Finding,
        Installed,
        Registry,
        RetryLater,
        Spec,
        Step,
        StepContext,
        StepResult,
        Target,
    )
    from fsm.aio import AsyncUpdater, Running
    from fsm.engine.plan import DiskNeed, DownloadNeed, Plan, PlannedStep
    from fsm.engine.progress import EventKind, Observer, ProgressEvent
    from fsm.engine.report import ComponentStatus, InSet, Outcome, RunReport, StepReport, StepStatus, UpdateResult
    from fsm.errors import (
        ArchiveError,
        BlockedBy,
        Busy,
        Cancelled,
        CommandFailed,
        ConfigError,
        DeadlineExceeded,
        FsmError,
        IntegrityError,
        Interrupted,
        JournalError,
        LeadsTo,
        ManifestError,
        NotReady,
        PlanError,
        PlanUnknown,
        Refused,
        SourceError,
        StepFailed,
        StillRunning,
        Transient,
        TrustError,
        Unsupported,
        UpToDate,
        UsageError,
        WorkerFailed,
    )
    from fsm.formats.artifacts import Artifact
    from fsm.formats.releases import Release
    from fsm.host.checking import CheckResult
    from fsm.lifecycle import State
    from fsm.updater import Updater
    from fsm.versions import Version

_NAMES: Final = {
    "fsm.updater": "Updater",
    "fsm.aio": "AsyncUpdater Running",
    "fsm.engine.report": "ComponentStatus InSet Outcome RunReport StepReport StepStatus UpdateResult",
    "fsm.engine.plan": "DiskNeed DownloadNeed Plan PlannedStep",
    "fsm.engine.progress": "EventKind Observer ProgressEvent",
    "fsm.host.checking": "CheckResult",
    "fsm.lifecycle": "State",
    "fsm.versions": "Version",
    "fsm.errors": (
        "ArchiveError BlockedBy Busy Cancelled CommandFailed ConfigError DeadlineExceeded FsmError IntegrityError"
        " Interrupted JournalError LeadsTo ManifestError NotReady PlanError PlanUnknown Refused SourceError StepFailed"
        " StillRunning Transient TrustError Unsupported UpToDate UsageError WorkerFailed"
    ),
    "fsm.adapter": (
        "Adapter Backup CommandResult Done Draft Failed Finding Installed Registry RetryLater Spec Step StepContext"
        " StepResult Target"
    ),
    "fsm.formats.artifacts": "Artifact",
    "fsm.formats.releases": "Release",
}
"""Where each public name is defined."""

_WHERE: Final = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Adapter",
    "ArchiveError",
    "Artifact",
    "AsyncUpdater",
    "Backup",
    "BlockedBy",
    "Busy",
    "Cancelled",
    "CheckResult",
    "CommandFailed",
    "CommandResult",
    "ComponentStatus",
    "ConfigError",
    "DeadlineExceeded",
    "DiskNeed",
    "Done",
    "DownloadNeed",
    "Draft",
    "EventKind",
    "Failed",
    "Finding",
    "FsmError",
    "InSet",
    "Installed",
    "IntegrityError",
    "Interrupted",
    "JournalError",
    "LeadsTo",
    "ManifestError",
    "NotReady",
    "Observer",
    "Outcome",
    "Plan",
    "PlanError",
    "PlanUnknown",
    "PlannedStep",
    "ProgressEvent",
    "Refused",
    "Registry",
    "Release",
    "RetryLater",
    "RunReport",
    "Running",
    "SourceError",
    "Spec",
    "State",
    "Step",
    "StepContext",
    "StepFailed",
    "StepReport",
    "StepResult",
    "StepStatus",
    "StillRunning",
    "Target",
    "Transient",
    "TrustError",
    "Unsupported",
    "UpToDate",
    "UpdateResult",
    "Updater",
    "UsageError",
    "Version",
    "WorkerFailed",
    "__version__",
]


__getattr__ = late.names(__name__, _WHERE)


def __dir__() -> list[str]:
    return sorted(__all__)
