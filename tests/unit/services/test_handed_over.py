"""The environment of a user's program on its way through the launcher."""

from __future__ import annotations

import os
from unittest.mock import patch

from hypothesis import example, given
from hypothesis import strategies as st

from fsm.services.base import handed_over
from fsm.services.launcher import environment

NAMES = st.text(st.characters(exclude_characters="=\0", codec="utf-8"), min_size=1)
VALUES = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


@given(environ=st.dictionaries(NAMES, VALUES, min_size=1))
@example(environ={"A": "\\n", "B": "\\\n\\\\n", "C": "a=b\n", "\n": "", "D": "\udcff"})
def test_every_environment_arrives_as_it_was(environ: dict[str, str]):
    """Whatever stands in it, bytes that are no text included."""
    with patch.dict(os.environ, handed_over(environ)):
        assert environment() == environ


def test_what_an_older_engine_hands_over_arrives_as_well():
    """It goes on with its run after the updater was replaced, and starts what lies on the disk by then."""
    with patch.dict(os.environ, {"FSM_ENVIRON": '{"A": "\\u20ac=\\n", "B": ""}'}):
        assert environment() == {"A": "€=\n", "B": ""}
