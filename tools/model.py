"""The lifecycle as a model that spin checks: the tables of `fsm/lifecycle.py` in front of `tools/lifecycle.pml`.

Spin (https://spinroot.com) goes through all that two updaters, crashes at any commit and somebody who cancels can come
to, for one component and for a set of two. It finds each assertion that can be violated, each state that nobody
gets out of, and each way to go round in a circle for ever. `python tools/model.py` says how many states there were.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fsm.lifecycle import LIMIT, SET_TABLE, STEP_STATES, TABLE, Event, State  # noqa: E402 - the path comes first

WRITTEN: Final = ROOT / "tools" / "lifecycle.pml"
SCENARIOS: Final = {
    "one": "run Updater(0); run Updater(0); run Canceller()",
    "set": "run SetUpdater(); run SetUpdater(); run Canceller()",
}
"""Who is there: two updaters of one component, or of a set of two; and somebody who cancels."""

COLUMNS: Final = (*(event.value for event in Event), "crash")
SAFETY: Final = ("-Og", "-DSAFETY", "-DCOLLAPSE")
"""For gcc: look for assertions that are violated, and for dead ends."""
QUICK: Final = ("-O0", "-DSAFETY", "-DCOLLAPSE")
"""The same, where the first error comes soon: gcc takes longer than the search."""
CIRCLES: Final = ("-O0", "-DNP", "-DCOLLAPSE")
"""Look for circles, with `-l`."""


def entries() -> list[tuple[str, State, str, State]]:
    """Every move of the two tables: whose it is, the state, the column, and where it leads."""
    return [
        (kind, row.state, column, target)
        for kind, table in (("run", TABLE), ("set", SET_TABLE))
        for row in table
        for column in COLUMNS
        if (target := getattr(row, column)) is not None
    ]


def promela(scenario: str, written: str | None = None) -> str:
    """The whole model.

    The tables are filled when it starts, so that what is built once can be tried without an entry, that of $GONE.

    Args:
        scenario: one of `SCENARIOS`.
        written: instead of what `WRITTEN` has.
    """
    names = ["NONE", *State.__members__]
    lines = [f"#define {name} {number}" for number, name in enumerate(names)]
    lines += [f"#define {column.upper()} {number}" for number, column in enumerate(COLUMNS)]
    lines += [f"#define PHASE_{index} {state.name}" for index, state in enumerate(STEP_STATES)]
    lines += [f"#define LIMIT {LIMIT}", f"#define STEPS {len(STEP_STATES)}", "#define COMPONENTS 2"]
    lines += [f"#define {scenario.upper()}", f"#define SCENARIO {SCENARIOS[scenario]}"]
    lines += ['#define GONE c_expr { (getenv("GONE") ? atoi(getenv("GONE")) : -1) }']
    for kind in ("run", "set"):
        lines += [
            f"hidden byte {kind}_table[{len(names) * len(COLUMNS)}];",
            f"#define {kind.upper()}_MOVE(state, event) {kind}_table[(state) * {len(COLUMNS)} + event]",
        ]
    lines += ["inline fill() {"]
    for number, (kind, state, column, target) in enumerate(entries()):
        move = f"{kind.upper()}_MOVE({state.name}, {column.upper()})"
        lines += [f"    {move} = (GONE == {number} -> NONE : {target.name});"]
    return "\n".join([*lines, "}", "", WRITTEN.read_text(encoding="utf-8") if written is None else written])


def build(folder: Path, text: str, flags: tuple[str, ...] = SAFETY, *, crashes: int | None = None) -> Path:
    """Make the program that searches a model; returns it.

    Args:
        folder: empty; it is made there.
        text: the whole model.
        flags: `SAFETY`, `QUICK` or `CIRCLES`.
        crashes: instead of as many as the model has.
    """
    (folder / "model.pml").write_text(text, encoding="utf-8")
    fewer = [] if crashes is None else [f"-DCRASHES={crashes}"]
    for command in (["spin", *fewer, "-a", "model.pml"], ["gcc", "-w", *flags, "-o", "pan", "pan.c"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode or "Error" in done.stdout:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")
    return folder / "pan"


def search(pan: Path, *arguments: str, gone: int | None = None) -> tuple[str, int]:
    """Search a model to the end, or to the first error.

    Args:
        pan: what `build` made.
        arguments: of the program; `-l` looks for circles.
        gone: the number of an entry of the tables that is taken out.

    Returns:
        What is wrong, in spin's words, empty if nothing is; and how many states there were.
    """
    environment = {**os.environ} if gone is None else {**os.environ, "GONE": str(gone)}
    command = [str(pan), "-m100000", "-w22", *arguments]
    done = subprocess.run(command, cwd=pan.parent, env=environment, capture_output=True, text=True, check=False)
    stored = re.search(r"(\d+) states, stored", done.stdout)
    wrong = re.search(r"^pan:1: (.*)$", done.stdout, re.MULTILINE)
    if stored is None or done.returncode or "max search depth too small" in done.stdout:
        raise RuntimeError(f"the search did not end: {done.stdout}{done.stderr}")
    if (wrong is None) != ("errors: 0" in done.stdout):
        raise RuntimeError(f"the search says neither what is wrong nor that nothing is: {done.stdout}")
    return (wrong[1] if wrong else ""), int(stored[1])


def main() -> int:
    """Search both scenarios, for what is wrong and for circles; 1 if something is wrong.

    The model stays in `build/model`, to be read.
    """
    wrong = 0
    for scenario in SCENARIOS:
        for what, flags, arguments in (("nothing wrong", SAFETY, ()), ("no circle", CIRCLES, ("-l",))):
            folder = ROOT / "build" / "model" / f"{scenario}-{what.rpartition(' ')[2]}"
            folder.mkdir(parents=True, exist_ok=True)
            error, states = search(build(folder, promela(scenario), flags), *arguments)
            wrong += bool(error)
            print(f"{scenario}: {error or what} in {states} states", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
