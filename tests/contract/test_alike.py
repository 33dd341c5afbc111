"""Somebody who knows one component type finds the way in the next: files and steps have the same names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from fsm import kit
from fsm.adapter import Registry

ROOT: Final = Path(__file__).resolve().parents[2]
TYPES: Final = Registry.discover().types
FILES: Final = ("doctor", "finish", "inspect", "keep", "layout", "limits", "plan", "spec", "verify")
STEPS: Final = ("download", "keep", "retire", "tidy", "verify")
KIT: Final = (kit.Keep, kit.Download, kit.StopService, kit.StartService, kit.Verify, kit.Retire, kit.Tidy)


@pytest.mark.parametrize("component_type", TYPES)
def test_the_files_have_the_same_names(component_type: str):
    """What a type is configured by, asks, allows, plans, proves and warns of."""
    there = {path.stem for path in (ROOT / "components" / f"fsm_{component_type}").glob("*.py")}
    assert set(FILES) - there == set()


@pytest.mark.parametrize("component_type", TYPES)
def test_a_step_that_does_the_same_has_the_same_name(component_type: str):
    """In the journal, in plans and in events; what the kit names nobody names anew."""
    steps = {step.name: step for step in Registry.discover().get(component_type).steps}
    assert set(STEPS) - steps.keys() == set()
    for shared in KIT:
        if shared.name in steps and shared.name not in ("keep", "download"):
            assert issubclass(steps[shared.name], shared), shared.name


@pytest.mark.parametrize("component_type", TYPES)
def test_old_versions_are_kept_alike(component_type: str):
    """One table of the configuration says how long, in every type."""
    adapter = Registry.discover().get(component_type)
    assert adapter.spec.model_fields["retention"].annotation is kit.Retention
    assert isinstance(adapter, kit.KeepingAdapter)
    assert issubclass(adapter.record, kit.BackupRecord)
