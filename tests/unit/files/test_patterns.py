"""What `preserve` patterns name, and what finding it costs."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.system.files import Patterns


def named(pattern: str, path: str, is_dir: bool = False) -> bool:
    """Whether one pattern names one path."""
    return Patterns((pattern,)).match(PurePosixPath(path), is_dir)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (".env", [".env", ".env/x"], ["sub/.env", ".env2", "env"]),
        ("config/", ["config/a", "config/a/b"], ["sub/config/a"]),
        ("a/b", ["a/b", "a/b/c"], ["b", "x/a/b", "a", "a/bb"]),
        ("*.db", ["x.db", ".db", "x.db/y"], ["sub/x.db", "x.dbx"]),
        ("log?", ["log1", "logs/x"], ["log", "log12"]),
        ("v[0-9]", ["v1"], ["vx", "v12"]),
        ("v[!0-9]", ["vx"], ["v1"]),
        ("a[*]", ["a*"], ["ab"]),
        ("**/.env", [".env", "a/.env", "a/b/.env"], ["a/.envx"]),
        ("data/**", ["data/x", "data/x/y"], ["data", "x/data/y"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["z", "a/b"]),
        ("**/**/x", ["x", "a/x", "a/b/c/x"], ["y"]),
        ("**", ["x", "x/y"], []),
        ("**/logs/", ["logs/x", "a/logs/y"], ["logs", "a/logs"]),
        ("ä b", ["ä b"], ["a b"]),
    ],
)
def test_what_a_pattern_names(pattern: str, yes: list[str], no: list[str]):
    """The table in the module's documentation, by example (the paths are files)."""
    assert [path for path in yes if not named(pattern, path)] == []
    assert [path for path in no if named(pattern, path)] == []


def test_a_trailing_slash_means_directories_only():
    """`config/` is the directory, and not a file of that name."""
    assert named("config/", "config", is_dir=True)
    assert not named("config/", "config")


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("/etc/passwd", "is absolute"),
        ("C:/x", "is absolute"),
        ("../x", "has the segment '..'"),
        ("a/../b", "has the segment '..'"),
        ("./a", "has the segment '.'"),
        ("a//b", "has the segment ''"),
        ("", "names the root itself"),
        ("/", "names the root itself"),
        ("a\\b", "backslash"),
        ("a\0", "NUL"),
        ("!keep", "no exceptions"),
        ("a**", "beside other characters"),
    ],
)
def test_refused_patterns(pattern: str, says: str):
    """What could mean something else than people think is refused, with what to write instead."""
    with pytest.raises(ValueError, match="write ") as caught:
        Patterns((pattern,))
    assert says in str(caught.value)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An application with things to preserve."""
    for name in (
        ".env",
        "app.py",
        "config/app.toml",
        "config/deep/x",
        "data/a.db",
        "data/b.txt",
        "lib/.env",
        "lib/x/y",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "config" / "empty").mkdir()
    (tmp_path / "data" / "link").symlink_to("/etc")
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ([".env", "config/"], [".env", "config/app.toml", "config/deep/x", "config/empty"]),
        (["data/*.db", "data/link"], ["data/a.db", "data/link"]),
        (["data/link/"], []),
        (["**/.env"], [".env", "lib/.env"]),
        (["app.py/"], []),
        ([], []),
        (["missing", "config/missing/x"], []),
        (["lib/**"], ["lib/.env", "lib/x/y"]),
        (["config/empty/"], ["config/empty"]),
    ],
)
def test_find(tree: Path, patterns: list[str], found: list[str]):
    """Files, links and empty directories are found in order; links are not followed."""
    assert [str(path) for path in Patterns(patterns).find(tree)] == found


def test_a_link_can_stand_for_a_directory(tree: Path):
    """Where the caller says so; a file never does, and what the link leads to is not looked into."""
    assert [str(path) for path in Patterns(["data/link/", "app.py/"], links=True).find(tree)] == ["data/link"]


def test_find_opens_only_what_a_pattern_leads_into(tree: Path, monkeypatch: pytest.MonkeyPatch):
    """`.env` costs one directory, `config/` its own ones: a big tree beside them costs nothing."""
    opened: list[str] = []
    real = os.scandir

    def scandir(path: Path):
        opened.append(str(Path(path).relative_to(tree)))
        return real(path)

    monkeypatch.setattr("fsm.system.files.patterns.os.scandir", scandir)
    list(Patterns([".env", "config/", "data/*.db"]).find(tree))
    assert opened == [".", "config", "config/deep", "config/empty", "data"]


def test_find_in_a_missing_root(tmp_path: Path):
    """Where nothing is installed there is nothing to preserve."""
    assert list(Patterns(["**"]).find(tmp_path / "missing")) == []


SEGMENTS = st.sampled_from(["a", "b", ".env", "x.db", "*", "?", "**", "[ab]", "*.db"])
NAMES = st.sampled_from(["a", "b", ".env", "x.db", "c"])


@given(
    st.lists(st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join), max_size=3),
    st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), max_size=12),
)
def test_find_and_match_agree(patterns: list[str], paths: list[str]):
    """What `find` finds is exactly what `match` names."""
    import tempfile

    compiled = Patterns(patterns)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as directory:
        root = Path(directory)
        for path in paths:
            if not any(parent.is_file() for parent in (root / path).parents) and not (root / path).exists():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(b"")
        files = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
        expected = {PurePosixPath(path) for path in files if compiled.match(PurePosixPath(path), is_dir=False)}
        assert set(compiled.find(root)) == expected
