"""Reading of the journal while somebody writes it."""

from __future__ import annotations

from fsm.engine.journal import Journal


def test_what_is_read_within_is_of_one_moment(tmp_path):
    """Also where one that reads so calls another; what comes meanwhile is seen afterwards."""
    path = tmp_path / "journal.db"
    with Journal(path) as writer, Journal(path, readonly=True) as reader:
        writer.begin("a", "cells", from_version="1")
        with reader.database.reading():
            assert len(reader.runs()) == 1
            writer.begin("b", "cells", from_version="1")
            with reader.database.reading():
                assert len(reader.runs()) == 1
            assert len(reader.runs()) == 1
        assert len(reader.runs()) == 2
