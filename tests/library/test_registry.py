"""Which component types a host has: the updater's own, and what other packages bring."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from fsm import registry
from fsm.adapter import Registry
from fsm.errors import ConfigError
from fsm.registry import StepTable


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
    found = Registry.discover()
    assert type(found.get("git")).__module__ == "fsm_git.adapter"
    assert {"firmware", "git", "python_app", "container"} <= set(found.types)
    assert type(found.get("git")).__module__ == "fsm_git.adapter"


@pytest.mark.usefixtures("package")
def test_types_of_other_packages_are_found():
    """As soon as one is asked for."""
    with pytest.raises(ConfigError, match="cannot load the adapter of component type 'firmware'"):
        Registry.discover().get("firmware")
    with pytest.raises(ConfigError, match="the installed types are: container, firmware, git, python_app"):
        Registry.discover().get("firmwear")


def test_the_own_types_are_those_that_the_distribution_declares():
    """Read without `importlib.metadata`, which reads the same."""
    declared = distribution("fsm-updater").entry_points.select(group=registry.ENTRY_POINTS)
    assert dict(registry._own_places()) == {each.name: each.value for each in declared}


def test_entry_points_are_read_as_the_specification_has_them():
    """Other groups, blank lines, comments."""
    text = (
        "[console_scripts]\nfsm = fsm.cli:main\n\n[fsm.components]\n# ours\ngit=fsm_git:GitCheckout\n pump = a.b:C.D \n"
    )
    assert dict(registry._declared(text)) == {"git": "fsm_git:GitCheckout", "pump": "a.b:C.D"}


def test_a_directory_of_the_path_that_is_closed_to_this_user_is_passed_over(monkeypatch, tmp_path: Path):
    """A user may have root's Python, and not be let into all of it."""
    real = Path.read_text

    def read_text(path: Path, **how: str) -> str:
        if path.is_relative_to(tmp_path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **how)

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(Path, "is_file", lambda path: bool(path.read_text(encoding="utf-8")))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert set(dict(registry._own_places())) == {"container", "git", "python_app"}


def test_where_no_distribution_is_installed_everybody_is_asked(monkeypatch, tmp_path: Path):
    """A checkout on the path that was never installed."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "gone")])
    assert list(registry._own_places()) == []
    assert Registry.discover().types == ()


@pytest.mark.processes
def test_a_step_is_found_without_its_type():
    """`fsm resume` waits for nothing else."""
    script = (
        "import sys\nfrom fsm.system.inherited import no_plugins\nno_plugins()\nfrom fsm.adapter import Registry\n"
        "print(Registry.discover().step('python_app', 'unpack').__name__)\n"
        "print({'fsm_python_app.adapter', 'fsm_python_app.doctor', 'importlib.metadata'} & sys.modules.keys())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "Unpack\nset()\n"


def test_a_table_is_a_sequence_of_steps():
    """As an adapter's `steps` are."""
    table = StepTable({"unpack": "fsm_python_app.unpack:Unpack", "tidy": "fsm_python_app.finish:Tidy"})
    assert [step.name for step in table] == [step.name for step in table[:]] == ["unpack", "tidy"]
    assert (len(table), table[1].name, table.named("nothing")) == (2, "tidy", None)
