"""Whatever a compose file looks like: everything but the one scalar stays byte-identical."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.errors import FsmError
from fsm.formats.yamldoc import read_tree
from tests.unit.container.compose import NEW, OLD, change, project

TAGS = st.sampled_from(["1.0.0", "1.0", "v2", "latest", "2.0.0-rc.1", "1_0"])
COMMENTS = st.sampled_from(["", "  # note", " # é😀: [image: x]"])
SPACES = st.sampled_from([" ", "  ", "   "])
QUOTES = st.sampled_from(["", "'", '"'])


@st.composite
def services(draw: Any) -> list[str]:
    """The lines of a service before and after its image."""
    lines = [
        "    ports: ['80:80', \"443:443\"]",
        "    command: >-\n      sh -c\n      'image: ghcr.io/acme/web:1.0.0'",
        "    environment: {A: b, C: \"é😀\", image: 'ghcr.io/acme/web:1.0.0'}",
        "    labels:\n      - image=ghcr.io/acme/web:1.0.0",
        "    # image: ghcr.io/acme/web:0.9",
        "",
        "    restart: unless-stopped",
        "    x-more: &more\n      deep: [1, 2, {a: b}]",
        "    healthcheck:\n      test: [CMD, 'true']",
    ]
    return list(draw(st.lists(st.sampled_from(lines), unique=True, max_size=5)))


@st.composite
def documents(draw: Any) -> tuple[bytes, int, int]:
    """A compose file, and where in it the bytes of the reference begin and end."""
    quote, tag = draw(QUOTES), draw(TAGS)
    digest = draw(st.sampled_from(["", f"@{OLD}"]))
    reference = f"ghcr.io/acme/web:{tag}{digest}"
    head = draw(st.sampled_from(["", "# Ünïcode 😀\n", "name: shop\n\n", "x-a: &a {b: c}\n", "version: '3'\n"]))
    before, after = draw(services()), draw(services())
    above = draw(st.sampled_from(["", "  db:\n    image: 'postgres:16'\n", "  cache: {image: redis}\n"]))
    anchor = draw(st.sampled_from(["", "&img ", "!!str "]))
    start = "\n".join([f"{head}services:\n{above}  web:", *before, f"    image:{draw(SPACES)}{anchor}{quote}"])
    end = "\n".join([f"{quote}{draw(COMMENTS)}", *(line for line in after if line not in before), "networks: {}"])
    final = draw(st.sampled_from(["", "\n", "\n\n# end"]))
    text, position = start + reference + end + final, len(start.encode())
    if draw(st.booleans()):
        text, position = text.replace("\n", "\r\n"), len(start.replace("\n", "\r\n").encode())
    data = text.encode()
    if draw(st.booleans()):
        data, position = b"\xef\xbb\xbf" + data, position + 3
    return data, position, position + len(reference)


@given(documents(), st.sampled_from(["1.1.0", "3", "v3.0.0-beta"]))
def test_everything_but_the_one_scalar_stays(document, tag):
    """Byte for byte; and the changed file says what it said, but for that one value."""
    data, start, end = document
    changed = change(project(data), tag=tag).get("compose.yml", data)
    digest = f"@{NEW}" if b"@" in data[start:end] else ""
    assert changed == data[:start] + f"ghcr.io/acme/web:{tag}{digest}".encode() + data[end:]
    before, after = (
        [(node.kind, node.value, node.style, node.anchor, node.tag) for node in read_tree(each, where="f").nodes()]
        for each in (data, changed)
    )
    assert len(before) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) <= 1


@given(
    st.lists(
        st.sampled_from(["A=1", "# TAG=9", "export B='x y'", 'C="a\\nb"', "", "TAGS=1", "D=${A}", "X: y", "odd line"]),
        max_size=5,
    ),
    st.sampled_from(["TAG=1.0.0", "TAG='1.0.0'", 'export TAG="1.0.0"', " TAG = 1.0.0 # c", "TAG: 1.0.0"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_everything_but_the_one_value_of_an_env_file_stays(others, line, line_break, final):
    """Byte for byte."""
    lines = [*others[:2], line, *others[2:]]
    env = line_break.join(lines) + (line_break if final else "")
    found = change(project(b"services: {web: {image: 'ghcr.io/acme/web:${TAG}'}}", env=env.encode()))
    assert found == {".env": env.replace("1.0.0", "1.1.0").encode()}


@given(st.text(alphabet="abc:*&!<-[]{}'\"#\n ,|>$%@é", max_size=60).map(str.encode))
def test_garbage_is_refused_and_never_raises_anything_else(data):
    """Whatever stands in the file."""
    with pytest.raises(FsmError):
        change(project(b"services:\n  web:\n    image: " + data))
