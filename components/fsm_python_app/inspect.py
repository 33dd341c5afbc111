"""What is installed: asked of the app itself, never remembered."""

from __future__ import annotations

import subprocess
from pathlib import Path

from fsm.adapter import Installed
from fsm.formats import version_file
from fsm.model import Version
from fsm.system.exit_codes import exited
from fsm_python_app.spec import PythonAppSpec


def read(spec: PythonAppSpec, root: Path | None = None) -> Installed:
    """The version in a tree, by default the live one; unknown stays unknown and says why."""
    root = root or spec.install_path
    if not root.is_dir():
        return Installed(present=False, why_unknown=f"nothing is installed at {root}")
    text, why = _text(spec, root)
    version = Version.parse(text)
    if version is None and not why:
        why = f"{text!r} is not a version"
    return Installed(version=version, why_unknown=why)


def _text(spec: PythonAppSpec, root: Path) -> tuple[str, str]:
    if spec.version.file is not None:
        return version_file.read(root / spec.version.file)
    if spec.version.package is not None:
        return _from_package(root / spec.environment.link, spec.version.package)
    return _from_command(root, spec.version.command or ())


def _from_package(environment: Path, package: str) -> tuple[str, str]:
    from importlib.metadata import Distribution, PackageNotFoundError  # noqa: PLC0415 - 25 ms for few users

    paths = [str(path) for path in environment.glob("lib/python*/site-packages")]
    if not paths:
        return "", f"there is no environment at {environment}"
    try:
        found = next(iter(Distribution.discover(name=package, path=paths)), None)
        return (found.version, "") if found else ("", f"{package} is not installed in {environment}")
    except PackageNotFoundError as error:
        return "", str(error)


def _from_command(root: Path, argv: tuple[str, ...]) -> tuple[str, str]:
    program = str(root / argv[0]) if (root / argv[0]).exists() else argv[0]
    try:
        # Short and read-only, also outside of a run: not worth the machinery of journaled children.
        done = subprocess.run(
            [program, *argv[1:]], cwd=root, capture_output=True, timeout=30, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"cannot run {' '.join(argv)}: {error}"
    if done.returncode != 0:
        return "", f"{' '.join(argv)} {exited(done.returncode)}"
    lines = done.stdout[: version_file.MAX_SIZE].decode(errors="replace").split()
    return (lines[-1], "") if lines else ("", f"{' '.join(argv)} printed nothing")
