"""Every benchmark works: in tiny, and without a word about times, which a shared machine cannot promise."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import page, picture, poller
from benchmarks.__main__ import NAMES, main, run
from benchmarks.figures import Figure, duration, interleaved, ratio, seconds, spread
from benchmarks.rig import Bench

NEEDS = {name: [pytest.mark.needs_docker] for name in ("checkouts", "containers")} | {"users": [pytest.mark.needs_root]}
"""What some of them need: an engine for compose projects, root to become somebody else."""


@pytest.mark.needs_linux
@pytest.mark.parametrize("name", [pytest.param(name, marks=NEEDS.get(name, [])) for name in NAMES])
def test_a_benchmark_yields_numbers(name: str):
    """Quickly, and it leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="fsm-bench-") as directory:
        place = Path(directory)
        place.chmod(0o755)  # a user whose app is updated comes through
        figures = run(name, Bench(place, quick=True))
        assert not list(place.iterdir())
    assert figures
    assert all(math.isfinite(figure.value) and figure.value >= 0 for figure in figures)
    assert any(figure.limit is not None for figure in figures)


def test_a_ratio_says_how_much_longer_one_of_the_two_takes():
    """Ours over theirs where it must be small, theirs over ours where it must be large."""
    small = ratio("a", [0.2, 0.1, 0.3], "b", [0.1, 0.1, 0.1], 1.5)
    large = ratio("a", [0.1, 0.1, 0.1], "b", [1.0, 1.0, 1.0], 8, "at least")
    assert small.value == pytest.approx(2)
    assert large.value == pytest.approx(10)
    assert (small.ok, large.ok) == (False, True)
    assert ratio("a", [0.1], "b", [0.1]).ok is None


def test_a_time_is_compared_with_its_limit_in_milliseconds():
    """One second or more is told in seconds where there is no limit."""
    assert duration("a", [0.1], under_ms=200).ok is True
    assert duration("a", [0.3], under_ms=200).ok is False
    assert (duration("a", [2.0]).value, duration("a", [2.0]).unit) == (2.0, "s")
    assert [seconds(value) for value in (2.5, 0.123, 0.0123, 0.0000123)] == ["2.50 s", "123 ms", "12.3 ms", "12.3 µs"]
    assert spread([0.001, 0.002, 0.003, 0.004]).startswith("2.50 ms (")


def test_the_cases_take_turns():
    """A B A B, after one call of each that does not count."""
    called: list[str] = []

    def case(name: str) -> float:
        called.append(name)
        return float(len(called))

    found = interleaved({"a": lambda: case("a"), "b": lambda: case("b")}, 2)
    assert called == ["a", "b"] * 3
    assert found == {"a": [3.0, 5.0], "b": [4.0, 6.0]}


def test_downtime_is_the_time_between_good_answers_with_a_bad_one_in_between():
    """A late answer alone is none; two gaps count together."""
    answers = [(0.0, True), (1.0, True), (1.1, False), (1.2, False), (1.5, True), (3.0, True)]
    answers += [(3.1, False), (4.0, True)]
    assert poller.downtime(answers) == pytest.approx(1.5)


def test_results_go_between_the_marks_of_their_benchmark(tmp_path: Path):
    """And nothing else of the page changes."""
    written = tmp_path / "page.md"
    written.write_text("a\n<!-- measured: x -->\nold\n<!-- end of x -->\nb\n", encoding="utf-8")
    figures = [Figure("what", "1 ms", "", 1.0, "ms", 2.0), Figure("other", "1 ms", "peer: 2 ms", 2.0, "×")]
    page.write("x", figures, "here", written)
    text = written.read_text(encoding="utf-8")
    assert text.startswith("a\n<!-- measured: x -->\n\n| |")
    assert "| what | 1 ms | – | 1.00 ms | at most 2 ms | yes |" in text
    assert text.endswith("Measured here.\n<!-- end of x -->\nb\n")
    with pytest.raises(ValueError, match="no marks for 'y'"):
        page.write("y", figures, "here", written)


def test_the_same_numbers_draw_the_same_picture(tmp_path: Path):
    """With its words as text, and no program in it."""
    lines = {"ours & more": [0.01, 0.1, 1.2], "theirs": [0.02, 0.05, 0.7]}
    drawn = []
    for name in ("a.svg", "b.svg"):
        picture.draw(tmp_path / "pictures" / name, "Many files", "files", (10, 1_000, 100_000), lines)
        drawn.append((tmp_path / "pictures" / name).read_text(encoding="utf-8"))
    assert drawn[0] == drawn[1]
    texts = "\n".join(ElementTree.fromstring(drawn[0]).itertext())
    assert all(word in texts for word in ("ours & more", "theirs", "Many files", "100,000", "1.20 s"))
    assert "<script" not in drawn[0]


def test_the_page_has_marks_for_every_benchmark():
    """What is measured is told."""
    text = page.PAGE.read_text(encoding="utf-8")
    assert [name for name in NAMES if f"<!-- measured: {name} -->" not in text] == []


def test_an_unknown_benchmark_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    """It names those that there are."""
    with pytest.raises(SystemExit, match="2"):
        main(["jurnal"])
    assert "there is no benchmark 'jurnal'; there are journal," in capsys.readouterr().err


def test_a_quick_run_prints_a_table_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The page keeps what was really measured."""
    before = page.PAGE.read_bytes()
    assert main(["journal", "--quick", "--place", str(tmp_path)]) == 0
    assert "| a run of 7 trivial steps |" in capsys.readouterr().out
    assert page.PAGE.read_bytes() == before
