"""Reads manifests for tests."""

from __future__ import annotations

from typing import Final

from fsm.errors import ManifestError
from fsm.formats.manifest import Manifest, parse

DIGEST: Final = "sha256:" + "a" * 64
HEAD: Final = 'version: "1.0"\n'


def read(text: str) -> Manifest:
    """The manifest of a text."""
    return parse(text.encode(), "m.yaml")


def refusal(text: str) -> str:
    """The one line with which a manifest is refused; nothing for one that is accepted."""
    try:
        read(text)
    except ManifestError as error:
        line = str(error)
    else:
        line = ""
    assert len(line.splitlines()) <= 1, line
    return line


def download(checksum: str, url: str = "https://example.org/files/app%201.tar.gz?x=1") -> str:
    """A manifest with one download step."""
    return f'{HEAD}update_steps:\n- action: download_artifact\n  url: "{url}"\n  checksum: "{checksum}"\n'
