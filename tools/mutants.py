"""Ways to break the swap, the journal, the executor, the backup and git checkouts, each of which tests must notice.

Each mutant is a change of one place, made by hand in a copy of this checkout, on which a part of `make quick` or
`make test` then runs. `python tools/mutants.py WORD ...` tries those whose description has one of the words.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
COPIED: Final = ("fsm", "components", "tests", "tools", "examples", "docs", "pyproject.toml", "README.md")
DEADLINE: Final = 900.0
"""Seconds for the tests of one mutant."""


@dataclass(frozen=True)
class Mutant:
    """A fault to be found.

    Attributes:
        what: what is wrong, for people.
        path: the file, and in it the `old` text, which becomes the `new` one.
        tests: the arguments for pytest that must find it.
    """

    what: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


_ENGINE: Final = ("-m", "quick", "tests/engine")
_STORE: Final = "fsm/engine/journal/store.py"
_MOVES: Final = "components/fsm_python_app/moves.py"
_SWAP: Final = "components/fsm_python_app/swap.py"
_EMPTIED: Final = ("tests/git/test_submodules.py::test_what_a_power_cut_has_emptied_is_there_again",)


def _booted(case: str) -> tuple[str, ...]:
    return (f"tests/crash/test_more_crashes.py::test_a_service_that_a_boot_has_ended_runs_again[-{case}]",)


def _synced(scenario: str) -> tuple[str, ...]:
    name = "test_what_a_step_wrote_is_synced_before_its_end_is_written"
    return (f"tests/crash/test_synced.py::{name}[{scenario}]",)


def _crash(scenario: str, point: str) -> tuple[str, ...]:
    return (f"tests/crash/test_matrix.py::test_killed_and_resumed[{scenario}-{point}]",)


MUTANTS: Final = (
    Mutant("journal: two runs of a component at once", _STORE, "if self.active(component):", "if False:", _ENGINE),
    Mutant("journal: a row does not depend on the one before", _STORE, "prev = digest", "prev = prev", _ENGINE),
    Mutant(
        "journal: a commit is not on the disk when it returns",
        "fsm/engine/journal/database.py",
        "PRAGMA synchronous=FULL",
        "PRAGMA synchronous=OFF",
        _ENGINE,
    ),
    Mutant(
        "executor: a step's start is not written before it acts",
        "fsm/engine/executor/forward.py",
        "            after=self._started(following),\n",
        "",
        _ENGINE,
    ),
    Mutant(
        "executor: the step that failed is not undone",
        "fsm/engine/executor/forward.py",
        "            reason=failed.why,\n",
        "            reason=failed.why,\n            position=index - 1,\n",
        _ENGINE,
    ),
    Mutant(
        "executor: a fourth attempt without progress",
        "fsm/engine/executor/loop.py",
        "if attempt > LIMIT:",
        "if attempt > LIMIT + 1:",
        _ENGINE,
    ),
    Mutant(
        "executor: a service that something else started is not stopped again",
        "fsm/engine/executor/loop.py",
        "if record.kept_down is not None:",
        "if record.kept_down == -1:",
        _ENGINE,
    ),
    Mutant(
        "swap: a resume exchanges the trees a second time",
        _MOVES,
        "if found != inodes[wanted]:",
        "if found is not None:",
        _crash("update-exchange", "exchange.done"),
    ),
    Mutant(
        "swap: the old tree is moved although it has been moved",
        _MOVES,
        "if _inode(dest) != inode:",
        "if dest != source:",
        _crash("update-renames", "move.done"),
    ),
    Mutant(
        "swap: the old tree is copied anew after the live one has become half new",
        _SWAP,
        "if not begun.exists():",
        "if begun.parent.exists():",
        _crash("broken-copy", "copy_in.copied"),
    ),
    Mutant(
        "swap: the exchange is not synced",
        _MOVES,
        "    sync_spots(*spots)\n",
        "",
        _synced("update-exchange"),
    ),
    Mutant(
        "backup: the record of the old tree is not synced",
        "components/fsm_python_app/keep.py",
        "        files.sync_filesystem(paths.root)\n",
        "",
        _synced("update-exchange"),
    ),
    Mutant(
        "executor: what others wrote for a step is not synced",
        "fsm/engine/performing.py",
        "        files.sync_places(places)\n",
        "        pass\n",
        _synced("git-update"),
    ),
    Mutant(
        "backup: what an undo removes may come back",
        "components/fsm_python_app/unpack.py",
        "        return (self.layout.root,)\n",
        "        return ()\n",
        _synced("broken-exchange"),
    ),
    Mutant(
        "git: refs and the index come to their names before they are synced",
        "components/fsm_git/command.py",
        '    "core.fsync": "all",\n',
        "",
        _synced("git-update"),
    ),
    Mutant(
        "git: the staged commit, and what a build made of it, is not synced",
        "components/fsm_git/site.py",
        "        return self.site.durable(ctx)\n",
        "        return ()\n",
        _synced("git-update"),
    ),
    Mutant(
        "git: a torn index is not put back",
        "components/fsm_git/reset.py",
        "        self._put_index_back(ctx)  #",
        "        #",
        _EMPTIED,
    ),
    Mutant(
        "git: emptied settings are not put back",
        "components/fsm_git/settings.py",
        "        if is_empty(path) and",
        "        if False and",
        _EMPTIED,
    ),
    Mutant(
        "resume: a service whose new version is verified is not started after a boot",
        "fsm/engine/executor/loop.py",
        "if resumed and not until_start and record.kept_up is not None:",
        "if resumed and not until_start and record.run.state is not State.VERIFYING and record.kept_up is not None:",
        _booted("update-exchange-first2"),
    ),
    Mutant(
        "resume: a member that waits for its set is not started after a boot",
        "fsm/engine/executor/loop.py",
        "return run if until_start else self.drive(run, resumed=True)",
        "return run",
        _booted("set-first8"),
    ),
    Mutant(
        "resume: a member that has gone back is not started after a boot",
        "fsm/host/set_driver.py",
        "if self._resumed and each.state is State.ROLLED_BACK",
        "if False",
        _booted("set-broken-first9"),
    ),
)


def place(mutant: Mutant, root: Path = ROOT) -> str:
    """The text of the mutant's file with the fault in it.

    Raises:
        ValueError: the place is not there, or not once; the mutant must follow the code.
    """
    text = (root / mutant.path).read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.what}: {mutant.path} has {mutant.old!r} {text.count(mutant.old)} times, not once")
    return text.replace(mutant.old, mutant.new)


def noticed(mutant: Mutant | None, tests: tuple[str, ...]) -> bool:
    """Whether the tests fail on a copy of this checkout with the mutant in it; with none, on the copy as it is."""
    with TemporaryDirectory(prefix="fsm-mutant-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, copy / name)
        if mutant is not None:
            (copy / mutant.path).write_text(place(mutant), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
        found = os.pathsep.join([folder, f"{folder}/components"])  # before this checkout, in children as well
        done = subprocess.run(
            [*command, "--hypothesis-profile=quick"],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": found, "FSM_CRASH": "full"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest did not run {' '.join(tests)}: {done.stdout[-2000:]}")
    return done.returncode == 1


def main(words: list[str]) -> int:
    """Try the mutants, after the tests have passed without; 1 where one is not noticed."""
    chosen = [one for one in MUTANTS if not words or any(word in one.what for word in words)]
    for tests in dict.fromkeys(one.tests for one in chosen):
        if noticed(None, tests):
            print(f"error: {' '.join(tests)} fails without any mutant", file=sys.stderr)
            return 1
    survived = 0
    for mutant in chosen:
        found = noticed(mutant, mutant.tests)
        survived += not found
        print(f"{'noticed ' if found else 'SURVIVED'}  {mutant.what}", flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} mutants were noticed")
    return 1 if survived or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
