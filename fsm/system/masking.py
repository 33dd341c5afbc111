"""What a secret is, and masking it in what is shown: in data and in texts. What is only named is none.

A secret is what stands in an environment, under a name that says so (``password``, ``api_key``), behind an option that
says so (``--token x``, ``--token=x``), or as the password of a URL; and what this process has read as one
(`keep_secret`), for whoever it is sent to may quote it. What programs print is masked by `fsm.system.shell.Redactor`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

MASK: Final = "***"

SHORTEST: Final = 6
"""Characters of a secret that is looked for in texts: a shorter one would be found in words."""

_WORDS: Final = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|authorization|(?:api|private|access)[_-]?key)"
)
# Texts, which `re` compiles when they are used: that takes 3 ms, which `fsm --help` need not pay.
_NAME: Final = rf"(?i)(?:.*[_.-])?(?:PG)?{_WORDS}"
_OPTION: Final = rf"(?i)-{{1,2}}(?:[\w.-]*[_.-])?{_WORDS}"
_ASSIGNED: Final = rf"(?i)(?P<before>(?:^|(?<=[\s?&;]))-{{0,2}}(?:[\w.-]*[_.-])?{_WORDS}=)(?P<secret>[^\s&;]+)"
_IN_URL: Final = r"(?i)(?P<before>[a-z][a-z0-9+.-]*://[^/\s:@]*:)(?P<secret>[^/\s@]+)(?=@)"

_ENVIRONMENTS: Final = frozenset({"env", "environ", "environment"})
_HEADERS: Final = frozenset({"headers"})


_kept: set[str] = set()


def keep_secret(text: str) -> str:
    """From now on no message and no log of this process has that text in it; returns it."""
    if len(text) >= SHORTEST:
        _kept.add(text)
    return text


def kept_secrets() -> tuple[str, ...]:
    """What `keep_secret` was told."""
    return tuple(_kept)


def masked(value: Any, name: str = "") -> Any:
    """Plain data with every secret in it replaced.

    Args:
        value: as JSON has it.
        name: the key that it stands under.
    """
    if isinstance(value, dict):
        if name in _ENVIRONMENTS or name in _HEADERS:
            return dict.fromkeys(value, MASK)
        return {key: masked(each, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [MASK if _is_given(value, index) else masked(each) for index, each in enumerate(value)]
    if isinstance(value, str):
        return MASK if value and re.fullmatch(_NAME, name) else masked_text(value)
    return value


def masked_text(text: str) -> str:
    """A text without the passwords of URLs, what is assigned to a secret's name, and what was read as a secret."""
    for secret in sorted(_kept, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for pattern in (_IN_URL, _ASSIGNED) if "=" in text or "://" in text else ():
        text = re.sub(pattern, rf"\g<before>{MASK}", text)
    return text


def secrets_in(value: Any, name: str = "") -> frozenset[str]:
    """The secrets in plain data that are long enough to be looked for in texts."""
    return frozenset(each for each in _secrets(value, name) if len(each) >= SHORTEST)


def _secrets(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if name in _HEADERS and isinstance(each, str):
                yield each
            yield from _secrets(each, key)
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from [each] if _is_given(value, index) else _secrets(each, "")
    elif isinstance(value, str):
        if re.fullmatch(_NAME, name):
            yield value
        for pattern in (_IN_URL, _ASSIGNED):
            yield from (found["secret"] for found in re.finditer(pattern, value))


def _is_given(words: list[Any] | tuple[Any, ...], index: int) -> bool:
    """Whether a word of a command line is what the option before it asks for."""
    before = words[index - 1] if index else ""
    return isinstance(before, str) and isinstance(words[index], str) and bool(re.fullmatch(_OPTION, before))
