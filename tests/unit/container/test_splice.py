"""A change finds its line again in a file that others changed as well, forwards and backwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_container.splice import FileEdit, Splice

FILE = b"services:\n  web:\n    image: acme/web:1.0  # c\n  db:\n    image: acme/db:7\n"
PATH = Path("/srv/compose.yml")


def edit(data: bytes | None = FILE, old: str = "1.0", new: str = "1.1", *more: Splice) -> FileEdit:
    """The change of the first `old` in a file; an empty one adds a line at the end."""
    offset = (data or b"").index(old.encode()) if old else len(data or b"")
    return FileEdit.of(PATH, data, [Splice(offset=offset, old=old, new=new), *more])


def test_there_and_back():
    """In the file as it was."""
    change = edit()
    after = FILE.replace(b"1.0", b"1.1")
    assert change.forward(FILE) == after == change.forward(after)
    assert change.backward(after) == FILE == change.backward(FILE)


OTHER = [
    (b"acme/db:7", b"acme/db:8"),
    (b"services:", b"# mine\nservices:"),
    (b"\n  db:", b"\n    tty: true\n  db:"),
    (b"db:7\n", b"db:7"),
]


@pytest.mark.parametrize(("old", "new"), OTHER)
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_beside_another_change(old, new, ending):
    """Whoever made it, before ours or after it: it stays."""
    before = FILE.replace(b"\n", ending)
    old, new = old.replace(b"\n", ending), new.replace(b"\n", ending)
    change = edit(before)
    theirs = before.replace(old, new)
    both = theirs.replace(b"1.0", b"1.1")
    assert change.forward(theirs) == both == change.forward(both)
    assert change.backward(both) == theirs


def test_a_line_that_somebody_else_changed_as_well():
    """Nothing is guessed."""
    assert edit().forward(FILE.replace(b"1.0", b"1.0.5")) is None
    assert edit().backward(FILE.replace(b"1.0", b"1.2")) is None
    assert edit().forward(None) is None


TWICE = FILE + b"  worker:\n    image: acme/web:1.0  # c\n"


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("theirs", ["1.1", "1.2", "0.9", "1.0"])
def test_a_line_that_two_services_have(number, theirs):
    """Each is known by its service, to whatever version somebody else brings the other one meanwhile."""
    places = [TWICE.index(b"1.0"), TWICE.rindex(b"1.0")]
    mine, other = places[number], places[1 - number]
    change = FileEdit.of(PATH, TWICE, [Splice(offset=mine, old="1.0", new="1.1")])
    now = TWICE[:other] + theirs.encode() + TWICE[other + 3 :] + b"# mine\n"
    both = now[:mine] + b"1.1" + now[mine + 3 :]
    assert change.forward(now) == both == change.forward(both)
    assert change.backward(both) == now == change.backward(now)


def test_two_lines_of_one_change():
    """Services that are named together."""
    places = [TWICE.index(b"1.0"), TWICE.rindex(b"1.0")]
    change = FileEdit.of(PATH, TWICE, [Splice(offset=place, old="1.0", new="1.1") for place in places])
    both = TWICE.replace(b"1.0", b"1.1") + b"# mine\n"
    assert change.forward(TWICE + b"# mine\n") == both
    assert change.backward(both) == TWICE + b"# mine\n"


def test_a_line_that_two_services_have_of_which_one_goes():
    """The other one's is not taken for it."""
    change = edit(TWICE)
    without = TWICE.replace(b"  web:\n    image: acme/web:1.0  # c\n", b"")
    assert change.forward(without) is None
    renamed = TWICE.replace(b"  web:\n", b"  front:\n")
    assert change.forward(renamed) is None
    assert edit().forward(FILE.replace(b"  web:\n", b"  front:\n")) is not None, "there is only one such line"


def test_a_line_that_is_there_twice_with_the_same_above_it():
    """One cannot be told from the other, once the file is another one."""
    twice = b"services:\n  web: {\n    image: acme/web:1.0,\n    image: acme/web:1.0,\n  }\n"
    change = edit(twice)
    assert change.lines is None
    assert change.forward(twice) == twice.replace(b"1.0", b"1.1", 1)
    assert change.forward(twice + b"# mine\n") is None


def test_two_changes_in_one_line():
    """Tag and digest."""
    data = b"services:\n  web: {image: 'acme/web:1.0@sha256:aa'}\n"
    change = edit(data, "1.0", "1.1", Splice(offset=data.index(b"aa"), old="aa", new="bb"))
    theirs = data + b"# mine\n"
    both = theirs.replace(b"1.0", b"1.1").replace(b"aa", b"bb")
    assert change.forward(theirs) == both
    assert change.backward(both) == theirs


@pytest.mark.parametrize("before", [None, b"", b"A=1\n", b"A=1\r\n", b"A=1"])
def test_a_line_that_is_added(before):
    """To an env file, which somebody else adds a line to as well."""
    ending = "\r\n" if b"\r" in (before or b"") else "\n"
    missing = ending if before and not before.endswith(b"\n") else ""
    change = edit(before, "", f"{missing}TAG=1.1{ending}")
    start = (before or b"") + missing.encode()
    after = start + f"TAG=1.1{ending}".encode()
    assert change.forward(before) == after == change.forward(after)
    theirs = start + f"B=2{ending}".encode()
    both = change.forward(theirs)
    assert both is not None
    assert both == theirs + f"TAG=1.1{ending}".encode()
    assert change.backward(both) == theirs
    assert change.backward(theirs) == theirs


def test_a_very_long_line_is_not_kept():
    """It is no line that a person wrote, and may have a secret in it."""
    data = b'{"services": {"web": {"image": "acme/web:1.0", "environment": {"S": "' + b"x" * 400 + b'"}}}}'
    change = edit(data)
    assert change.lines is None
    assert b"xxx" not in change.model_dump_json().encode()
    assert change.forward(data) == data.replace(b"1.0", b"1.1")


@given(st.lists(st.sampled_from(["a: 1", "b: 2", "", "# c", "a: 1 "]), max_size=8), st.data())
def test_other_lines_stay_whatever_they_are(lines, data):
    """Byte for byte, with lines added and removed by others."""
    place = data.draw(st.integers(0, len(lines)))
    whole = [*lines[:place], "tag: 1.0", *lines[place:]]
    change = edit("\n".join(whole).encode(), "1.0", "1.1")
    theirs = [line for line in whole if line == "tag: 1.0" or data.draw(st.booleans())] + ["z: 3"]
    text = "\n".join(theirs).encode()
    changed = change.forward(text)
    assert changed == text.replace(b"1.0", b"1.1")
    assert change.backward(changed) == text
