"""The strict YAML reader: what it reads, where it says things stand, and what it refuses."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.errors import ManifestError
from fsm.formats.yamldoc import MAX_DEPTH, MAX_DIGITS, MAX_VALUES, Document, kind, load, resolve


def read(text: str) -> Document:
    """The document of a text."""
    return load(text.encode("utf-8"), where="m.yaml")


def refusal(data: str | bytes) -> str:
    """The one line with which a text is refused."""
    with pytest.raises(ManifestError) as caught:
        load(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"), where="m.yaml")
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("2026-01-01", "2026-01-01"),
        ("12:30:00", "12:30:00"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("1.2.3", "1.2.3"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("Null", None),
        ("08", 8),
        ("-7", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.10", 1.1),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.INF", -math.inf),
    ],
)
def test_core_schema(text, value):
    """An unquoted scalar means what the core schema of YAML 1.2 says; quoted, it is a text."""
    document = read(f"a: {text}\nb: '{text}'\n")
    assert document.data == {"a": value, "b": text}
    assert type(document.data["a"]) is type(value)
    assert document.written(("a",)) == (None if isinstance(value, str) else text)
    assert document.written(("b",)) is None


def test_not_a_number():
    """`.nan` is a number that is none."""
    assert math.isnan(read("a: .nan").data["a"])


def test_number_too_long():
    """Numbers of any length are refused before they cost time."""
    with pytest.raises(ValueError, match="more than 400 digits"):
        resolve("9" * (MAX_DIGITS + 1))
    assert resolve("9" * MAX_DIGITS) == 10**MAX_DIGITS - 1
    assert refusal("a: " + "9" * 5000) == ("m.yaml:1:4: a number has more than 400 digits; quote it, if it is a text")


def test_positions():
    """Values and keys are found at their line and column; what is missing, at what is around it."""
    document = read("top:\n  - name: x\n    size: 5\n  - [a, {b: c}]\nend: |\n  text\n")
    assert document.position(("top", 0, "size")) == (3, 11)
    assert document.position(("top", 0, "size"), of_key=True) == (3, 5)
    assert document.position(("top", 1, 1, "b")) == (4, 13)
    assert document.position(("top", 0)) == (2, 5)
    assert document.position(("end",)) == (5, 6)
    assert document.position(()) == (1, 1)
    assert document.position(("top", 0, "gone", 3), of_key=True) == (2, 5)


def test_values():
    """A value is found by its path; where there is none, None comes back."""
    document = read("top:\n  - name: x\n")
    assert document.value(("top", 0, "name")) == "x"
    assert document.value(("top", 1)) is None
    assert document.value(("top", "x")) is None
    assert document.value(("top", 0, "name", "x")) is None


@pytest.mark.parametrize(
    "text", ["\ufeffa: 1", "---\na: 1\n...\n", "%YAML 1.2\n---\na: 1", "{a: 1}", "a: 1\r\n", '"a": 1']
)
def test_accepted_forms(text):
    """A byte order mark, document markers, the directive of YAML 1.2, flow style and CRLF are fine."""
    assert read(text).data == {"a": 1}


def test_json_is_yaml():
    """A character that JSON writes as two escapes is one character."""
    assert read('{"a": "\\ud83d\\ude00"}').data == {"a": "\U0001f600"}


def test_quoted_merge_key_is_a_text():
    """Only an unquoted `<<` is a merge key."""
    assert read('"<<": 1').data == {"<<": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", '2:1: the key "a" stands here a second time; the first is at line 1'),
        ("a: {b: 1, b: 2}", '1:11: the key "b" stands here a second time; the first is at line 1'),
        ("a: &x 1", "1:4: anchors (&name) are not allowed; remove it"),
        ("a: *x", "1:4: aliases (*name) are not allowed; write the value out"),
        ("<<: {a: 1}", "1:1: merge keys (<<) are not allowed; write the keys out"),
        ("a: !!str 1", "1:4: tags (!name) are not allowed; remove it; quote a value that is a text"),
        (
            "a: !!python/object:os.system x",
            "1:4: tags (!name) are not allowed; remove it; quote a value that is a text",
        ),
        ("1: a", "1:1: the key 1 is a number; use a text as the key; quote it"),
        ("~: a", "1:1: the key ~ is empty; use a text as the key; quote it"),
        (": a", "1:1: the key here is empty; use a text as the key; quote it"),
        ("[a]: 1", "1:1: a key is a list; use a text as the key"),
        ("? {a: b}\n: 1", "1:3: a key is a mapping; use a text as the key"),
        ("a: 1\n---\nb: 1", "2:1: a second document begins; keep one document in the file"),
        ("%YAML 1.1\n---\na: 1", "1:1: only the directive %YAML 1.2 is allowed; remove it"),
        ("%TAG ! x\n---\na: 1", "1:1: only the directive %YAML 1.2 is allowed; remove it"),
        ("", "1:1: the document is empty; write a mapping, key: value"),
        ("# nothing", "1:1: the document is empty; write a mapping, key: value"),
        ("--- ", "1:5: the document is empty; write a mapping, key: value"),
        ("- a", "1:1: the document is a list; write a mapping, key: value"),
        ("hello", "1:1: the document is a text; write a mapping, key: value"),
        ("true", "1:1: the document is true or false; write a mapping, key: value"),
        ('a: "\\ud800"', "1:4: an escape names half a character; write the character itself, or \\U and 8 digits"),
        ('a: "\\U00110000"', "1:4: an escape in this text names no character; correct the escape"),
        ('a: "\\q"', "1:6: there is no such escape; double the backslash, or use single quotes"),
        ("a: \x01", "1:4: the character U+0001 is not allowed; remove it, or write it as an escape in double quotes"),
        (
            "a: 1\r\n\x00",
            "2:1: the character U+0000 is not allowed; remove it, or write it as an escape in double quotes",
        ),
        ("a:\n\tb: 1", "2:1: a tab stands where spaces belong; indent with spaces"),
        ("a: b: c", "1:5: a ':' stands where no key can stand; quote the text that has ': ' in it"),
        ("a: @b", "1:4: no value can begin with this character; quote the text"),
        ("a: ]", "1:4: a value is missing; write it, or remove what announces it"),
        ("a: [1", "1:6: a ',' or the closing bracket is missing; add it"),
        ("a: ? b", "1:4: a '?' stands where no key can stand; quote the text that begins with '? '"),
        ("a: 1\nb\nc: 1", "3:1: a ':' is missing after a key (what is open there began at 2:1); write key: value"),
        (
            "a: 'x\n",
            "2:1: the file ends too early (what is open there began at 1:4); "
            "close what is open, or look for lines that are missing",
        ),
        (
            "- a\nb: c",
            "2:1: the indentation does not fit the lines above (what is open there began at 1:1); "
            "line it up with the keys above",
        ),
    ],
)
def test_refusals(text, message):
    """Whatever is not plain data is refused with one line that says where, what and what to do."""
    assert refusal(text) == f"m.yaml:{message}"


def test_unknown_trouble_keeps_its_words():
    """A trouble without plain words of its own shows the parser's, on one line."""
    assert refusal('a: "\\x4"').startswith("m.yaml:1:7: not YAML: expected escape sequence of 2 ")


def test_not_utf8():
    """Bytes that are no UTF-8 are refused where they stand."""
    assert refusal(b"a: 1\nb: \xff") == "m.yaml:2:4: byte 0xff is not UTF-8; save the file as UTF-8"


def test_too_large():
    """More than the allowed bytes are refused unread."""
    with pytest.raises(ManifestError, match=r"^m\.yaml: 11 bytes, more than the 10 allowed; make it shorter$"):
        load(b"a: 12345678", where="m.yaml", max_bytes=10)


def test_depth():
    """The deepest allowed nesting is read, one level more is refused."""
    deep = "{a: " * MAX_DEPTH + "1" + "}" * MAX_DEPTH
    assert isinstance(read(deep).data["a"], dict)
    assert "nested deeper than 32 levels" in refusal("a: [" + deep + "]")
    assert "nested deeper than 32 levels" in refusal("a: " + "[" * 100_000)


def test_too_many_values():
    """More values than a manifest can need are refused."""
    assert "more than 50000 values" in refusal("a: [" + "1," * MAX_VALUES + "]")


def test_long_keys_are_shortened():
    """A message stays one short line, whatever the key."""
    line = refusal('? "' + "k" * 500 + '\\n"\n: 1\n? "' + "k" * 500 + '\\n"\n: 2\n')
    assert "kkk..." in line
    assert len(line) < 200


def test_kinds():
    """Every plain value has its words."""
    values: tuple[object, ...] = (None, True, 1, 1.5, "a", [], {})
    assert [kind(value) for value in values] == [
        "empty",
        "true or false",
        "a number",
        "a number",
        "a text",
        "a list",
        "a mapping",
    ]


def outcome(data: bytes) -> Document | str:
    """The document, or the line with which it is refused."""
    try:
        return load(data, where="m.yaml")
    except ManifestError as error:
        return str(error)


def check_outcome(data: bytes) -> None:
    """Anything gives a document with texts as keys, or one line."""
    found = outcome(data)
    if isinstance(found, str):
        assert len(found.splitlines()) == 1
    else:
        assert all(isinstance(key, str) for key in found.data)
        assert found.position(()) >= (1, 1)


@given(st.binary(max_size=200))
def test_any_bytes(data):
    """Any bytes are a document or a refusal, never another exception."""
    check_outcome(data)


SIGNS = [*"[]{},'#:-?|>%!&*@`~\\ab1\n\t\x85\u2028\ufeffé \"", "<<", "---\n", "...\n", '"\\x', "1.5", "\n  "]
YAMLISH = st.lists(st.sampled_from([*SIGNS, ": ", "- ", "? ", "|\n", ">-\n"]), max_size=30).map("".join)


@given(YAMLISH | st.text(max_size=60))
def test_any_text(text):
    """Any text, also one that looks like YAML, is a document or a refusal."""
    check_outcome(text.encode("utf-8", "surrogatepass"))


SIZE = 1 << 16


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    [
        "[",
        "{",
        "- ",
        "? ",
        "a: ",
        "&a ",
        "*a ",
        "!a ",
        "#\n",
        " ",
        "\n",
        "x",
        "a\n",
        "'",
        '"\\n',
        "a: [[],",
        "|\n",
        "%A\n",
    ],
)
def test_hostile_length(unit):
    """64 KiB of one thing, also behind a tag or in a list, end: a reader with quadratic work meets the time-out."""
    for head in ("", "a: ", "a: !", "a: [", "a: |\n "):
        check_outcome((head + unit * (SIZE // len(unit))).encode())
