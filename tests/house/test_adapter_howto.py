"""The adapter that `docs/how-to/write-an-adapter.md` shows: updated, killed at each of its effects, rolled back."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from examples.adapter.data_file import DataFile
from fsm.adapter import Registry
from fsm.updater import Updater
from tools import show_example

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "write-an-adapter.md"
GOOD = [sys.executable, "-c", "import sys; sys.exit('bad' in open(sys.argv[1]).read())"]


CHECK = {"type": "disk_space", "minimum_mb": 1}
ARTIFACT = {"name": "cities.txt", "size": 3, "sha256": f"sha256:{hashlib.sha256(b'two').hexdigest()}"}


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    """A host with one file, at version 1, and releases 1 to 3, of which the last is bad."""
    for version, text in (("1.0", "one"), ("2.0", "two"), ("3.0", "bad")):
        _release(tmp_path, version, text)
    component = {
        "type": "data_file",
        "path": "cities.txt",
        "check": [*GOOD, str(tmp_path / "cities.txt")],
        "source": {"type": "directory", "allow_unsigned": True, "path": "releases"},
    }
    found = {"fsm": {"state_dir": "state"}, "components": {"cities": component}}
    assert _updater(found, tmp_path).update("cities", version="1.0").outcome == "done"
    return found


def _release(base: Path, version: str, text: str) -> None:
    folder = base / "releases" / version
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cities.txt").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  cities.txt\n")


def _updater(data: dict[str, Any], base: Path) -> Updater:
    return Updater.from_data(data, base=base, registry=Registry.of(DataFile()))


def _now(base: Path) -> tuple[str, str]:
    return (base / "cities.txt").read_text(), (base / "cities.txt.version").read_text().strip()


def _assert_tidy(base: Path, kept: Sequence[str]) -> None:
    """Nothing lies about but the file, its version, and the versions that are kept, each of two files and a record."""
    work = base / ".cities.txt.fsm"
    assert sorted(path.name for path in base.iterdir() if "cities" in path.name or path.name.startswith(".fsm")) == [
        *([work.name] if kept else []),
        "cities.txt",
        "cities.txt.version",
    ]
    found = {path.name.partition("@")[0]: path for path in (work / "backups").glob("*")}
    assert sorted(found) == sorted(kept)
    for path in found.values():
        assert sorted(each.name for each in path.iterdir()) == ["cities.txt", "cities.txt.version", "record.json"]
    assert [path.name for path in work.glob("*")] == (["backups"] if kept else [])


CHILD = """
import json, os, signal, sys
from pathlib import Path
from examples.adapter.data_file import DataFile
from fsm import Updater
from fsm.system import faults
from fsm.adapter import Registry

def update(data, base, version, point, time):
    left = iter(range(time - 1, -1, -1))
    faults.install(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == point and next(left) == 0 else None)
    Updater.from_data(data, base=Path(base), registry=Registry.of(DataFile())).update("cities", version=version)

for line in sys.stdin:
    if (child := os.fork()) == 0:
        update(*json.loads(line))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

Kill = Callable[[dict[str, Any], Path, str, str, int], None]


@pytest.fixture(scope="module")
def kill() -> Iterator[Kill]:
    """Updates in a child that is killed when it comes to a fault point for the n-th time.

    The children are forks of a process that has imported everything, which takes longer than an update.
    """
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as forge:
        assert forge.stdin is not None
        assert forge.stdout is not None
        asked, told = forge.stdin, forge.stdout

        def killed(data: dict[str, Any], base: Path, version: str, point: str, time: int) -> None:
            print(json.dumps([data, str(base), version, point, time]), file=asked, flush=True)
            assert told.readline() == f"{-signal.SIGKILL}\n"

        yield killed
        asked.close()


@pytest.mark.needs_linux
def test_the_example_updates(data: dict[str, Any], tmp_path: Path):
    """The new file and its version are there, and the version is asked of the component."""
    result = _updater(data, tmp_path).update("cities", version="2.0")
    assert (result.outcome, result.from_version, result.to_version) == ("done", "1.0", "2.0")
    assert _now(tmp_path) == ("two", "2.0")
    assert _updater(data, tmp_path).status("cities")[0].installed == "2.0"
    _assert_tidy(tmp_path, ["1.0"])


@pytest.mark.needs_linux
def test_old_files_go_when_retention_no_longer_covers_them(data: dict[str, Any], tmp_path: Path):
    """One is kept, and the way to it needs neither the releases nor disk."""
    data["components"]["cities"]["retention"] = {"count": 1, "days": 0}
    for version, text in (("2.0", "two"), ("2.1", "more")):
        _release(tmp_path, version, text)
        assert _updater(data, tmp_path).update("cities", version=version).outcome == "done"
    _assert_tidy(tmp_path, ["2.0"])
    (tmp_path / "releases").rename(tmp_path / "unplugged")
    (kept,) = (tmp_path / ".cities.txt.fsm" / "backups").glob("2.0@*/cities.txt")
    result = _updater(data, tmp_path).rollback("cities")
    assert result.outcome == "done", result.headline
    assert _now(tmp_path) == ("two", "2.0")
    _assert_tidy(tmp_path, ["2.1"])
    assert (tmp_path / "cities.txt").stat().st_mode & 0o777 == 0o644
    assert not kept.exists(), "it is what is installed"


@pytest.mark.needs_linux
def test_a_file_that_fails_its_check_is_rolled_back(data: dict[str, Any], tmp_path: Path):
    """The old file and its version are back, and nothing of the run stays."""
    result = _updater(data, tmp_path).update("cities")
    assert result.outcome == "rolled_back", result.headline
    assert _now(tmp_path) == ("one", "1.0")
    _assert_tidy(tmp_path, [])


@pytest.mark.needs_linux
def test_a_first_installation_that_fails_leaves_no_file(tmp_path: Path, data: dict[str, Any]):
    """Undoing a first installation removes the files; there is no old one to put back."""
    data["components"]["cities"] |= {"path": "other.txt", "check": ["false"]}
    assert _updater(data, tmp_path).update("cities", version="2.0").outcome == "rolled_back"
    assert not list(tmp_path.glob("other*"))


@pytest.mark.needs_linux
@pytest.mark.parametrize(
    ("version", "point", "time", "after"),
    [
        ("2.0", "files.link.made", 1, ("two", "2.0")),
        ("2.0", "files.link.made", 3, ("two", "2.0")),
        ("2.0", "files.link.renamed", 3, ("two", "2.0")),
        ("2.0", "retire.renamed", 1, ("two", "2.0")),
        ("2.0", "step.before_do", 6, ("two", "2.0")),
        ("2.0", "step.after_do", 1, ("two", "2.0")),
        ("2.0", "files.write_atomic.renamed", 1, ("two", "2.0")),
        ("2.0", "files.write_atomic.renamed", 2, ("two", "2.0")),
        ("2.0", "step.after_do", 4, ("two", "2.0")),
        ("3.0", "step.before_undo", 2, ("one", "1.0")),
        ("3.0", "step.after_undo", 2, ("one", "1.0")),
        ("3.0", "step.after_undo", 4, ("one", "1.0")),
    ],
)
def test_the_example_survives_being_killed(
    kill: Kill, data: dict[str, Any], tmp_path: Path, version: str, point: str, time: int, after: Sequence[str]
):
    """Wherever it is killed, a resume ends with one version whole."""
    kill(data, tmp_path, version, point, time)
    (result,) = _updater(data, tmp_path).resume()
    assert result.outcome == ("done" if after[0] == "two" else "rolled_back"), result.headline
    assert _now(tmp_path) == after
    _assert_tidy(tmp_path, ["1.0"] if after[0] == "two" else [])


def test_a_release_of_several_files_is_refused(data: dict[str, Any], tmp_path: Path):
    """The example says what to do where it cannot choose."""
    folder = tmp_path / "releases" / "2.0"
    (folder / "more.txt").write_text("more")
    digest = hashlib.sha256(b"more").hexdigest()
    with (folder / "SHA256SUMS").open("a") as sums:
        sums.write(f"{digest}  more.txt\n")
    result = _updater(data, tmp_path).update("cities", version="2.0")
    assert result.outcome == "refused"
    assert "several fit equally well: cities.txt, more.txt" in result.reason


@pytest.mark.parametrize("asks", ["pre_update_checks", "post_update_checks", "update_steps"])
def test_a_manifest_that_asks_for_something_is_refused(data: dict[str, Any], tmp_path: Path, asks: str):
    """The example performs no checks of a release, so one that relies on them is not installed without."""
    entry = {"action": "restart_service", "service": "x"} if asks == "update_steps" else CHECK
    manifest = {"version": "2.0", asks: [entry], "artifacts": [ARTIFACT]}
    (tmp_path / "releases" / "2.0" / "update-manifest.yaml").write_text(json.dumps(manifest))
    result = _updater(data, tmp_path).update("cities", version="2.0")
    assert result.outcome == "refused", result.headline
    assert f"its manifest has {asks}[0], and nobody would look at it" in result.reason


def test_the_page_shows_the_code_that_is_tested():
    """Every line of the example is on the page, as text that can be read without any tool."""
    page = PAGE.read_text(encoding="utf-8")
    parts = [show_example.imports(), *map(show_example.part, show_example.PARTS)]
    assert [part for part in parts if part not in page] == []
    _docstring, _, code = show_example.EXAMPLE.read_text(encoding="utf-8").partition('"""\n')
    shown = {line for part in parts for line in part.splitlines()}
    assert set(code.splitlines()) - shown == {f"# {name}" for name in show_example.PARTS}


def test_a_part_that_is_not_there_is_named(tmp_path: Path):
    """Whoever removes a mark from the example hears of it."""
    example = tmp_path / "example.py"
    example.write_text("# nothing\n")
    with pytest.raises(ValueError, match="has no line '# spec'"):
        show_example.part("spec", example)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_no_page_is_an_include(page: Path):
    """What GitHub and an editor show is the page."""
    assert not re.search(r"\{(literal)?include\}|eval-rst|automodule", page.read_text(encoding="utf-8"))
