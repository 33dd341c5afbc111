"""What component types share, so that each is written once and is found under the same name in every type.

| for | names |
|---|---|
| where runs and backups lie | `KeepingAdapter`, `Layout`, `BackupRecord`, `write_record`, `read_record` |
| steps, in their order | `MakePlaces`, `Keep`, `Download`, `StopService`, `StartService`, `Verify`, `Retire`, `Tidy` |
| steps that no release is to blame for | `HostStep` |
| where the component has a user of its own | `Staging`, `Unstage` |
| commands, in messages | `ended` |
| services, as configured and as they run | `ServiceSpec`, `ServiceUnit` |
| how long old versions are kept | `Retention` |
| checks, as configured and as they are performed | `Check`, `Probe`, `measured`, `own_names`, `time_for` |
| checking | `first_failure`, `refuse_unless` |
| what of a release is for this host | `artifact_for_host` |
| what a release may not widen | `Claim`, `declared`, `check_hosts`, `refuse_claims` |
| what `fsm doctor` looks at | `Findings`, `owner_findings` |
| who else may write to a tree | `doubt_about`, `refuse_shared`, `refuse_foreign` |
| directories of ours | `make_directory`, `remove_empty`, `remove_tree`, `sweep`, `sweep_foreign` |
| files | `bytes_matched`, `link`, `sync_dir`, `write_atomic` |
| versions in files | `read_version` |
| places to be killed at, in tests | `fault_point` |

Each name is loaded when it is first used: `import fsm.kit` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fsm.system import late

if TYPE_CHECKING:
    from fsm.formats.checkspec import Check
    from fsm.formats.version_file import ask as read_version
    from fsm.kit.adapters import KeepingAdapter
    from fsm.kit.checks import Probe, first_failure, measured, own_names, refuse_unless, time_for
    from fsm.kit.directories import bytes_matched, make_directory, remove_empty, sweep, sweep_foreign
    from fsm.kit.doctor import Findings
    from fsm.kit.download import Download
    from fsm.kit.finish import Retire, Tidy, Verify
    from fsm.kit.keep import Keep
    from fsm.kit.layout import BackupRecord, Layout, read_record, write_record
    from fsm.kit.limits import Claim, artifact_for_host, check_hosts, declared, refuse_claims
    from fsm.kit.owners import doubt_about, owner_findings, refuse_foreign, refuse_shared
    from fsm.kit.places import MakePlaces
    from fsm.kit.retention import Retention
    from fsm.kit.staging import Staging, Unstage
    from fsm.kit.steps import HostStep, ServiceUnit, StartService, StopService, ended
    from fsm.services import ServiceSpec
    from fsm.system.faults import point as fault_point
    from fsm.system.files import link, remove_tree, sync_dir, write_atomic

_NAMES: Final = {
    "fsm.kit.adapters": "KeepingAdapter",
    "fsm.kit.checks": "Probe first_failure measured own_names refuse_unless time_for",
    "fsm.kit.directories": "bytes_matched make_directory remove_empty sweep sweep_foreign",
    "fsm.kit.doctor": "Findings",
    "fsm.kit.download": "Download",
    "fsm.kit.finish": "Retire Tidy Verify",
    "fsm.kit.keep": "Keep",
    "fsm.kit.layout": "BackupRecord Layout read_record write_record",
    "fsm.kit.limits": "Claim artifact_for_host check_hosts declared refuse_claims",
    "fsm.kit.owners": "doubt_about owner_findings refuse_foreign refuse_shared",
    "fsm.kit.places": "MakePlaces",
    "fsm.kit.retention": "Retention",
    "fsm.kit.staging": "Staging Unstage",
    "fsm.kit.steps": "HostStep ServiceUnit StartService StopService ended",
    "fsm.formats.checkspec": "Check",
    "fsm.services": "ServiceSpec",
    "fsm.system.files": "link remove_tree sync_dir write_atomic",
}
"""Where each name is defined."""

_WHERE: Final = {
    **{name: module for module, names in _NAMES.items() for name in names.split()},
    "fault_point": "fsm.system.faults:point",
    "read_version": "fsm.formats.version_file:ask",
}

__all__ = [
    "BackupRecord",
    "Check",
    "Claim",
    "Download",
    "Findings",
    "HostStep",
    "Keep",
    "KeepingAdapter",
    "Layout",
    "MakePlaces",
    "Probe",
    "Retention",
    "Retire",
    "ServiceSpec",
    "ServiceUnit",
    "Staging",
    "StartService",
    "StopService",
    "Tidy",
    "Unstage",
    "Verify",
    "artifact_for_host",
    "bytes_matched",
    "check_hosts",
    "declared",
    "doubt_about",
    "ended",
    "fault_point",
    "first_failure",
    "link",
    "make_directory",
    "measured",
    "own_names",
    "owner_findings",
    "read_record",
    "read_version",
    "refuse_claims",
    "refuse_foreign",
    "refuse_shared",
    "refuse_unless",
    "remove_empty",
    "remove_tree",
    "sweep",
    "sweep_foreign",
    "sync_dir",
    "time_for",
    "write_atomic",
    "write_record",
]


__getattr__ = late.names(__name__, _WHERE)


def __dir__() -> list[str]:
    return sorted(__all__)
