"""Which component types a host has: the updater's own, and what other packages bring."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fsm.adapter import Registry
from fsm.errors import ConfigError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that brings a type of its own, and another `git`."""
    info = tmp_path / "other_types-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-types\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[fsm.components]\nfirmware = missing_module:Firmware\ngit = missing_module:Git\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert str(tmp_path) in sys.path


@pytest.mark.usefixtures("package")
def test_no_other_package_stands_in_for_a_type_of_the_updaters_own():
    """Wherever it is installed: what updates a host does not change with the order of a path."""
    registry = Registry.discover()
    assert type(registry.get("git")).__module__ == "fsm_git"
    assert {"firmware", "git", "python_app", "container"} <= set(registry.types)
    assert type(registry.get("git")).__module__ == "fsm_git"


@pytest.mark.usefixtures("package")
def test_types_of_other_packages_are_found():
    """As soon as one is asked for."""
    with pytest.raises(ConfigError, match="cannot load the adapter of component type 'firmware'"):
        Registry.discover().get("firmware")
    with pytest.raises(ConfigError, match="the installed types are: container, firmware, git, python_app"):
        Registry.discover().get("firmwear")
