"""Which platform an artifact or a release is for.

A platform is written from the general to the special, with minus signs: ``linux``, ``linux-x86_64``,
``linux-x86_64-musl``. A shorter one covers all longer ones. The usual other spellings mean the same:
``linux/amd64``, ``darwin-arm64``, ``win32``.
"""

from __future__ import annotations

from typing import Annotated, Final

from fsm.model import spelled

PLATFORM: Final = r"^[a-z0-9_]+(?:[/-][a-z0-9_.]+){0,3}$"

Platform = Annotated[str, spelled(PLATFORM, "a platform like linux or linux-x86_64", 64)]
"""A platform, general to special: ``linux``, ``linux-x86_64``, ``linux-aarch64``."""

_SPELLINGS: Final = {
    "darwin": "macos",
    "osx": "macos",
    "win": "windows",
    "win32": "windows",
    "win64": "windows",
    "amd64": "x86_64",
    "x64": "x86_64",
    "arm64": "aarch64",
}
_EVERY: Final = ("any", "all", "noarch")


def current_platform() -> str:
    """This host's platform, e.g. ``linux-x86_64``."""
    import platform  # noqa: PLC0415 - 5 ms, only for those who compare
    import sys  # noqa: PLC0415 - see above

    return "-".join(_parts(f"{sys.platform}-{platform.machine() or 'unknown'}"))


def matches_platform(text: str | None, current: str) -> bool:
    """Whether something made for `text` runs on `current`.

    Args:
        text: the platform it is for; None, ``any`` and ``all`` fit everywhere.
        current: the host's platform, as `current_platform` writes it.
    """
    wanted = _parts(text)
    return _parts(current)[: len(wanted)] == wanted


def specificity(text: str | None) -> int:
    """How special a platform is: 0 for everything, 1 for ``linux``, 2 for ``linux-x86_64``."""
    return len(_parts(text))


def _parts(text: str | None) -> tuple[str, ...]:
    parts = tuple(_SPELLINGS.get(part, part) for part in (text or "").lower().replace("/", "-").split("-"))
    return () if parts[0] in ("", *_EVERY) else parts
