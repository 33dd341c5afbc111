"""The import contracts of `pyproject.toml`, with the packages that lie in `components/` in place of "fsm_*".

import-linter wants every package by name; a new component type should have to edit nothing but its entry point.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PLACEHOLDER: Final = '"fsm_*"'


def component_packages(root: Path = ROOT) -> list[str]:
    """The import packages below `components/`, sorted: one for each component type."""
    return sorted(found.parent.name for found in (root / "components").glob("*/__init__.py"))


def contracts(root: Path = ROOT) -> str:
    """The whole configuration for import-linter, as TOML."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return text.replace(PLACEHOLDER, ", ".join(f'"{name}"' for name in component_packages(root)))


def main() -> int:
    """Check them; import-linter's exit code."""
    written = ROOT / "build" / "import-contracts.toml"
    written.parent.mkdir(exist_ok=True)
    written.write_text(contracts(), encoding="utf-8")
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([program, "--no-cache", "--config", str(written)], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
