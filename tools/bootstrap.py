"""Make `.venv` from the hash-pinned requirement files; the standard library is all it needs.

Order: the environment, then uv by pip (one wheel, pinned), then the rest by uv, then this checkout, editable. Where uv
cannot reach the packages (it does not read pip's configuration), pip installs the same files, slower. The stamp
`.venv/.<name>` says of which files, and where; it is removed first and written last: an interrupted bootstrap is done
again, and one that is done takes no time, for a workflow that uses the action twice.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv"
SCRIPTS, SUFFIX = (HOME / "Scripts", ".exe") if os.name == "nt" else (HOME / "bin", "")
PYTHON = SCRIPTS / f"python{SUFFIX}"
UV = SCRIPTS / f"uv{SUFFIX}"
PINNED = ("--require-hashes", "--no-deps")
STAMPS = {"runtime": ("runtime",), "dev": ("runtime", "dev"), "bench": ("bench",)}
"""Which stamps an installation earns: dev.txt holds all of runtime.txt."""


def main(argv: list[str]) -> int:
    """Install the set of requirements that `argv` names."""
    if len(argv) != 1 or argv[0] not in STAMPS:
        return _fail("usage: bootstrap.py " + "|".join(STAMPS))
    if sys.version_info < (3, 11):  # noqa: UP036 - whatever `python3` is runs this file
        return _fail(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; try `make PYTHON=python3.11`")
    name = argv[0]
    if PYTHON.exists() and all(_stamp(each) == _digest(each) for each in STAMPS[name]):
        print(f"bootstrap: .venv is that of requirements/{name}.txt", flush=True)
        write_stamps(name)  # make goes by its time
        return 0
    print(f"bootstrap: .venv from requirements/{name}.txt", flush=True)
    for each in STAMPS[name]:
        (HOME / f".{each}").unlink(missing_ok=True)
    try:
        _environment()
        _install(*PINNED, "-r", str(ROOT / "requirements" / f"{name}.txt"))
        _install("--no-deps", "--no-build-isolation", "-e", str(ROOT))
    except subprocess.CalledProcessError as error:
        return _fail(f"cannot install {name}: exit code {error.returncode}; see the lines above, then try again")
    write_stamps(name)
    return 0


def write_stamps(name: str) -> None:
    """Note that `.venv` is that of a set of requirements, here and now."""
    for each in STAMPS[name]:
        (HOME / f".{each}").write_text(_digest(each), encoding="ascii")


def _stamp(name: str) -> str:
    path = HOME / f".{name}"
    return path.read_text(encoding="ascii") if path.is_file() else ""


def _digest(name: str) -> str:
    """Of everything that an environment is made from, its place included: scripts in it have absolute paths."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (Path(__file__), ROOT / "pyproject.toml", *(ROOT / "requirements" / f"{n}.txt" for n in ("uv", name))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _environment() -> None:
    """An environment that works, with the pinned uv in it."""
    if not PYTHON.exists():
        venv.create(HOME, clear=HOME.exists(), with_pip=True, symlinks=os.name != "nt")
    _pip("install", *PINNED, "-r", str(ROOT / "requirements" / "uv.txt"))


def _install(*arguments: str) -> None:
    if _uv(*arguments) != 0:
        print("bootstrap: uv could not; pip installs the same files", flush=True)
        _pip("install", *arguments)


def _uv(*arguments: str) -> int:
    """The exit code of `uv pip install`; it retries little, for pip is the second try."""
    if not UV.exists():
        return 1
    environment = {"UV_HTTP_RETRIES": "1", "UV_LINK_MODE": "copy"} | os.environ
    command = [str(UV), "pip", "install", "--quiet", "--compile-bytecode", "--python", str(PYTHON), *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


def _pip(*arguments: str) -> None:
    command = [str(PYTHON), "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input", *arguments]
    subprocess.run(command, cwd=ROOT, check=True)


def _fail(message: str) -> int:
    print(f"bootstrap: {message}", file=sys.stderr)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        print(f"::error::{message}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
