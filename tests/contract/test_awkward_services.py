"""Services, checks and environments that make an update of a Python app hard."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from fsm.engine.report import Outcome
from fsm.system import inventory
from tests.app_fixture import AppFixture, wheel
from tests.contract.hosts import installed

CONTROL = [sys.executable, "-S", "-I", str(Path(__file__).parents[1] / "crash" / "control.py")]


def test_a_health_check_that_hangs_ends_in_time(root):
    """A server that takes the connection and says nothing is no healthy one; the old version is put back."""
    app_fixture = installed(root, release=False)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/health"
        check = f"post_update_checks:\n  - {{type: health_endpoint, url: '{url}', timeout_seconds: 1.5}}\n"
        app_fixture.publish("1.1.0", manifest=check)
        begun = time.monotonic()
        result = app_fixture.updater().update("app")
    assert time.monotonic() - begun < 15
    assert result.outcome is Outcome.ROLLED_BACK, result.headline
    assert "did not answer" in result.reason
    assert app_fixture.answer() == "1.0.0"


def test_a_service_that_cannot_be_stopped_is_not_the_releases_fault(root):
    """Nothing is exchanged under a running service, and the release may be tried again at once."""
    app_fixture = AppFixture(root, service=commands(stop=["false"]))
    app_fixture.install("1.0.0")
    app_fixture.start()
    app_fixture.publish("1.1.0")
    before = inventory.take(app_fixture.live)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK, result.headline
    assert "stop" in result.reason
    assert not before.compare(inventory.take(app_fixture.live))
    assert app_fixture.answer() == "1.0.0"
    mended = AppFixture(root, service=commands())
    assert mended.updater().update("app").outcome is Outcome.DONE
    assert mended.answer() == "1.1.0"


def test_a_service_that_cannot_be_asked_refuses_the_update(root):
    """Whether it runs must be known before it is stopped."""
    app_fixture = AppFixture(root, service=commands(status=["sh", "-c", "exit 7"]))
    app_fixture.install("1.0.0")
    app_fixture.publish("1.1.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.headline
    assert not result.touched
    assert "status command exited with code 7" in result.reason


def test_a_service_that_was_stopped_before_is_stopped_after_a_rollback(root):
    """Putting back means putting back."""
    app_fixture = installed(root, release=False)
    app_fixture.stop()
    app_fixture.publish("1.1.0", "BROKEN")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK, result.headline
    assert app_fixture.silent()
    assert app_fixture.version() == "1.0.0"


def test_a_program_that_is_not_there_goes_back(root):
    """The new release has no file of that name."""
    app_fixture = AppFixture(root, service={"command": ["./run.sh", "{socket}"]})
    app_fixture.install("1.0.0")
    (app_fixture.live / "run.sh").write_text(f'#!/bin/sh\nexec {sys.executable} -S -I serve.py "$1"\n')
    (app_fixture.live / "run.sh").chmod(0o755)
    app_fixture.start()
    app_fixture.publish("1.1.0")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK, result.headline
    assert "run.sh" in result.reason
    assert app_fixture.answer() == "1.0.0"


def test_a_wheel_is_installed_for_real(root):
    """It becomes the one requirement of an environment, and its module is what runs."""
    serve = AppFixture(root).files("0")["serve.py"]
    command = ["{live}/.venv/bin/python", "-m", "tinyserver", "{socket}"]
    app_fixture = AppFixture(
        root, service={"command": command}, environment={"smoke": ["-c", "import tinyserver_there"]}
    )
    modules = {"tinyserver.py": serve, "tinyserver_there.py": b""}
    for version in ("1.0.0", "1.1.0"):
        packed = wheel("tinyserver", version, modules)
        app_fixture.publish_file(version, f"tinyserver-{version}-py3-none-any.whl", packed)
        result = app_fixture.updater().update("app")
        assert result.outcome is Outcome.DONE, result.headline
        assert app_fixture.answer() == version == app_fixture.version()
    assert app_fixture.updater().rollback("app").outcome is Outcome.DONE
    assert app_fixture.answer() == "1.0.0"


@pytest.mark.parametrize(
    ("extra", "environment", "why"),
    [
        ({"requirements.txt": b"missing==1.0\n", "wheels/.keep": b""}, {}, "missing"),
        (
            {
                "requirements.txt": b"one==1.0\ntwo==1.0\n",
                "wheels/one-1.0-py3-none-any.whl": wheel("one", "1.0", {"one.py": b""}, ["two>=2"]),
                "wheels/two-1.0-py3-none-any.whl": wheel("two", "1.0", {"two.py": b""}),
            },
            {},
            "two",
        ),
        (
            {
                "requirements.txt": b"one==1.0\n",
                "wheels/one-1.0-py3-none-any.whl": wheel("one", "1.0", {"one.py": b"raise SystemExit(9)\n"}),
            },
            {"smoke": ["-c", "import one"]},
            "9",
        ),
        ({"requirements.txt": b"-e .\n"}, {}, "editable"),
        (
            {
                "requirements.txt": b"one==1.0\n",
                "wheels/one-1.0-py3-none-any.whl": wheel("one", "1.0", {"one.py": b""}),
                ".venv/here": b"",
            },
            {},
            "brings a file of that name",
        ),
    ],
    ids=["missing wheel", "conflict", "smoke", "editable", "in the way"],
)
def test_an_environment_that_cannot_be_built_refuses_before_the_stop(root, extra, environment, why):
    """The service is never stopped for it, and no half of an environment stays."""
    app_fixture = installed(root, environment=environment, release=False)
    before, process = inventory.take(app_fixture.live), app_fixture.processes()
    app_fixture.publish("1.1.0", extra=extra)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.headline
    assert why in result.reason
    assert not result.touched
    assert app_fixture.processes() == process
    assert not before.compare(inventory.take(app_fixture.live))
    assert not app_fixture.work.exists()


@pytest.mark.needs_root
@pytest.mark.parametrize("builder", ["uv", "pip"])
def test_others_can_run_what_root_installs_whatever_the_mask(root, builder):
    """A program of root's that uses the library may have any; the command sets its own."""
    app_fixture = installed(root, release=False, environment={"builder": builder})
    one = wheel("one", "1", {"one.py": b""})
    app_fixture.publish("1.1.0", extra={"requirements.txt": b"one\n", "wheels/one-1-py3-none-any.whl": one})
    before = os.umask(0o077)
    try:
        result = app_fixture.updater().update("app")
    finally:
        os.umask(before)
    assert result.outcome is Outcome.DONE, result.headline
    for path in (app_fixture.work, app_fixture.work / "envs", app_fixture.live / ".venv/lib", app_fixture.live / "lib"):
        assert path.stat().st_mode & 0o011 == 0o011, path
    (module,) = (app_fixture.live / ".venv/lib").glob("*/site-packages/one.py")
    assert module.stat().st_mode & 0o044 == 0o044


def test_a_kept_version_keeps_its_environment_though_the_link_is_renamed(root):
    """It is looked for by where the links lead, not by what the configuration calls them today."""
    app_fixture = installed(root, release=False)
    for number, link in ((1, ".venv"), (2, "env")):
        name = f"wheels/one-{number}-py3-none-any.whl"
        extra = {"requirements.txt": b"one\n", name: wheel("one", str(number), {"one.py": b""})}
        app_fixture.publish(f"1.{number}.0", extra=extra)
        app_fixture = AppFixture(root, environment={"link": link})
        result = app_fixture.updater().update("app")
        assert result.outcome is Outcome.DONE, result.headline
    (kept,) = app_fixture.work.glob("backups/1.1.0@*/tree")
    assert (app_fixture.work / "envs" / os.path.basename(os.readlink(kept / ".venv")) / "bin/python").exists()


def test_a_version_file_may_lie_in_a_directory_that_a_release_does_not_bring(root):
    """A release that brings no version file gets one, wherever it is to be."""
    app_fixture = installed(root, version={"file": "meta/VERSION"})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert (app_fixture.live / "meta/VERSION").read_text() == "1.1.0\n"


def test_equal_requirements_share_an_environment(root):
    """It is built once, and removed when no version that is kept uses it."""
    app_fixture = installed(root, retention={"count": 1, "days": 0}, release=False)

    def requirements(version: str) -> dict[str, bytes]:
        name = f"wheels/one-{version}-py3-none-any.whl"
        return {"requirements.txt": f"one=={version}\n".encode(), name: wheel("one", version, {"one.py": b""})}

    made = []
    for number, needs in enumerate(["1.0", "1.0", "2.0", "2.0"], start=1):
        app_fixture.publish(f"1.{number}.0", extra=requirements(needs))
        assert app_fixture.updater().update("app").outcome is Outcome.DONE
        made.append({path.name for path in (app_fixture.work / "envs").iterdir()})
    assert [len(names) for names in made] == [1, 1, 2, 1]
    assert made[0] == made[1]
    assert made[3] < made[2]


def commands(**other: list[str]) -> dict[str, object]:
    """A service behind commands, some of them others."""
    usual = {verb: [*CONTROL, verb, "{socket}"] for verb in ("start", "stop", "status")}
    return {"manager": "command", "cwd": "{live}", "stop_timeout": 2.0, "start_timeout": 5.0, **usual, **other}
