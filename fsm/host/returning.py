"""The work of `checking` for the ways back: to a kept version, and to preserved files of an earlier time.

A rollback may take people's files back to the time when the version was replaced. Where some have changed since,
somebody says what becomes of them: the call, or the configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fsm.adapter import AnyAdapter, Backup, DataChanges, DataChoice, Draft, Installed, KeptData
from fsm.engine import plan
from fsm.engine.executor.context import Context
from fsm.engine.plan import Plan, PlannedData
from fsm.errors import PlanError, Refused, count
from fsm.host import trusting
from fsm.model import Version

if TYPE_CHECKING:
    from fsm.host.checking import Checking

CHOICES: tuple[DataChoice, ...] = ("keep", "restore")
"""What can be said of preserved files in a rollback."""


class Returning:
    """Makes the plans of one component that lead back.

    Args:
        checking: of that component.
    """

    def __init__(self, checking: Checking) -> None:
        self._checking = checking
        self._target, self._spec = checking.target, checking.component.spec
        self._adapter: AnyAdapter = checking.adapter
        self.name = checking.name

    def plan(self, ctx: Context, to: Version | None, data: DataChoice | None, *, undecided: bool = False) -> Plan:
        """The plan back to a version that is kept on this host; by default the newest other one.

        Args:
            data: what becomes of preserved files; None if the call does not say.
            undecided: whether the plan is only looked at, and need not be decided.

        Raises:
            PlanError: no such version is kept.
            Refused: nobody has said what becomes of files that changed.
        """
        trust = trusting.refuse(self._checking.component, self._adapter, self._target)
        installed = self._checking.installed()
        backup = self._backup(ctx, installed, to)
        changes = self._checking.asking(ctx).data_changes(self._target, self._spec, backup)
        planned = self._planned(backup, changes, data)
        if planned is not None and planned.choice is None and not undecided:
            raise self._undecided(backup, planned)
        if planned is not None and planned.choice is not None:
            backup = backup.model_copy(update={"data": planned.choice})
        looked = self._checking.look(ctx, installed, None)
        draft = self._adapter.draft_rollback(self._target, self._spec, looked, backup)
        ctx.check()
        return self._frozen(draft, trust, installed, backup.version or Version("0"), "rollback", planned)

    def plan_data(self, ctx: Context, kept: str) -> Plan:
        """The plan that brings preserved files of an earlier time back.

        Args:
            kept: what `KeptData.id` calls them.

        Raises:
            PlanError: there are none of that name, or they cannot be brought back.
        """
        trust = trusting.refuse(self._checking.component, self._adapter, self._target)
        installed = self._checking.installed()
        found = self._kept(ctx, kept)
        looked = self._checking.look(ctx, installed, None)
        draft = self._adapter.draft_bring_back(self._target, self._spec, looked, found)
        ctx.check()
        planned = PlannedData(choice="restore", said_by="call", changed=found.files, size=found.size)
        return self._frozen(draft, trust, installed, installed.version or Version("0"), "data", planned)

    def _frozen(
        self,
        draft: Draft,
        trust: tuple[str, ...],
        installed: Installed,
        to: Version,
        kind: Literal["rollback", "data"],
        planned: PlannedData | None,
    ) -> Plan:
        draft = draft.model_copy(update={"notes": (*trust, *draft.notes)})
        return self._checking.affordable(
            plan.freeze(
                self.name,
                self._checking.component_type,
                draft,
                from_version=installed.version,
                to_version=to,
                kind=kind,
                user=self._target.user,
                data=planned,
            )
        )

    def _kept(self, ctx: Context, wanted: str) -> KeptData:
        every = self._checking.asking(ctx).kept_data(self._target, self._spec)
        for each in every:
            if each.id == wanted:
                return each
        known = ", ".join(each.id for each in every) or "none"
        what, why = f"cannot bring files of run {wanted} back", f"what {self.name} has set aside is of runs: {known}"
        raise PlanError(what, why, f"see `fsm data {self.name} list`")

    def _planned(self, backup: Backup, changes: DataChanges | None, data: DataChoice | None) -> PlannedData | None:
        """What becomes of preserved files, and who says so; None where this component type leaves them alone.

        Raises:
            Refused: they are to be taken back, and this component type cannot.
        """
        said = self._checking.component.keys.rollback_data
        configured: DataChoice | None = None if said == "ask" else said
        choice = data or configured
        if changes is None:
            if choice == "restore":
                what = f"cannot take the files of {self.name} back with it"
                why = f"rollbacks of type {self._checking.component_type} leave preserved files as they are now"
                todo = "leave out --data" if data else 'set rollback_data = "keep"'
                raise Refused(what, why, todo)
            return None
        by: Literal["call", "configuration", "default"] | None = "call" if data else "configuration" if choice else None
        if choice is None and not changes.count:
            # Nothing is lost by it either way; what the app writes until it is stopped is kept so.
            choice, by = "keep", "default"
        return PlannedData(choice=choice, said_by=by, changed=changes.count, size=changes.size, names=changes.names)

    def _undecided(self, backup: Backup, planned: PlannedData) -> Refused:
        what = f"cannot roll {self.name} back to {backup.version}"
        changed = f"{count(planned.changed, 'preserved file')} changed since it was replaced ({backup.made_at})"
        todo = (
            f"write `fsm rollback {self.name} --to {backup.version} --data keep` to keep them as they are now, or"
            " `--data restore` to go back to those of that time; or set rollback_data in the configuration"
        )
        return Refused(what, f"{changed}, and nobody said what becomes of them", todo)

    def _backup(self, ctx: Context, installed: Installed, to: Version | None) -> Backup:
        kept = self._checking.asking(ctx).backups(self._target, self._spec)
        known = [backup for backup in kept if backup.version is not None]
        for backup in known:
            if backup.version == to if to is not None else backup.version != installed.version:
                return backup
        names = ", ".join(dict.fromkeys(str(backup.version) for backup in known)) or "none"
        raise PlanError(
            f"cannot roll {self.name} back{f' to {to}' if to else ''}",
            f"the versions kept on this host are: {names}",
            "`fsm update --version` installs an older release from its source",
        )
