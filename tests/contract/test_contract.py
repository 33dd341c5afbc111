"""What every adapter promises (`fsm.adapter`), tried on every adapter that is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fsm.adapter import AnyAdapter, Registry, Step, StepContext
from fsm.engine import plan
from fsm.engine.report import Outcome
from fsm.errors import PlanUnknown
from fsm.lifecycle import STEP_STATES
from tests.contract.fixtures import FIXTURES, NEEDS, ComponentFixture
from tests.world import Crash, crash_at

TYPES = Registry.discover().types


def _param(component_type: str) -> Any:
    marks = [getattr(pytest.mark, name) for name in NEEDS.get(component_type, ())]
    return pytest.param(component_type, marks=marks)


@pytest.fixture(params=[_param(component_type) for component_type in TYPES])
def app_fixture(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ComponentFixture]:
    """One fixture for each installed component type."""
    assert request.param in FIXTURES, (
        f"the component type {request.param} has no test app_fixture: add one to tests/contract/fixtures.py"
    )
    made = FIXTURES[request.param](tmp_path)
    try:
        yield made
    finally:
        made.close()


def adapter_of(app_fixture: ComponentFixture) -> AnyAdapter:
    """The adapter of a fixture's component."""
    return Registry.discover().get(app_fixture.updater().config.component(app_fixture.name).keys.type)


def doubled(adapter: AnyAdapter) -> Registry:
    """The same adapter, each of whose steps does and undoes everything twice."""

    def twice(step: type[Step]) -> type[Step]:
        def do(self: Any, ctx: StepContext) -> Any:
            step.do(self, ctx)
            return step.do(self, ctx)

        def undo(self: Any, ctx: StepContext) -> Any:
            step.undo(self, ctx)
            return step.undo(self, ctx)

        return type(step.__name__, (step,), {"do": do, "undo": undo, "__module__": __name__, "__annotations__": {}})

    both = type("Doubled", (type(adapter),), {"steps": tuple(twice(step) for step in adapter.steps)})
    return Registry.of(both())


@pytest.mark.parametrize("component_type", TYPES)
def test_the_steps_are_named_once_and_for_people(component_type):
    """Journals refer to the names, plans show the titles."""
    steps = Registry.discover().get(component_type).steps
    assert len({step.name for step in steps}) == len(steps)
    assert all(step.title and step.phase in STEP_STATES for step in steps)


@pytest.mark.parametrize("component_type", TYPES)
def test_a_step_is_found_by_its_name_before_the_adapter_is_loaded(component_type):
    """As it is found in the adapter."""
    steps = {step.name: step for step in Registry.discover().get(component_type).steps}
    assert {name: Registry.discover().step(component_type, name) for name in steps} == steps


def test_a_plan_survives_the_journal(app_fixture):
    """Its steps come back with the arguments that they had, and an unknown one is said."""
    made = app_fixture.updater().plan(app_fixture.name)
    registry = Registry.discover()
    again = plan.load(made.model_dump_json())
    assert again == made
    assert [step.name for step in plan.thaw(again, registry)] == [step.name for step in made.steps]
    with pytest.raises(PlanUnknown, match="nonsense"):
        registry.step(made.component_type, "nonsense")


def test_the_downtime_lies_within_what_touches_the_component(app_fixture):
    """It begins once, ends once, in that order, and nothing before it touches the live component."""
    steps = app_fixture.updater().plan(app_fixture.name).steps
    marks = [step.downtime for step in steps if step.downtime]
    assert marks in ([], ["begins", "ends"])
    touching = [step.touches_live for step in steps]
    first = touching.index(True)
    assert all(touching[first:])
    assert steps[first].downtime == "begins" or not marks


def test_doing_and_undoing_twice_is_harmless(app_fixture):
    """A crash between an effect and its commit makes a resume do it again."""
    registry = doubled(adapter_of(app_fixture))
    assert app_fixture.updater(registry).update(app_fixture.name).outcome is Outcome.DONE
    assert app_fixture.whole("1.1.0")
    app_fixture.break_release()
    assert app_fixture.updater(registry).update(app_fixture.name).outcome is Outcome.ROLLED_BACK
    assert app_fixture.whole("1.1.0")


def test_an_undo_works_though_its_do_never_ran(app_fixture):
    """For every step: killed right before it, then cancelled; the live tree is what it was, to the byte."""
    before = app_fixture.inventory()
    steps = app_fixture.updater().plan(app_fixture.name).steps
    for number in range(len(steps)):
        with crash_at(number, only="step.before_do"), pytest.raises(Crash):
            app_fixture.updater().update(app_fixture.name)
        if not any(step.touches_live for step in steps[:number]):
            assert not before.compare(app_fixture.inventory()), f"changed before step {steps[number].name}"
        result = app_fixture.updater().cancel(app_fixture.name)
        assert result.outcome in (Outcome.ROLLED_BACK, Outcome.REFUSED), steps[number].name
        assert app_fixture.whole("1.0.0"), steps[number].name
        assert not before.compare(app_fixture.inventory()), steps[number].name


def test_a_new_journal_gives_no_number_away_twice(app_fixture):
    """What a run of a lost journal has left must not be taken for the work of a new run."""
    with crash_at(3, only="step.before_do"), pytest.raises(Crash):
        app_fixture.updater().update(app_fixture.name)
    lose_the_journal(app_fixture)
    result = app_fixture.updater().update(app_fixture.name)
    assert result.outcome is Outcome.DONE, result
    assert result.run == 2
    lose_the_journal(app_fixture)
    result = app_fixture.updater().rollback(app_fixture.name)
    assert (result.outcome, result.run) == (Outcome.DONE, 3), result
    assert app_fixture.whole("1.0.0")


def lose_the_journal(app_fixture: ComponentFixture) -> None:
    """It was set aside, or somebody has removed it."""
    journal = app_fixture.updater().config.journal
    for path in journal.parent.glob(f"{journal.name}*"):
        path.unlink()


def test_a_rollback_needs_no_source(app_fixture):
    """The network is gone when the new version turns out to be broken, and when a person wants the old one back."""
    app_fixture.break_release()
    with crash_at(0, only=app_fixture.stopping), pytest.raises(Crash):
        app_fixture.updater().update(app_fixture.name)
    app_fixture.unplug()
    assert app_fixture.updater().resume()[0].outcome is Outcome.ROLLED_BACK
    assert app_fixture.whole("1.0.0")


def test_a_run_that_has_ended_leaves_nothing_but_its_backup(app_fixture):
    """Its directory is a backup, or gone; the same after a release that does not work."""
    component = app_fixture.updater().config.component(app_fixture.name)
    adapter = adapter_of(app_fixture)
    assert app_fixture.updater().update(app_fixture.name).outcome is Outcome.DONE
    assert list(adapter.leftovers(component.target, component.spec)) == []
    (backup,) = adapter.backups(component.target, component.spec)
    assert (str(backup.version), backup.path.name) == (backup.path.name.partition("@")[0], f"{backup.version}@1")
    app_fixture.break_release()
    assert app_fixture.updater().update(app_fixture.name).outcome is Outcome.ROLLED_BACK
    assert list(adapter.leftovers(component.target, component.spec)) == []
    assert [each.path for each in adapter.backups(component.target, component.spec)] == [backup.path]


def test_looking_never_raises(app_fixture):
    """Whatever is in the component's place."""
    host = app_fixture.updater()
    component = host.config.component(app_fixture.name)
    adapter = adapter_of(app_fixture)
    app_fixture.close()
    live = app_fixture.live()
    live.rename(live.with_name("elsewhere"))
    assert not adapter.inspect(component.target, component.spec).present
    live.mkdir()
    for content in (b"", b"\xff\xfe", b"{", b"not a version", b"x" * 1_000_000, b'{"full_version": 3}'):
        (live / "VERSION").write_bytes(content)
        found = adapter.inspect(component.target, component.spec)
        assert found.version is None
        assert found.why_unknown
    assert adapter.doctor(component.target, component.spec)
    assert list(adapter.backups(component.target, component.spec)) == []
