"""The names of the kit, and what all component types say alike about checks, releases and their host."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fsm import ManifestError, Refused, Release, Target, Version, kit
from fsm.adapter import Artifact, CommandResult, Installed
from fsm.formats.checkspec import Command, DiskSpace, ServiceActive
from fsm.formats.manifest import Manifest
from fsm.kit import Claim, Findings, Probe
from fsm.system.files import Patterns

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", kit.__all__)
def test_every_name_is_there(name: str):
    """It is the same object as where it is defined."""
    module, _, there = kit._WHERE[name].partition(":")
    assert getattr(kit, name) is getattr(sys.modules[module], there or name)


def test_the_three_lists_of_names_agree():
    """What is loaded late, what type checkers see, and what `dir` and the star show; the docstring has them all."""
    tree = ast.parse(Path(kit.__file__).read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    imported = [alias for node in ast.walk(guarded) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert set(kit.__all__) == set(kit._WHERE) == {alias.asname or alias.name for alias in imported}
    assert dir(kit) == sorted(kit.__all__)
    assert [name for name in kit.__all__ if f"`{name}`" not in str(kit.__doc__)] == []


def test_an_unknown_name_is_said():
    """As of any module."""
    with pytest.raises(AttributeError, match=r"fsm\.kit.*nonsense"):
        kit.__getattr__("nonsense")


@pytest.mark.processes
def test_importing_the_kit_is_cheap():
    """None of its modules is loaded, and no library."""
    script = "import sys, fsm; before = set(sys.modules); import fsm.kit; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert done.stdout.split() == ["fsm.kit"]


def probe(tmp_path: Path, megabytes: int, about: str = "") -> Probe:
    """Whether so much disk is free."""
    ctx: Any = SimpleNamespace(sleep=lambda seconds: None, deadline=SimpleNamespace(remaining=lambda: 9.0))
    measured = kit.measured(
        ctx,
        path=tmp_path / "not-there-yet",
        service=None,
        installed=Installed,
        backups=lambda: (),
        expected=None,
        settle=0,
    )
    return Probe(DiskSpace(type="disk_space", minimum_mb=megabytes), measured, about)


def test_checks_are_performed_until_one_fails(tmp_path: Path):
    """What it found is said, and of which service where there are several."""
    good, bad = probe(tmp_path, 1), probe(tmp_path, 1 << 40, "app.web")
    assert kit.first_failure([good, good]) == ""
    said = kit.first_failure(each for each in (good, bad, None) if each is not None)
    assert said.startswith("disk_space of app.web failed: ")
    with pytest.raises(Refused, match=r"cannot update app: disk_space of app\.web failed: .*; fix the cause"):
        kit.refuse_unless([good, bad], "app")
    kit.refuse_unless([good], "app")


def test_a_check_that_fails_ends_the_others(tmp_path: Path):
    """Nobody waits for a check whose answer no longer counts."""

    def probes() -> Any:
        yield probe(tmp_path, 1 << 40)
        raise AssertionError("asked for another one")

    assert kit.first_failure(probes())


def test_a_named_service_is_the_component_s_own():
    """That the manifest may name it was found out before."""
    named = ServiceActive(type="service_active", service_name="web")
    other = Command(type="command", argv=("true",))
    assert kit.own_names([named, other]) == (ServiceActive(type="service_active"), other)


def test_the_time_of_checks_is_the_sum():
    """Each has its own, or the usual one, and what is added for each."""
    checks = (ServiceActive(type="service_active", timeout_seconds=5.0), DiskSpace(type="disk_space", minimum_mb=1))
    assert kit.time_for(checks) == 35.0
    assert kit.time_for(checks, 2.0) == 39.0


MANIFEST = Manifest.model_validate(
    {
        "version": "2.0",
        "component_type": "git",
        "platform": "plan9-mips",
        "post_update_checks": [
            {"type": "health_endpoint", "url": "http://there.example/ok"},
            {"type": "health_endpoint", "url": "http://here.example/ok"},
        ],
    },
    strict=False,
)


def test_what_a_manifest_claims_is_refused_with_the_key_that_would_allow_it(tmp_path: Path):
    """The type, the platform, and the hosts that its checks ask."""
    claims = [*kit.declared(MANIFEST, "container"), *kit.check_hosts(MANIFEST, ["Here.Example"])]
    assert [(claim.place, claim.key) for claim in claims] == [
        ("component_type", "type"),
        ("platform", "another host"),
        ("post_update_checks[0].url", "allowed_hosts"),
    ]
    target = Target(name="app", state_dir=tmp_path)
    release = Release(version=Version("2.0"))
    kit.refuse_claims(target, release, [])
    with pytest.raises(ManifestError, match=r"cannot update app to 2\.0: x of its manifest names y") as caught:
        kit.refuse_claims(target, release, [Claim("x", "y", "z"), Claim("a", "b", "c")])
    assert caught.value.todo == "if that is intended, add it to the configuration of app (z)"


def test_the_artifact_for_this_host():
    """The only one, or none and the reason."""
    one = Artifact(name="one", size=1)
    assert kit.artifact_for_host(Release(version=Version("1"), artifacts=(one,))) == one
    with pytest.raises(ManifestError, match="several fit equally well: one, two"):
        kit.artifact_for_host(Release(version=Version("1"), artifacts=(one, Artifact(name="two", size=1))))


def test_what_the_doctor_says_of_every_component(tmp_path: Path):
    """The version, the disk, patterns that match nothing, and what was set aside."""
    say = Findings("app")
    assert say.version(Installed(version=Version("1.0")), ", here").message == "version 1.0 is installed, here"
    assert say.version(Installed(why_unknown="no file")).level == "warning"
    assert say.version(Installed(why_unknown="nothing there", present=False)).level == "ok"
    assert say.free_space(tmp_path, 1).level == "ok"
    full = say.free_space(tmp_path, 1 << 40, "buy a disk")
    assert (full.level, full.todo, full.subject) == ("error", "buy a disk", "app")
    (tmp_path / "here").mkdir()
    assert [each.message for each in say.unmatched(("here/", "gone"), tmp_path)] == [
        "preserve pattern 'gone' matches nothing"
    ]
    assert list(say.unmatched(("gone",), tmp_path / "nowhere")) == []
    assert list(say.set_aside(tmp_path / "here")) == []
    (tmp_path / "here" / "7").mkdir()
    assert [each.level for each in say.set_aside(tmp_path / "here")] == ["warning"]


TRACEBACK = """\
migrating
Traceback (most recent call last):
  File "migrate.py", line 1, in <module>
    import nothing
    ^^^^^^^^^^^^^^
ModuleNotFoundError: No module named 'nothing'
"""


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        ("one\n  two\n", "one two"),
        ("", "it said nothing"),
        ("x" * 999, "x" * 300),
        (TRACEBACK, "migrating ModuleNotFoundError: No module named 'nothing'"),
        (
            f"[stderr]\n{TRACEBACK}\n  hint: mend it\n",
            "[stderr] migrating ModuleNotFoundError: No module named 'nothing' hint: mend it",
        ),
    ],
)
def test_how_a_command_ended_is_said_on_one_line(tail: str, said: str):
    """Whatever it wrote."""
    assert kit.ended("the build", CommandResult(code=3, tail=tail)) == f"the build exited with code 3: {said}"


def test_the_bytes_that_patterns_match(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What goes meanwhile does not count, and nothing is there where there is no tree."""
    for name in ("a.db", "b.db", "other"):
        (tmp_path / name).write_bytes(b"12345")
    wanted = Patterns(("*.db",))
    assert kit.bytes_matched(tmp_path, wanted) == 10
    assert kit.bytes_matched(tmp_path / "nowhere", wanted) == 0
    found = list(wanted.find(tmp_path))
    (tmp_path / "a.db").unlink()
    monkeypatch.setattr(Patterns, "find", lambda self, root: found)
    assert kit.bytes_matched(tmp_path, wanted) == 5
