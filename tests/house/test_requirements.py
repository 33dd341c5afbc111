"""The locks: pinned by hash, naming no index, and in step with pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("runtime", "uv", "dev", "bench")


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _text(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")


def _pins(lock: str) -> dict[str, Requirement]:
    lines = re.findall(r"^([a-z0-9][^\n\\]*?) \\$", _text(lock), re.MULTILINE)
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def _version(requirement: Requirement) -> str:
    return str(requirement.specifier).removeprefix("==")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_one_version_with_hashes(lock: str):
    """Nothing is installed that was not seen before."""
    blocks = re.split(r"\n(?=[a-z0-9])", re.sub(r"(?m)^\s*#.*\n?", "", _text(lock)).strip())
    assert len(blocks) == len(_pins(lock)) > 0
    for block in blocks:
        head, *hashes = [line.strip().removesuffix(" \\") for line in block.splitlines()]
        assert re.match(r"^[a-z0-9.-]+==[^\s;]+( ; .+)?$", head), head
        assert hashes, head
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes), head


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: path.name)
def test_no_lock_names_an_index_a_host_or_a_directory(path: Path):
    """Which mirror a machine uses is that machine's business."""
    assert not re.search(r"://|file:|-i\b|index|find-links|trusted-host|/opt/", path.read_text(encoding="utf-8"))


def test_runtime_satisfies_what_the_project_declares():
    """A changed range in pyproject.toml needs `make requirements`."""
    pins = _pins("runtime")
    declared = [*_project()["project"]["dependencies"], *_project()["build-system"]["requires"]]
    for requirement in map(Requirement, declared):
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin, f"{requirement} is not locked; run `make requirements`"
        assert requirement.specifier.contains(_version(pin)), f"{pin} is locked, {requirement} is declared"


@pytest.mark.parametrize("lock", ["uv", "dev", "bench"])
def test_locks_agree_with_each_other(lock: str):
    """The demonstration and the tests run on the same versions."""
    base = _pins("dev") if lock == "bench" else _pins("runtime")
    pins = _pins(lock)
    assert {name: _version(pins[name]) for name in pins.keys() & base.keys()} == {
        name: _version(base[name]) for name in pins.keys() & base.keys()
    }
    if lock == "dev":
        assert base.keys() <= pins.keys()
