"""The gates themselves: they pass what is right, and they do fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import coverage_gate, generate_docs, sizes


def _entry(percent: float, lines: list[int], jumps: list[list[int]]) -> dict[str, object]:
    return {"summary": {"percent_covered": percent}, "missing_lines": lines, "missing_branches": jumps}


def _report(covered: int, files: dict[str, object]) -> dict[str, object]:
    return {
        "totals": {"covered_branches": covered, "num_branches": 100, "percent_covered": float(covered)},
        "files": files,
    }


def test_coverage_at_the_floor_passes():
    """92 % are enough for a file that decides nothing after a crash."""
    assert coverage_gate.problems(_report(92, {"fsm/system/archive.py": _entry(50.0, [3], [])})) == []


def test_coverage_below_the_floor_fails():
    """Branches and lines are counted apart, so that many lines cannot hide few branches."""
    assert len(coverage_gate.problems(_report(91, {}))) == 2


@pytest.mark.parametrize(
    "name",
    [
        *(
            "fsm/lifecycle.py",
            "fsm/engine/machine.py",
            "fsm/engine/journal.py",
            "fsm/engine/journal/store.py",
            "fsm/engine/executor/loop.py",
        ),
        *(
            "/somewhere/fsm/engine/journal/migrations/v0001.py",
            "fsm\\engine\\executor\\loop.py",
            "fsm/engine/journal_rows.py",
        ),
    ],
)
def test_one_missing_branch_in_the_heart_fails(name: str):
    """Lifecycle, journal, machine and executor are complete, however they are split into files."""
    (problem,) = coverage_gate.problems(_report(99, {name: _entry(99.9, [], [[7, -1]])}))
    assert "7->exit" in problem


def test_a_module_with_a_similar_name_is_not_the_heart():
    """The pattern is for names, not for prefixes."""
    assert not coverage_gate.problems(_report(99, {"fsm/engine/machinery.py": _entry(10.0, [1], [])}))


def test_coverage_table_lists_the_least_covered_first():
    """What needs a test stands at the top."""
    report = _report(95, {"a.py": _entry(90.0, [], []), "b.py": _entry(10.0, [], []), "c.py": _entry(100.0, [], [])})
    rows = coverage_gate.table(report)
    assert [row.split()[-1] for row in rows[:2]] == ["b.py", "a.py"]
    assert len(rows) == 3


def test_coverage_gate_without_a_report_says_how_to_call_it(capsys: pytest.CaptureFixture[str]):
    """A wrong call is no pass."""
    assert coverage_gate.main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_the_docstring_of_a_function_does_not_count():
    """Long explanations are welcome."""
    text = 'def f():\n    """One\n\n    two."""\n    return 1\n\nasync def g(): pass\n'
    assert list(sizes.functions(text, "a.py")) == [("a.py:1 f", 2), ("a.py:7 g", 1)]


def test_a_file_or_function_beyond_the_limit_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The message names the place."""
    (tmp_path / "fsm").mkdir()
    body = "".join(f"    x{number} = {number}\n" for number in range(sizes.FUNCTION_LIMIT))
    (tmp_path / "fsm" / "long.py").write_text(f"def long():\n{body}" + "\n" * sizes.FILE_LIMIT)
    assert sizes.main(tmp_path) == 1
    printed = capsys.readouterr().out
    assert "fsm/long.py has 461 lines, more than 400" in printed
    assert "fsm/long.py:1 long has 61 lines, more than 60" in printed


def test_what_passes_the_aim_is_only_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A warning is a place to look, not a failure."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "longish.py").write_text("\n" * (sizes.FILE_AIM + 1))
    assert sizes.main(tmp_path) == 0
    assert "warning: tests/longish.py has 301 lines" in capsys.readouterr().out


def test_the_documentation_shows_the_machine_as_it_is(capsys: pytest.CaptureFixture[str]):
    """`make generate` has been run since the table last changed."""
    assert generate_docs.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_block_is_found_and_rewritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """--check says so and writes nothing; without it the block is replaced, and nothing around it."""
    page, overview = tmp_path / "page.md", tmp_path / "help.txt"
    page.write_text("before\n<!-- generated: lifecycle -->\nstale\n<!-- end -->\nafter\n")
    assert generate_docs.main(["--check"], tmp_path, overview) == 1
    assert "stale" in page.read_text()
    assert not overview.exists()
    assert generate_docs.main([], tmp_path, overview) == 0
    assert overview.read_text().startswith("Usage: fsm")
    text = page.read_text()
    assert "stateDiagram" in text
    assert "stale" not in text
    assert text.startswith("before\n<!-- generated")
    assert text.endswith("<!-- end -->\nafter\n")
    assert generate_docs.main(["--check"], tmp_path, overview) == 0
    assert "make generate" in capsys.readouterr().out


def test_a_block_that_nothing_generates_is_an_error():
    """A misspelt name must not stand there for ever."""
    with pytest.raises(ValueError, match="nothing generates 'lifecycel'"):
        generate_docs.refresh("<!-- generated: lifecycel -->\n<!-- end -->", "page.md")
