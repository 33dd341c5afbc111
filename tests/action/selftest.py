"""What `.github/workflows/action-selftest.yml` does besides using the action: a GitHub to publish to, and a look at it.

    python -m tests.action.selftest begin      a project to release, and the fake GitHub in a process of its own
    python -m tests.action.selftest published  what is there is what the action's outputs say
    python -m tests.action.selftest refused    every use of the action has failed, and nothing is there

`begin` ends while the fake goes on (`serve`); they meet in a folder of the runner's: the fake writes `ready.json`, ends
when `stop` is there, and leaves `found.json`. It leaves none where a request was not as GitHub describes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from fsm.formats.trust import SecretKey, minisign
from tests.github.fake import FakeGitHub

PROJECT: Final = Path("project")
DESCRIPTION: Final = """\
components:
  - name: web
    type: python_app
    artifacts:
      - path: dist/*.tar.gz
"""
PATIENCE: Final = 60.0
"""Seconds until the fake must have begun, or ended."""

LIFE: Final = 1800.0
"""Seconds after which the fake ends by itself."""

FILES: Final = {
    "web-1.2.0.tar.gz",
    "update-manifest.yaml",
    "SHA256SUMS",
    "SHA256SUMS.bsd",
    "update-manifest.yaml.minisig",
}


def begin() -> None:
    """Write a project, start the fake, and hand on what the action needs."""
    folder = _folder()
    folder.mkdir()
    (PROJECT / "dist").mkdir(parents=True)
    (PROJECT / "update.yaml").write_text(DESCRIPTION, encoding="utf-8", newline="\n")
    with tarfile.open(PROJECT / "dist" / "web-1.2.0.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("VERSION")
        info.size = 6
        tar.addfile(info, BytesIO(b"1.2.0\n"))
    with (folder / "log").open("wb") as log:
        subprocess.Popen(
            [sys.executable, "-m", "tests.action.selftest", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # Locked with libsodium's least limits: minisign's own take five seconds here, and in each step that has the key.
    for limit, least in {"_OPERATIONS": 32_768, "_MEMORY": 16 << 20}.items():
        setattr(minisign, limit, least)
    key, password = SecretKey.generate(), secrets.token_hex(16)
    (folder / "key").write_text(key.public_key.name, encoding="utf-8")
    there = json.loads(_awaited(folder / "ready.json"))
    outputs = {**there, "signing-key": key.file(password), "key-password": password}
    for secret in (*outputs["signing-key"].splitlines(), password, outputs["token"]):
        print(f"::add-mask::{secret}")
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8", newline="\n") as file:
        for name, value in outputs.items():
            mark = secrets.token_hex(16)
            file.write(f"{name}<<{mark}\n{value}\n{mark}\n")


def serve() -> None:
    """Be a GitHub with one repository until told to stop."""
    folder = _folder()
    with FakeGitHub() as github:
        kept = github.add_repository("o/r")
        _written(folder / "ready.json", {"api-url": github.api_url, "token": github.token})
        deadline = time.monotonic() + LIFE
        while not (folder / "stop").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        found = [
            {
                "tag": each.tag,
                "draft": each.draft,
                "digests": {asset.name: asset.digest for asset in each.assets.values()},
            }
            for each in kept.releases()
        ]
    _written(folder / "found.json", found)


def published() -> None:
    """Compare what the fake has with the outputs of the action and with the files."""
    digests = json.loads(os.environ["DIGESTS"])
    (release,) = _found()
    _same("tag and state", (release["tag"], release["draft"]), ("v1.2.0", False))
    _same("digests", release["digests"], digests)
    _same("missing files", FILES - set(digests), set())
    for name in ("MANIFEST", "SUMS"):
        path = Path(os.environ[name])
        _same(str(path), digests[path.name], f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}")
    _same("the key", os.environ["SIGNED_BY"], (_folder() / "key").read_text(encoding="utf-8"))
    _same("the address", os.environ["RELEASE_URL"].rpartition("/")[2], "v1.2.0")
    print(f"published: {', '.join(sorted(digests))}")


def refused() -> None:
    """Look at the outcome of each step, at the fake, and at what a hostile input would have left."""
    outcomes = os.environ["OUTCOMES"].split()
    _same("outcomes", set(outcomes), {"failure"})
    _same("releases", _found(), [])
    _same("files of a hostile input", list(Path().rglob("pwned")), [])
    print(f"refused: {len(outcomes)} times")


COMMANDS: Final[dict[str, Callable[[], None]]] = {
    "begin": begin,
    "published": published,
    "refused": refused,
    "serve": serve,
}


def _folder() -> Path:
    return Path(os.environ["RUNNER_TEMP"]) / "selftest"


def _found() -> Any:
    folder = _folder()
    (folder / "stop").touch()
    return json.loads(_awaited(folder / "found.json"))


def _written(path: Path, data: Any) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(data), encoding="utf-8")
    part.replace(path)


def _awaited(path: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > deadline:
            log = (_folder() / "log").read_text(encoding="utf-8", errors="replace")
            sys.exit(f"the fake GitHub has not written {path.name}:\n{log}")
        time.sleep(0.1)
    return path.read_text(encoding="utf-8")


def _same(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        sys.exit(f"{what}: {found!r}, should be {wanted!r}")


if __name__ == "__main__":
    COMMANDS[sys.argv[1]]()
