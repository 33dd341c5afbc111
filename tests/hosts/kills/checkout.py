"""A repository on the machine itself, and a clone in which releases are made: what the scenarios of checkouts share."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

from tests.hosts.machine import Machine

REMOTE: Final = "/srv/git/app.git"
_AUTHOR: Final = "/srv/author"

_MAKE: Final = f"""
set -e
git config --system user.name Author
git config --system user.email author@example.org
git init --quiet --bare --initial-branch=main {REMOTE}
git init --quiet --initial-branch=main {_AUTHOR}
"""

_COMMIT: Final = """
set -e
cd {author}
git rm -r --quiet --force --ignore-unmatch .
tar -x
git add --force --all .
git commit --quiet --allow-empty -m {title}
git tag v{version}
git push --quiet {remote} main v{version}
"""


def make_remote(host: Machine) -> None:
    """An empty repository."""
    host.run("sh", "-c", _MAKE)


def commit(host: Machine, version: str, files: Mapping[str, bytes | str]) -> None:
    """Commit a release on top of the one before, tag it, and push both.

    Args:
        host: the machine.
        version: of the tag, without its ``v``.
        files: everything that is in the commit; a name that ends with ``.sh`` is a program.
    """
    host.run("rm", "-rf", f"{_AUTHOR}.new")
    host.write_files({f"{_AUTHOR}.new/{name}": data for name, data in files.items()}, mode=0o755)
    script = _COMMIT.format(
        author=_AUTHOR, title=shlex.quote(f"Release {version}: faster"), version=version, remote=REMOTE
    )
    host.run("sh", "-c", f"tar -c -C {_AUTHOR}.new . | ({script})")


def head(host: Machine, checkout: str) -> str:
    """The version of the commit that is checked out, and that of the files where they differ from it."""
    said = host.run("git", "-C", checkout, "show", "HEAD:VERSION")
    there = host.read(f"{checkout}/VERSION").decode().strip()
    return said if said == there else f"{said} with files of {there}"
