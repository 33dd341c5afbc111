"""The wheel: what it installs, and that it installs nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.environments import ROOT, build_wheel, environment, site_of
from tools.contracts import component_packages

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site-packages of a new environment with only our wheel in it."""
    folder = tmp_path_factory.mktemp("wheel")
    return site_of(environment(folder / "env", build_wheel(ROOT, folder / "dist"), borrow=False))


def test_only_fsm_and_the_component_types_are_installed(site: Path):
    """Nothing of ours takes another top-level name: no tests, no tools, and not `components`."""
    installed = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert installed == {"fsm", *component_packages()}


def test_the_wheel_has_all_modules_and_no_others(site: Path):
    """A module that is in the checkout only would be missed on the first host."""
    for tree in (ROOT / "fsm", *(ROOT / "components" / name for name in component_packages())):
        wanted = {path.relative_to(tree) for path in tree.rglob("*.py")}
        assert {path.relative_to(site / tree.name) for path in (site / tree.name).rglob("*.py")} == wanted


def test_every_package_is_typed(site: Path):
    """Type checkers of users read our annotations (PEP 561)."""
    assert [name for name in ("fsm", *component_packages()) if not (site / name / "py.typed").is_file()] == []


def test_entry_points_are_declared(site: Path):
    """The command and the component types are found by metadata, not by name."""
    (metadata,) = site.glob("fsm_updater-*.dist-info")
    text = (metadata / "entry_points.txt").read_text(encoding="utf-8")
    assert "fsm = fsm.cli:main" in text
    assert "[fsm.components]" in text
    assert "python_app = fsm_python_app:PythonApp" in text
    assert (metadata / "licenses" / "LICENSE").is_file()
    assert (site.parents[2] / "bin" / "fsm").is_file()
