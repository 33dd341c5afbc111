"""What is offered, and what keeps it back: check, status, plan and update say the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from fsm.adapter import Registry, Spec, Step, Target
from fsm.engine.journal import Journal
from fsm.engine.report import BlockedBy, Outcome
from fsm.errors import FsmError, UpToDate
from fsm.formats.version_file import VersionFile
from fsm.host import quick_status
from fsm.host.config import load
from fsm.model import Version
from fsm.updater import Updater
from tests.library.hosts import Notes, NoteSpec
from tests.library.shop import Shop
from tests.world import STEPS


class Glance(Notes):
    """Notes whose version is in their file, so that a status can be read at a glance."""

    spec: ClassVar[type[Spec]] = NoteSpec
    steps: ClassVar[tuple[type[Step], ...]] = STEPS

    def version_file(self, target: Target, spec: NoteSpec) -> VersionFile:
        """See `Adapter.version_file`."""
        return VersionFile(spec.path.parent, spec.path.name)


REGISTRY = Registry.of(Glance())


class Case(NamedTuple):
    """Something that keeps an update back.

    Attributes:
        by: its word.
        arrange: brings it about, after 1.1.0 was published.
        says: what the reason has.
        outcome: of an update.
    """

    by: BlockedBy
    arrange: Callable[[Shop], None]
    says: str
    outcome: Outcome = Outcome.REFUSED


def _hold(shop: Shop) -> None:
    shop.host().hold("a", "a fair")


def _pin(shop: Shop) -> None:
    shop.host().pin("a", "<1.1")


def _withdraw(shop: Shop) -> None:
    shop.host().plan("a")  # the keyring comes with a release
    shop.withdraw("1.1.0")


def _quarantine(shop: Shop) -> None:
    with Journal(shop.root / "state" / "journal.db") as journal:
        journal.policy.quarantine("a", Version("1.1.0"), "it did not answer")


CASES = [
    Case(BlockedBy.HELD, _hold, "updates have been held since 20"),
    Case(BlockedBy.PINNED, _pin, "no release matches the pin <1.1", Outcome.UP_TO_DATE),
    Case(BlockedBy.WITHDRAWN, _withdraw, "skipped 1.1.0: it was withdrawn", Outcome.UP_TO_DATE),
    Case(BlockedBy.QUARANTINED, _quarantine, "skipped 1.1.0: it has failed here 1 time"),
]


def offered(found: Any) -> dict[str, Any]:
    """The part that a check and a status have in common."""
    keys = ("component", "installed", "latest", "update_available", "target", "blocked", "reason")
    return {key: getattr(found, key) for key in keys}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.by)
def test_everything_says_the_same_of_what_is_blocked(shop: Shop, case: Case):
    """The same word and the same sentence, in a check, a status, a plan and the update itself."""
    shop.release("1.1.0", 10)
    shop.host().check("a", force=True)
    case.arrange(shop)
    host = shop.host()
    checked = host.check("a", force=True)
    assert (checked.blocked, checked.latest, checked.target) == (case.by, "1.1.0", None)
    assert not checked.update_available
    assert case.says in checked.reason
    assert checked.notes == ""
    assert offered(host.check("a")) == offered(checked), "a young answer"
    assert offered(host.status("a")[0]) == offered(checked)
    with pytest.raises(FsmError) as refused:
        host.plan("a")
    assert refused.value.blocked is case.by
    assert isinstance(refused.value, UpToDate) is (case.outcome is Outcome.UP_TO_DATE)
    updated = host.update("a")
    assert (updated.outcome, updated.blocked) == (case.outcome, case.by)
    assert case.says in updated.reason


def test_nothing_can_be_had_from_those_whom_nothing_vouches_for(shop: Shop):
    """A host that pins no keys, and does not say that it takes unsigned releases."""
    shop.release("1.1.0", 10)
    host = shop.host(trust=False)
    checked = host.check("a", force=True)
    assert (checked.blocked, checked.latest, checked.update_available) == ("untrusted", "1.1.0", False)
    assert "no root keys are pinned" in checked.reason
    assert offered(host.status("a")[0]) == offered(checked)
    updated = host.update("a")
    assert (updated.outcome, updated.blocked) == (Outcome.REFUSED, "untrusted")


@pytest.mark.parametrize("hold", [False, True])
def test_an_up_to_date_component_is_blocked_by_a_hold_only(shop: Shop, hold: bool):
    """What is not newer is not blocked; a hold refuses every update, whatever there is."""
    shop.release("1.0.0", 10)
    if hold:
        _hold(shop)
    checked = shop.host().check("a", force=True)
    assert checked.blocked == ("held" if hold else None)
    assert checked.reason.startswith("1.0.0 is the newest release")
    assert offered(shop.host().status("a")[0]) == offered(checked)


def test_before_the_first_check_a_status_knows_of_holds(shop: Shop):
    """And of nothing else."""
    assert shop.host().status("a")[0].blocked is None
    assert shop.host().status("a")[0].reason == ""
    _hold(shop)
    found = shop.host().status("a")[0]
    assert (found.blocked, found.latest) == ("held", None)
    assert found.reason.startswith("updates have been held")


def test_what_is_asked_for_by_name_is_blocked_by_the_pin(shop: Shop):
    """A version that is not there is refused, and blocked by nothing."""
    shop.release("1.1.0", 10)
    _pin(shop)
    host = shop.host()
    assert host.update("a", version="1.1.0").blocked == "pinned"
    assert host.update("a", version="9.9").blocked is None
    host.pin("a", None)
    _withdraw(shop)
    assert host.update("a", version="1.1.0").blocked == "withdrawn"


def test_a_glance_knows_what_was_withdrawn(shop: Shop):
    """From what the long way has verified; and it takes that way again when something new is known."""
    shop.release("1.1.0", 10)
    path = _configured(shop)
    updater = Updater.from_config(path, registry=REGISTRY)
    updater.check("a", force=True)
    updater.plan("a")
    quick_status.remember(load(path, REGISTRY), REGISTRY)
    assert _at_a_glance(path) == _long(updater)
    assert _long(updater)[0]["update_available"] is True
    shop.withdraw("1.1.0")
    updater.check("a", force=True)
    assert quick_status.read(path) is None, "the list that it knew is no longer the newest"
    quick_status.remember(load(path, REGISTRY), REGISTRY)
    assert _at_a_glance(path) == _long(updater)
    assert _long(updater)[0]["blocked"] == "withdrawn"


def test_a_glance_knows_whom_nothing_vouches_for(shop: Shop):
    """That is in the configuration."""
    shop.release("1.1.0", 10)
    path = _configured(shop, trust=False)
    updater = Updater.from_config(path, registry=REGISTRY)
    updater.check("a", force=True)
    quick_status.remember(load(path, REGISTRY), REGISTRY)
    assert _at_a_glance(path) == _long(updater)
    assert _long(updater)[0]["blocked"] == "untrusted"


def _configured(shop: Shop, *, trust: bool = True) -> Path:
    """The shop's host, as a file; a JSON text is a TOML value."""
    source = {"type": "directory", "path": str(shop.depot), "repository": "acme/shop"}
    tables: dict[str, dict[str, Any]] = {"fsm": {"state_dir": shop.root / "state"}}
    tables |= {"components.a": {"type": "note", "path": shop.root / "a"}}
    tables |= {"components.a.source": source}
    if trust:
        tables |= {"trust": {"root_keys": [str(shop.maker.root.public_key)]}}
    path = shop.root / "fsm.toml"
    lines = [
        line
        for name, table in tables.items()
        for line in (f"[{name}]", *(f"{key} = {json.dumps(value, default=str)}" for key, value in table.items()))
    ]
    path.write_text("\n".join(lines))
    return path


def _at_a_glance(path: Path) -> Any:
    return json.loads(json.dumps(quick_status.read(path)))


def _long(updater: Updater) -> list[dict[str, Any]]:
    return [each.model_dump(mode="json") for each in updater.status()]
