"""Characters that are no text: they drive a terminal, or have it show something else than there is."""

from __future__ import annotations

from typing import Final

HIDDEN: Final = r"\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""What a name has no use for beside the control characters of ASCII, as part of a regular expression's class.

Further control characters, ends of lines and paragraphs, and what turns the direction in which text is shown (Unicode's
UAX #9): with that ``exe.txt`` is shown where ``txt.exe`` is meant.
"""

_NO_TEXT: Final = (
    *(range(0x09), range(0x0B, 0x20), range(0x7F, 0xA0)),
    *(range(0x061C, 0x061D), range(0x200E, 0x2010), range(0x2028, 0x202F), range(0x2066, 0x206A)),
    *(range(0xD800, 0xE000), range(0xFEFF, 0xFF00), range(0xFFF9, 0xFFFC), range(0xE0000, 0xE0080)),
)

VISIBLE: Final = dict.fromkeys((code for codes in _NO_TEXT for code in codes), "\N{REPLACEMENT CHARACTER}")
"""For `str.translate`: control characters but tab and line feed, lines and paragraphs that end otherwise, directions,
invisible marks and tags, and halves of characters, each as a character that can be seen."""


def printable(path: object) -> str:
    """A path as text that can be stored and shown: a name that is no UTF-8 gets escapes."""
    return str(path).encode("utf-8", "backslashreplace").decode()
