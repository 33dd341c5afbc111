"""The bounded, redacted output of children."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.system import private
from fsm.system.shell import output as module
from fsm.system.shell.output import FILE_LIMIT, TAIL, Output, Redactor


def written(output: Output, *chunks: bytes) -> None:
    """Write chunks into the pipe as a child would, then close it."""
    for chunk in chunks:
        os.write(output.write_end, chunk)
        output.drain()
    output.close_write_end()
    assert not output.drain()
    output.close()


@given(
    text=st.text(alphabet="abc\n", max_size=60).map(str.encode),
    secrets=st.lists(st.text(alphabet="abc", max_size=5), max_size=4),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_a_split_secret_is_hidden_like_a_whole_one(text: bytes, secrets: list[str], cuts: list[int]):
    """However a stream is cut into chunks, the result is that of the whole text."""
    whole = Redactor(secrets)
    expected = whole.feed(text) + whole.flush()
    redactor, ends = Redactor(secrets), [*sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [redactor.feed(text[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]
    assert b"".join(pieces) + redactor.flush() == expected
    assert expected == redactor.text(text.decode()).encode()


@given(
    text=st.text(alphabet="abc\n", max_size=60),
    secrets=st.lists(st.text(alphabet="abc", min_size=1, max_size=5), max_size=4),
)
def test_no_secret_stays(text: str, secrets: list[str]):
    """What comes out holds no secret."""
    assert not any(secret in Redactor(secrets).text(text) for secret in secrets)


def test_the_longer_of_two_secrets_wins():
    """A secret that begins with another one is hidden whole."""
    assert Redactor(["pass", "password"]).text("password pass") == "*** ***"


def test_the_end_is_kept_in_memory():
    """The tail is the last 64 KiB, the last line is the last one with something in it."""
    output = Output(Redactor([]))
    line = b"0123456789abcde\n"
    written(output, *[line * 2048] * 40, b"the end \xff\n\n")
    assert len(output.tail()) <= TAIL
    assert output.tail().endswith("0123456789abcde\nthe end \ufffd\n\n")
    assert output.last_line() == "the end \ufffd"


def test_no_output_has_no_last_line():
    """A silent child has an empty tail."""
    output = Output(Redactor([]))
    written(output)
    assert (output.tail(), output.last_line()) == ("", "")


def test_the_file_is_for_its_owner_and_has_no_secret(tmp_path: Path):
    """Commands and their output are appended, without secrets, readable by the owner only."""
    path = tmp_path / "logs" / "run.log"
    written(Output(Redactor(["hush"]), path, "login hush"), b"I say hu", b"sh\n")
    written(Output(Redactor(["hush"]), path, "again"), b"done\n")
    assert path.read_text() == "$ login ***\nI say ***\n$ again\ndone\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_is_bounded_and_ends_with_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A flood is cut, but how it ended is there; a file more than half full is set aside before the next child."""
    monkeypatch.setattr(module, "FILE_LIMIT", 400_000)
    path = tmp_path / "run.log"
    written(Output(Redactor([]), path, "flood"), *[b"x" * 49_999 + b"\n"] * 20, b"the end\n")
    assert 200_000 < path.stat().st_size <= 200_000 + TAIL + 100
    assert b"left out" in path.read_bytes()
    assert path.read_bytes().endswith(b"the end\n")
    written(Output(Redactor([]), path, "next"), b"short\n")
    assert path.read_text() == "$ next\nshort\n"
    assert (tmp_path / "run.log.1").stat().st_size > 200_000
    assert FILE_LIMIT == 16 * 1024 * 1024


def test_a_file_that_cannot_be_opened_changes_nothing(tmp_path: Path):
    """Where the log cannot be, the output is still read."""
    (tmp_path / "file").write_text("")
    output = Output(Redactor([]), tmp_path / "file" / "log", "x")
    written(output, b"heard\n")
    assert output.tail() == "heard\n"


def test_a_full_disk_changes_nothing():
    """Where the log cannot be written, the output is still read."""
    output = Output(Redactor([]), Path("/dev/full"), "x")
    written(output, b"heard\n")
    assert output.tail() == "heard\n"


def test_a_directory_that_is_not_ours_stays_open(tmp_path: Path):
    """A log beside devices takes neither them nor their directory away from everybody, as it once did with /dev."""
    place, fifo = tmp_path / "dev", tmp_path / "dev" / "fifo"
    place.mkdir()
    place.chmod(0o755)
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    output = Output(Redactor([]), place / "log", "x")
    written(output, b"heard\n")
    private.close(fifo)
    assert place.stat().st_mode & 0o777 == 0o755
    assert fifo.stat().st_mode & 0o777 == 0o666
    assert (place / "log").stat().st_mode & 0o777 == 0o600
