"""What is installed: asked of the app itself, never remembered."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fsm.adapter import Installed
from fsm.errors import CommandFailed, DeadlineExceeded
from fsm.formats import version_file
from fsm.kit import doubt_about
from fsm.system import regular
from fsm.system.exit_codes import exited
from fsm.system.shell import ask
from fsm_python_app.spec import PythonAppSpec

_METADATA: Final = {"dist-info": "METADATA", "egg-info": "PKG-INFO"}
"""Directories beside a package, and the file in them that names its version."""

_METADATA_LIMIT: Final = 4 << 20
"""Bytes; metadata has the package's whole README in it."""


def read(spec: PythonAppSpec, root: Path | None = None) -> Installed:
    """The version in a tree, by default the live one; unknown stays unknown and says why."""
    root = root or spec.install_path
    if not root.is_dir():
        return Installed(present=False, why_unknown=f"nothing is installed at {root}")
    version, why = version_file.understood(*_text(spec, root))
    return Installed(version=version, why_unknown=why)


def _text(spec: PythonAppSpec, root: Path) -> tuple[str, str]:
    if spec.version.file is not None:
        return version_file.read(root / spec.version.file)
    if spec.version.package is not None:
        return _from_package(root / spec.environment.link, spec.version.package)
    return _from_command(root, spec.version.command or ())


def _from_package(environment: Path, package: str) -> tuple[str, str]:
    """The version in a package's metadata, not by way of the import system: that opens whatever lies there.

    Format: https://packaging.python.org/en/latest/specifications/core-metadata/
    """
    from email.parser import HeaderParser  # noqa: PLC0415 - 10 ms for few users

    folders = sorted(environment.glob("lib/python*/site-packages"))
    if not folders:
        return "", f"there is no environment at {environment}"
    try:
        path = next((path for folder in folders for path in _metadata(folder, package)), None)
        data = b"" if path is None else regular.read(path, _METADATA_LIMIT, follow=True)
    except OSError as error:
        return "", f"cannot read {error.filename}: {error.strerror}"
    if path is None:
        return "", f"{package} is not installed in {environment}"
    version = HeaderParser().parsestr(data.decode("utf-8", "replace"))["Version"]
    return (version, "") if version else ("", f"{path} names no version")


def _metadata(folder: Path, package: str) -> Iterator[Path]:
    """Where the metadata of a package may be."""
    for name in sorted(os.listdir(folder)):
        stem, _, kind = name.rpartition(".")
        if kind in _METADATA and _normalized(stem.partition("-")[0]) == _normalized(package):
            yield folder / name / _METADATA[kind]


def _normalized(name: str) -> str:
    """A package's name in the one form that all its spellings have.

    Rule: https://packaging.python.org/en/latest/specifications/name-normalization/
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _from_command(root: Path, argv: tuple[str, ...]) -> tuple[str, str]:
    program = str(root / argv[0]) if (root / argv[0]).exists() else argv[0]
    if program != argv[0] and (found := doubt_about(None, root, Path(program))):
        return "", f"{argv[0]} is not run as root: {found.why}"
    try:
        asked = ask([program, *argv[1:]], cwd=root, limit=version_file.MAX_SIZE)
    except (CommandFailed, DeadlineExceeded) as error:
        return "", f"cannot run {' '.join(argv)}: {error.why}"
    if asked.code != 0:
        return "", f"{' '.join(argv)} {exited(asked.code)}"
    lines = asked.out.decode(errors="replace").split()
    return (lines[-1], "") if lines else ("", f"{' '.join(argv)} printed nothing")
