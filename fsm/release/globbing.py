"""The files that a pattern of a description means."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MANIFEST: Final = "update-manifest"
_OURS: Final = ("SHA256SUMS", "SHA512SUMS", "fsm-keyring", "fsm-withdrawn", f"{MANIFEST}.", f"{MANIFEST}-")
_OUR_ENDINGS: Final = (".minisig", ".sha256")


def matching(root: Path, pattern: str) -> Iterator[Path]:
    """Everything that a pattern matches, in order, but what a release adds by itself, and directories in between.

    Args:
        root: the description's directory.
        pattern: relative to it.
    """
    for name in sorted(glob.glob(pattern, root_dir=root, recursive=True)):
        path = root / name
        if path.name.startswith(_OURS) or path.name.endswith(_OUR_ENDINGS):
            continue
        if path.is_dir() and not path.is_symlink() and glob.has_magic(pattern):
            continue
        yield Path(os.path.normpath(path))
