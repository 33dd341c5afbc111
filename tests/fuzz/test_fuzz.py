"""Each target is fuzzed with a thousand inputs; `make fuzz` does it for as long as it is told."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Final

import pytest

from tests.fuzz import series
from tests.fuzz.targets import NAMES

RUNS: Final = 1000
"""Inputs of a target."""

SECONDS: Final = 1
"""For how long at most; libFuzzer counts whole ones, and ends in the second one."""

pytestmark = pytest.mark.needs_linux


@pytest.fixture(autouse=True)
def _has_atheris() -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this machine or this Python")


@pytest.mark.parametrize("name", NAMES)
def test_finds_nothing(tmp_path: Path, name: str):
    """No input ends in a traceback, takes a second, needs 200 MiB or touches what is outside."""
    seed = int(os.environ.get("FSM_FUZZ_SEED", "0")) or random.randrange(1, 1 << 31)
    result = series.fuzz(name, tmp_path, SECONDS, seed, RUNS)
    assert not result.findings, f"{result.line()}\nFSM_FUZZ_SEED={seed} begins with the same inputs again"
    assert result.executions >= result.inputs > 1
    assert result.coverage > 20, "the target reaches next to nothing: is its reader instrumented?"


def test_a_planted_bug_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A reader that fails for one word of its dictionary is found out, its input kept, and found again."""
    monkeypatch.setattr(series, "memory", lambda: str(tmp_path))
    for _ in range(2):
        result = series.fuzz("planted", tmp_path, SECONDS, 1, RUNS)
        (path,) = result.findings
        assert Path(path).name.startswith("ZeroDivisionError-")
        assert Path(path).read_bytes().startswith(b"KEYWORD")
        assert "ZeroDivisionError" in result.findings[path]
    assert not list(tmp_path.glob(f"{series.HOMES}*")), "the fuzzer leaves behind where its reader worked"
