"""The steps that go through all files of an app: what they read once, keep, and leave behind."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from benchmarks.rig import BareContext
from fsm.adapter import Done, Failed
from fsm.errors import ArchiveError
from fsm.kit import read_record
from fsm.model import Version
from fsm.system import files, inventory
from fsm_python_app import aside, keep, unpack
from fsm_python_app.keep import BackupRecord, Keep
from fsm_python_app.layout import Layout
from fsm_python_app.listing import SHOWN
from fsm_python_app.unpack import Unpack
from tests.strategies_archive import Item, tar

pytestmark = pytest.mark.needs_linux

RELEASE = [Item("app-1.1/app.py", content=b"x" * 1000), Item("app-1.1/lib/a.py", content=b"x" * 1000)]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An app with a file that its release brought, and two that nobody did."""
    live = tmp_path / "app"
    (live / "data").mkdir(parents=True)
    for name in ("app.py", "data/one", "data/two", "notes.txt", "todo.txt"):
        (live / name).write_text(name)
    found = Layout.of(live)
    found.make_run(1)
    return found


def step(layout: Layout, place: Path, items: list[Item], **more: Any) -> Unpack:
    """The step that unpacks such a release."""
    (place / "core.tar").write_bytes(tar(items))
    given: dict[str, Any] = {"reserve": 0, "unlisted": "keep", "preserve": ("data/",), **more}
    return Unpack(
        layout=layout,
        directory=str(place),
        filename="core.tar",
        version=Version("1.1"),
        version_file="VERSION",
        environment_link=".venv",
        max_bytes=1 << 20,
        **given,
    )


def kept(layout: Layout) -> Keep:
    """The step that makes the backup."""
    return Keep(layout=layout, preserve=("data/",), version="1.0", service_active=False, skip=".venv")


def test_a_release_is_unpacked_stamped_and_listed(layout: Layout, tmp_path: Path):
    """What is local and in no release is named, and counted where there is more of it."""
    context = BareContext()
    assert isinstance(kept(layout).do(context), Done)
    done = step(layout, tmp_path, RELEASE).do(context)
    paths = layout.paths(1)
    assert isinstance(done, Done)
    assert done.data == {"unlisted": ["notes.txt", "todo.txt"], "unlisted_count": 2}
    listed = [entry.path for entry in inventory.read(paths.new_inventory)]
    assert listed == ["VERSION", "app.py", "lib", "lib/a.py"]


def test_of_many_local_files_some_are_named(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The journal has the first of them, and their number."""
    monkeypatch.setattr(unpack, "LISTED", 1)
    context = BareContext()
    kept(layout).do(context)
    done = step(layout, tmp_path, RELEASE).do(context)
    assert isinstance(done, Done)
    assert done.data == {"unlisted": ["notes.txt"], "unlisted_count": 2}
    refused = step(layout, tmp_path, RELEASE, unlisted="refuse").do(context)
    assert isinstance(refused, Failed)
    assert refused.why.startswith("2 local files in")


def test_what_has_no_room_is_told_in_whole(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is read once, and not written where too little would stay free; the undo leaves nothing of it."""
    monkeypatch.setattr(files, "disk_free", lambda _path: 3 << 20)
    items = [*RELEASE, Item("app-1.1/large", content=b"x" * (1 << 19)), Item("app-1.1/more", content=b"x" * (1 << 18))]
    unpacking = step(layout, tmp_path, items, reserve=(3 << 20) - 3000)
    failed = unpacking.do(BareContext())
    assert isinstance(failed, Failed)
    assert failed.blame == "host"
    assert "only 3 MiB are left" in failed.why
    tree = layout.paths(1).tree
    written = [path for path in tree.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in written) == 2000
    assert not layout.paths(1).new_inventory.exists()
    unpacking.undo(BareContext())
    assert not tree.exists()


def test_nothing_stays_of_a_hostile_release(layout: Layout, tmp_path: Path):
    """What came before the entry that is refused goes with the undo, and nothing of it was ever live."""
    before = inventory.take(layout.live)
    unpacking = step(layout, tmp_path, [*RELEASE, Item("app-1.1/../../evil", content=b"x")])
    with pytest.raises(ArchiveError, match="leaves the archive"):
        unpacking.do(BareContext())
    unpacking.undo(BareContext())
    assert not layout.paths(1).tree.exists()
    assert not (tmp_path / "evil").exists()
    assert not before.compare(inventory.take(layout.live))


def test_a_backup_names_some_of_many_copies(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    """The record says how many there are, and the second call finds it whole."""
    monkeypatch.setattr(keep, "LISTED", 1)
    for _ in range(2):
        done = kept(layout).do(BareContext())
        assert isinstance(done, Done)
        assert done.data["preserved"] == ["data/one"]
    record = read_record(layout.paths(1).root, BackupRecord)
    assert record is not None
    assert (record.preserved, record.preserved_count, record.files) == (("data/one",), 2, 6)
    (layout.paths(1).preserved / "data" / "two").write_text("something else")
    damaged = kept(layout).do(BareContext())
    assert isinstance(damaged, Failed)
    assert "data/two is damaged" in damaged.why


def test_of_many_files_that_are_set_aside_some_are_named(layout: Layout, tmp_path: Path):
    """All are moved, whatever the release and the old version have stays."""
    unpacking = step(layout, tmp_path, RELEASE)
    assert isinstance(unpacking.do(BareContext()), Done)
    tree = layout.paths(1).tree
    (tree / "new").mkdir()
    for number in range(SHOWN + 2):
        (tree / "new" / f"f{number}").write_text("x")
    (tree / "app.py").write_text("changed by the new version")
    files.copy_within(layout.live, tree, PurePosixPath("data/one"))
    (note,) = aside.set_aside(tree, layout.live, layout, 1, lambda _path: False, lambda: None)
    assert note.startswith(f"{SHOWN + 3} files that the new version wrote")
    assert note.endswith("(app.py, new/f0, new/f1, new/f2, new/f3 and 3 more)")
    moved = sorted(path.name for path in (layout.aside / "1").rglob("*") if path.is_file())
    assert moved == ["app.py", *(f"f{number}" for number in range(SHOWN + 2))]
    assert (tree / "lib" / "a.py").exists()


def test_what_a_killed_copy_left_among_what_is_set_aside_is_removed(layout: Layout, tmp_path: Path):
    """Wherever it is: people are not told of it as of something that the new version wrote."""
    assert isinstance(step(layout, tmp_path, RELEASE).do(BareContext()), Done)
    tree = layout.paths(1).tree
    (tree / "new").write_text("x")
    half = layout.aside / "1" / "lib" / ".fsm-tmp-999999999-0"
    half.parent.mkdir(parents=True)
    half.write_text("left by a process that is gone")
    (note,) = aside.set_aside(tree, layout.live, layout, 1, lambda _path: False, lambda: None)
    assert note.startswith("1 file that the new version wrote")
    assert [path.name for path in (layout.aside / "1").rglob("*") if path.is_file()] == ["new"]
