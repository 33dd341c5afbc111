"""A program that uses the library keeps its own names, and a component type is added by a folder and an entry point."""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
from pathlib import Path

import pytest

from fsm.adapter import Registry
from tests.house.environments import ROOT, build_wheel, environment, run

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

PROGRAM = """
import components.pump
from fsm import Updater
from fsm.adapter import Registry

assert components.__file__ and "program" in components.__file__, components
assert components.pump.FLOW == 7
print(*Registry.discover().types)
source = {"type": "directory", "path": "releases", "allow_unsigned": True}
web = {"type": "python_app", "install_path": "web", "source": source}
updater = Updater.from_data({"fsm": {"state_dir": "state"}, "components": {"web": web}}, base=BASE)
print(updater.status("web")[0].component)
"""
FOUND = """
from fsm.adapter import Registry
registry = Registry.discover()
print(*registry.types, type(registry.get("data_file")).__module__)
"""
ENTRY = '[project.entry-points."fsm.components"]\n'
CHECKOUT = ("fsm", "components", "tools", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module", params=["wheel", "editable"])
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment that has the library."""
    folder = tmp_path_factory.mktemp(request.param)
    what = (build_wheel(ROOT, folder / "dist"),) if request.param == "wheel" else ("-e", ROOT)
    return environment(folder / "env", *what, borrow=True)


def test_a_program_may_have_a_package_of_that_name(python: Path, tmp_path: Path):
    """The folder `components/` of this project takes no name from anybody."""
    program = tmp_path / "program"
    (program / "components").mkdir(parents=True)
    (program / "components" / "__init__.py").touch()
    (program / "components" / "pump.py").write_text("FLOW = 7\n")
    base = f"from pathlib import Path\nBASE = Path({str(tmp_path)!r})\n"
    (program / "main.py").write_text(base + PROGRAM)
    assert run(python, program / "main.py", cwd=tmp_path) == f"{' '.join(Registry.discover().types)}\nweb\n"


def test_a_component_type_is_a_folder_and_an_entry_point(tmp_path: Path):
    """It is in the wheel, it is found, and it is held to the same contracts; nothing else was edited."""
    for name in CHECKOUT:
        place = tmp_path / "checkout" / name
        place.parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, place)
    checkout = tmp_path / "checkout"
    added = checkout / "components" / "fsm_data_file"
    added.mkdir()
    shutil.copy2(ROOT / "examples" / "adapter" / "data_file.py", added / "__init__.py")
    project = (checkout / "pyproject.toml").read_text()
    assert ENTRY in project
    (checkout / "pyproject.toml").write_text(project.replace(ENTRY, f'{ENTRY}data_file = "fsm_data_file:DataFile"\n'))

    compared = filecmp.dircmp(ROOT / "components", checkout / "components", ignore=["__pycache__"])
    assert (compared.left_only, compared.right_only) == ([], ["fsm_data_file"])
    here = environment(tmp_path / "env", build_wheel(checkout, tmp_path / "dist"), borrow=True)
    types = sorted((*Registry.discover().types, "data_file"))
    assert run(here, "-c", FOUND, cwd=tmp_path) == f"{' '.join(types)} fsm_data_file\n"
    first = f"{checkout}{os.pathsep}{checkout / 'components'}"
    assert "0 broken" in run(sys.executable, "tools/contracts.py", cwd=checkout, PYTHONPATH=first)
