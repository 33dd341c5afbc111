"""A repository with a description and built files."""

from __future__ import annotations

import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from fsm.release.build import Options, build
from fsm.release.problems import ReleaseError

PLAIN = """\
components:
  - name: web
    type: python_app
    artifacts:
      - path: dist/*.tar.gz
    notes: NOTES.md
    post_update_checks:
      - type: version_check
        expected_version: "{version}"
"""


class Repository:
    """A directory with `update.yaml`, `NOTES.md` and one archive in `dist`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.description = root / "update.yaml"
        self.description.write_text(PLAIN, encoding="utf-8")
        (root / "NOTES.md").write_text("Answers faster.\r\n", encoding="utf-8", newline="")
        self.archive("dist/web-1.2.0.tar.gz", VERSION=b"1.2.0\n")

    def describe(self, text: str) -> None:
        """Write another description."""
        self.description.write_text(text, encoding="utf-8")

    def write(self, name: str, data: bytes = b"x") -> Path:
        """Write a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def archive(self, where: str, **files: bytes) -> Path:
        """Write a tar.gz with files; two underscores in a name stand for a slash, one at its end for `.py`."""
        buffer = BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(name.replace("__", "/"))
                info.size = len(data)
                tar.addfile(info, BytesIO(data))
        return self.write(where, buffer.getvalue())

    def options(self, **given: object) -> Options:
        """A call for this repository."""
        return Options(**{"description": self.root, "version": "1.2.0", **given})  # type: ignore[arg-type]

    def refusal(self, **given: object) -> ReleaseError:
        """What `build` refuses."""
        with pytest.raises(ReleaseError) as caught:
            build(self.options(**given))
        return caught.value


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository, outside of GitHub Actions."""
    for name in ("GITHUB_REF", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    return Repository(tmp_path)
