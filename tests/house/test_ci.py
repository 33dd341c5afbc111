"""What CI runs: every test in one of two halves, and one closing line for both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import closing_line

ROOT = Path(__file__).resolve().parents[2]
CI_RUN = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_closing_lines_become_one():
    """As pytest would have written it, whatever else the logs have."""
    logs = ["...\n12 passed, 1 failed in 3.10s\n", "x\n= 5 passed, 1 error, 2 skipped in 61.00s (0:01:01) =\nbye\n"]
    assert closing_line.closing_line(logs) == "1 failed, 17 passed, 1 errors, 2 skipped in 64.10s"


def test_the_last_closing_line_of_a_log_counts():
    """A test may print what another pytest has said."""
    assert closing_line.closing_line(["1 passed in 1.00s\n3 failed in 2.00s\n"]) == "3 failed in 2.00s"


@pytest.mark.parametrize(
    ("logs", "why"),
    [
        (["1 passed in 1.00s", "make: error"], "log 2 of 2 has no closing line"),
        (["4 skipped in 1.00s"], "no test was run"),
        ([], "no test was run"),
    ],
)
def test_a_run_without_tests_is_an_error(logs: list[str], why: str):
    """Silence is no success."""
    with pytest.raises(ValueError, match=why):
        closing_line.closing_line(logs)


def test_the_command_prints_the_sum(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """And says what is missing."""
    (tmp_path / "log").write_text("2 passed in 1.50s\n")
    assert closing_line.main([str(tmp_path / "log")]) == 0
    assert capsys.readouterr().out == "2 passed in 1.50s\n"
    (tmp_path / "log").write_text("")
    assert closing_line.main([str(tmp_path / "log")]) == 1
    assert "no closing line" in capsys.readouterr().err


def test_the_two_halves_are_all_tests():
    """One expression is the other's opposite, so that no test is in neither."""
    assert re.findall(r"-n auto .*-m ('[\w ]+'|\w+)", MAKEFILE) == ["hosts", "'not hosts'", "crash"]
    assert "make test-hosts COVERAGE=1" in CI_RUN
    assert 'as_user make -C "$place/checkout" test COVERAGE=1' in CI_RUN
    assert CI_RUN.index("make gates") > CI_RUN.index("make test-hosts")


def test_no_property_counts_its_own_examples():
    """How many there are is a profile's business: `tests/conftest.py` has them all."""
    own = "max_" + "examples"
    found = [path for path in (ROOT / "tests").rglob("*.py") if own in path.read_text(encoding="utf-8")]
    assert found == [ROOT / "tests" / "conftest.py"]
