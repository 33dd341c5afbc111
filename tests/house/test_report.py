"""`make report`: what it can be asked for, and what it is made of."""

from __future__ import annotations

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import report
from tests.hosts.kills import page


def test_every_table_of_the_page_is_written_by_a_part():
    """A table that no report renews would be of another commit for ever."""
    marks = re.findall(r"<!-- measured: (\w+) -->", page.PAGE.read_text(encoding="utf-8"))
    of_kills = {"outcomes", "states", "problems", "how", "disks"}
    names = {"fuzzing" if part.name == "fuzz" else part.name for part in report.PARTS} - {"figures", "hostkills"}
    assert sorted(marks) == sorted(names | of_kills | {"report"})
    assert all(find_spec(command.split()[0]) for part in report.PARTS for command in part.commands)


def test_an_unknown_part_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    """It names those that there are."""
    with pytest.raises(SystemExit, match="2"):
        report.main(["sweeps"])
    assert "there is no sweeps; there are powercut, sweep," in capsys.readouterr().err


@pytest.mark.processes
def test_a_report_is_of_one_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A checkout with changes is none."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "changed").touch()
    monkeypatch.setattr(report, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="2"):
        report.main([])
    assert "the checkout has changes" in capsys.readouterr().err


@pytest.mark.parametrize(("codes", "worst"), [([0, 0], 0), ([0, 1], 1), ([-9, 0, 0], -9)])
def test_a_series_that_was_killed_is_not_a_good_one(monkeypatch: pytest.MonkeyPatch, codes: list[int], worst: int):
    """Its exit code is below 0; the others of the part are run all the same."""
    left = [*codes]
    monkeypatch.setattr(report, "_run", lambda command: left.pop(0))
    assert report.perform(report.Part("kills", 1, ("run {count} {seed}",) * len(codes)), 1, 2) == worst
    assert left == []
