"""Platforms, and which artifact a host takes."""

from __future__ import annotations

import pytest
from hypothesis import given

from fsm.errors import ManifestError
from fsm.formats.artifacts import Artifact
from fsm.formats.manifest import Manifest
from fsm.formats.picking import pick_artifact, pick_artifacts
from fsm.formats.platforms import current_platform, matches_platform
from fsm.model import Version
from tests.strategies_manifest import PLATFORMS

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "current", "fits"),
    [
        (None, "linux-x86_64", True),
        ("any", "windows-x86_64", True),
        ("linux", "linux-aarch64", True),
        ("linux-x86_64", "linux-x86_64", True),
        ("linux-x86_64", "linux-aarch64", False),
        ("linux/amd64", "linux-x86_64", True),
        ("linux-arm64", "linux-aarch64", True),
        ("darwin-arm64", "macos-aarch64", True),
        ("win32", "windows-x86_64", True),
        ("linux-x86_64-musl", "linux-x86_64", False),
        ("linux-x86_64", "linux-x86_64-musl", True),
        ("linux-x86", "linux-x86_64", False),
        ("lin", "linux", False),
        ("LINUX", "linux", True),
    ],
)
def test_matches(text, current, fits):
    """A shorter platform covers the longer ones, part by part, in any of the usual spellings."""
    assert matches_platform(text, current) is fits


@given(PLATFORMS)
def test_matches_itself(platform):
    """Every platform fits itself."""
    assert matches_platform(platform, platform)


def test_current_platform():
    """This host has a system and a machine, in the spelling of the manifest."""
    assert len(current_platform().split("-")) >= 2
    assert Manifest(version=Version("1"), platform=current_platform()).platform == current_platform()


def file(name: str, platform: str | None) -> Artifact:
    """An artifact for a platform."""
    return Artifact(name=name, platform=platform, sha256=DIGEST)


ALL = (file("all", None), file("linux", "linux"), file("x86", "linux-x86_64"), file("arm", "linux-aarch64"))


def test_pick_artifacts():
    """The fitting artifacts come with the most special one first."""
    assert [found.name for found in pick_artifacts(ALL, "linux-x86_64")] == ["x86", "linux", "all"]
    assert [found.name for found in pick_artifacts(ALL, "macos-aarch64")] == ["all"]
    manifest = Manifest(version=Version("1"), artifacts=ALL)
    assert pick_artifacts(manifest.artifacts, "linux-riscv64") == (ALL[1], ALL[0])


def test_pick_artifact():
    """The one most special artifact is taken; none, or two alike, is said."""
    assert pick_artifact(ALL, "linux-aarch64").name == "arm"
    with pytest.raises(ManifestError) as caught:
        pick_artifact(ALL[1:], "windows-x86_64")
    assert str(caught.value) == (
        "cannot choose an artifact for windows-x86_64: the release has none for it; wait for a release that has one"
    )
    with pytest.raises(ManifestError) as caught:
        pick_artifact((*ALL, file("other", "linux/amd64")), "linux-x86_64")
    assert str(caught.value) == (
        "cannot choose an artifact for linux-x86_64: several fit equally well: x86, other; "
        "name the platform of each artifact in the manifest"
    )
