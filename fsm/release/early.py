"""Begins to hash what a description seems to name, before anybody has looked whether the description is right.

Loading pydantic and a reader of YAML, and validating, take a third of a second of one core, in which large files can be
read already. So what looks like the path of an artifact is taken for one. Nothing is believed here: what is not asked
for later is dropped, and every error is found again by those who validate.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fsm.errors import FsmError
from fsm.release.globbing import matching
from fsm.release.hashing import Hasher

_PATHS: Final = re.compile(r"""(?<![\w-])path["']?\s*[:=]\s*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s"',}\]#]+))""")
"""A key `path` and its value, in YAML as in TOML."""


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is collected in this block: looking at all that pydantic makes would hold up those who hash."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def begin(description: Path | None, hasher: Hasher) -> None:
    """Have the files hashed that a description names, as far as that can be told.

    Args:
        description: as `fsm.release.description.read` takes it.
        hasher: computes the digests.
    """
    path = description or Path()
    # The description is read again, and judged, in a moment.
    with suppress(OSError, ValueError, FsmError):
        for candidate in (path / "update.yaml", path / "pyproject.toml") if path.is_dir() else (path,):
            if candidate.is_file():
                hasher.start(_files(candidate.parent, _ours(candidate)))
                return


def _ours(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return text.partition("tool.fsm")[2] if path.suffix == ".toml" else text


def _files(root: Path, text: str) -> Sequence[Path]:
    # What needs the version cannot be told yet, and an absolute path is refused later: neither is touched.
    found = dict.fromkeys("".join(each.groups("")) for each in _PATHS.finditer(text))
    patterns = [each for each in found if "{version}" not in each and ".." not in each and each[:1] not in ("", "/")]
    return [path for pattern in patterns for path in matching(root, pattern) if path.is_file()]
