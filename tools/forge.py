"""Hold what the forge reads to its schemas, and look for what is dangerous in it: `make lint`.

Workflows, the action, issue forms and the configuration of dependabot are checked by check-jsonschema with the schemas
that it brings along, and by zizmor at its strictest (`zizmor.yml` has the exceptions); nothing asks the network. A file
that no schema is for is an error, so that a new one is not passed over.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SCHEMAS: Final = {
    ".github/workflows/*.yml": ("vendor.github-workflows", "custom.github-workflows-require-timeout"),
    ".github/ISSUE_TEMPLATE/config.yml": ("vendor.github-issue-config",),
    ".github/ISSUE_TEMPLATE/*.yml": ("vendor.github-issue-forms",),
    ".github/dependabot.yml": ("vendor.dependabot",),
    "action.yml": ("vendor.github-actions",),
}
"""The names of schemas by pattern; the first pattern that fits a file decides."""


def main(argv: Sequence[str], root: Path = ROOT) -> int:
    """Check a tree; with `--verbose`, say what each check says also where nothing is wrong."""
    known, unknown = sorted_out(root)
    for path in unknown:
        print(f"{path.relative_to(root)}: nothing says what its schema is; add it to tools/forge.py", file=sys.stderr)
    schemas = sorted({schema for path in known for schema in known[path]})
    checks = [
        ["check-jsonschema", "--builtin-schema", schema, *(str(path) for path in known if schema in known[path])]
        for schema in schemas
    ]
    watched = [str(path) for path in known if "issue" not in "".join(known[path])]
    strict = ["--offline", "--no-progress", "--strict-collection", "--persona=pedantic"]
    checks.append(["zizmor", *strict, f"--config={ROOT / 'zizmor.yml'}", *watched])
    passed = [_passes(check, "--verbose" in argv) for check in checks]
    return 0 if all(passed) and not unknown else 1


def sorted_out(root: Path) -> tuple[dict[Path, tuple[str, ...]], list[Path]]:
    """The files that the forge reads with their schemas, and those without one."""
    found = sorted([*(root / ".github").rglob("*.yml"), *(root / ".github").rglob("*.yaml"), *root.glob("action.y*ml")])
    known: dict[Path, tuple[str, ...]] = {}
    for path in found:
        for pattern, schemas in SCHEMAS.items():
            if path in root.glob(pattern):
                known.setdefault(path, schemas)
    return known, [path for path in found if path not in known]


def _passes(check: list[str], verbose: bool) -> bool:
    """Run one tool of this environment; what it says is shown where something is wrong."""
    command = [str(Path(sys.executable).with_name(check[0])), *check[1:]]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode or verbose:
        print(ran.stdout, end="")
    return ran.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
