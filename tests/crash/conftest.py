"""What the tests of the matrix share, and which of them a run takes.

The whole matrix is half an hour of kills (`make crash`). `make test` takes a sample of it: each fault point is crashed
at in one scenario, at one of the times that the scenario comes to it; these scenarios are run undisturbed as well, and
of the other crashes some are tried. Which ones is up to a seed that the run prints; ``FSM_CRASH_SEED`` takes the same
ones again. Whoever names cases (``-k``, a node id) gets all that he names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import pytest

from tests.crash.crash_pool import CrashPool
from tests.crash.sample import FULL, UNDISTURBED, chosen

MATRIX: Final = "test_killed_and_resumed"


@pytest.fixture(scope="session")
def crash_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashPool]:
    """One crash pool for each worker."""
    with CrashPool(tmp_path_factory.mktemp("crash")) as made:
        yield made


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the sample where a whole directory was asked for; and what shares a scenario in one worker."""
    cases = [item for item in items if isinstance(item, pytest.Function) and "crash_pool" in item.fixturenames]
    for item in cases:
        name = item.callspec.params.get("name") if hasattr(item, "callspec") else None
        item.add_marker(pytest.mark.xdist_group(f"crash-{name or item.name}"))
    if FULL or config.option.keyword or any("::" in argument for argument in config.args):
        return
    of_test: defaultdict[str, dict[str, pytest.Function]] = defaultdict(dict)
    for item in cases:
        of_test[item.originalname][item.name] = item
    keeps = {
        test: chosen(test, {name: _point(item) for name, item in known.items()}) for test, known in of_test.items()
    }
    used = {of_test[MATRIX][name].callspec.params["name"] for name in keeps.get(MATRIX, ())}
    dropped = []
    for test, known in of_test.items():
        keep = keeps[test]
        if test in UNDISTURBED and used:
            keep = {name for name in keep if known[name].callspec.params["name"] in used}
        dropped += [item for name, item in known.items() if name not in keep]
    config.hook.pytest_deselected(items=dropped)
    gone = set(dropped)
    items[:] = [item for item in items if item not in gone]


def _point(item: pytest.Function) -> str:
    """The fault point at which a case of the matrix crashes."""
    return str(item.callspec.params.get("point", "")) if hasattr(item, "callspec") else ""
