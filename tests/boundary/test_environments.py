"""What a release may not do through its requirements: choose an index, see the updater's variables, fill the disk."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
import zipfile
from contextlib import suppress

import pytest

from fsm.engine.report import Outcome
from fsm_python_app import bounded
from tests.app_fixture import AppFixture, wheel
from tests.contract.hosts import installed

MEBI = 1 << 20


@pytest.fixture
def root(tmp_path):
    """A directory whose fixture is ended, whatever a test did."""
    yield tmp_path
    AppFixture(tmp_path).kill()


@pytest.fixture
def listener():
    """A server that nobody configured: what connects to it is counted, and told nothing."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, suppress(OSError):
                    client.settimeout(5)
                    asked.append(client.recv(4096))

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)


def update(root, extra, **environment):
    """An update of an app to a release with these files."""
    app_fixture = installed(root, release=False, environment=environment)
    app_fixture.publish("1.1.0", extra=extra)
    return app_fixture.updater().update("app")


@pytest.mark.parametrize("builder", ["uv", "pip"])
def test_no_variable_of_the_updater_reaches_an_index_of_the_releases(root, listener, monkeypatch, builder):
    """The release is refused; nobody was asked for anything."""
    url, asked = listener
    monkeypatch.setenv("FSM_TEST_SECRET", "marker")
    extra = {"requirements.txt": f"--index-url {url}/${{FSM_TEST_SECRET}}\none\n".encode()}
    result = update(root, extra, builder=builder)
    assert not asked
    assert result.outcome is Outcome.REFUSED
    assert "requirements.txt, line 1" in result.reason
    assert "marker" not in result.reason


@pytest.mark.parametrize("name", ["uv.toml", "pyproject.toml"])
def test_a_releases_own_configuration_of_uv_is_not_read(root, listener, name):
    """It could name an index as well; a proxy that leads nowhere stands for the host's network."""
    url, asked = listener
    table = "[pip]\n" if name == "uv.toml" else "[tool.uv.pip]\n"
    extra = {"requirements.txt": b"one\n", name: f'{table}index-url = "{url}/simple"\n'.encode()}
    result = update(root, extra, builder="uv", timeout=5, index_url="http://127.0.0.1:9/simple")
    assert not asked
    assert result.outcome is Outcome.REFUSED


@pytest.mark.parametrize("builder", ["uv", "pip"])
def test_a_url_in_the_metadata_of_a_wheel_is_not_asked(root, listener, builder):
    """Neither is one in the requirements; a release has what it needs, or the host's index has it."""
    url, asked = listener
    one = wheel("one", "1", {"one.py": b""}, [f"two @ {url}/two-1-py3-none-any.whl"])
    extra = {"requirements.txt": b"one\n", "wheels/one-1-py3-none-any.whl": one}
    result = update(root, extra, builder=builder)
    assert not asked
    assert result.outcome is Outcome.REFUSED
    assert "one-1-py3-none-any.whl" in result.reason


def test_pip_imports_nothing_of_the_release(root):
    """`python -m pip` looks into its working directory first."""
    trap = f"open({str(root / 'ran')!r}, 'w')\n".encode()
    one = wheel("one", "1", {"one.py": b""})
    names = ("pip.py", "venv.py", "ensurepip.py", "runpy.py", "logging.py")
    extra = {"requirements.txt": b"one\n", "wheels/one-1-py3-none-any.whl": one, **dict.fromkeys(names, trap)}
    result = update(root, extra, builder="pip")
    assert not (root / "ran").exists()
    assert result.outcome is Outcome.DONE, result.headline


@pytest.mark.parametrize("builder", ["uv", "pip"])
def test_a_build_needs_a_key_and_sees_nothing_of_the_updaters_environment(root, monkeypatch, builder):
    """A build runs programs of its author: by default there is none, and one that is allowed has few variables."""
    monkeypatch.setenv("FSM_TEST_SECRET", "marker")
    seen = root / "seen"
    backend = f"import json, os\nopen({str(seen)!r}, 'w').write(json.dumps(dict(os.environ)))\nraise SystemExit(1)\n"
    project = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    extra = {
        "requirements.txt": b"./vendor\n",
        "vendor/pyproject.toml": project + b'[project]\nname = "one"\nversion = "1"\n',
        "vendor/backend.py": backend.encode(),
    }
    app_fixture = installed(root, release=False, environment={"builder": builder})
    app_fixture.publish("1.1.0", extra=extra)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert not seen.exists()
    assert "built from source" in result.reason
    chosen = {"builder": builder, "build_from_source": [":all:"], "env": {"CHOSEN": "yes"}}
    AppFixture(root, environment=chosen).updater().update("app", force=True)
    found = json.loads(seen.read_text())
    assert found["CHOSEN"] == "yes"
    assert "FSM_TEST_SECRET" not in found


def bomb(size: int) -> bytes:
    """A wheel of a few KiB that becomes as many bytes."""
    packed = io.BytesIO(wheel("one", "1", {"one.py": b""}))
    with (
        zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("one_data.bin", "w", force_zip64=True) as file,
    ):
        for _ in range(size // MEBI):
            file.write(bytes(MEBI))
    return packed.getvalue()


@pytest.mark.parametrize("builder", ["uv", "pip"])
def test_a_small_wheel_that_becomes_large_is_refused_before_it_is_installed(root, builder):
    """What wheels unpack to counts as the release's own."""
    name = "wheels/one-1-py3-none-any.whl"
    app_fixture = installed(root, release=False, max_unpacked_mb=40, environment={"builder": builder})
    app_fixture.publish("1.1.0", extra={"requirements.txt": b"one\n", name: bomb(60 * MEBI)})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "unpack to 60 MiB" in result.reason
    assert app_fixture.answer() == "1.0.0"


def test_a_wheel_that_is_itself_the_release_is_counted_alike(root):
    """It is unpacked by the installer alone."""
    app_fixture = installed(root, release=False, max_unpacked_mb=40)
    app_fixture.publish_file("1.1.0", "one-1-py3-none-any.whl", bomb(60 * MEBI))
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert app_fixture.answer() == "1.0.0"


def test_what_an_index_sends_is_stopped_while_it_grows(root):
    """Nobody can count it beforehand; here a directory outside of `wheels` stands for the index."""
    app_fixture = installed(root, release=False, max_unpacked_mb=40, environment={"builder": "uv"})
    name = "other/one-1-py3-none-any.whl"
    app_fixture.publish("1.1.0", extra={"requirements.txt": f"./{name}\n".encode(), name: bomb(400 * MEBI)})
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert "max_unpacked_mb" in result.reason + result.todo
    assert not app_fixture.work.exists()
    assert app_fixture.answer() == "1.0.0"


WRITER = """\
import os, sys, time
place, size, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.makedirs(place + "/below")
for number in range(files):
    with open(f"{place}/below/{number}", "wb") as file:
        file.write(bytes(size))
if files > 1:
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("size", "files", "code"), [(1000, 1, 0), (1000, 400, bounded.TOO_LARGE), (300_000, 1, 1)], ids=str
)
def test_a_program_in_bounds_is_stopped_when_it_writes_too_much(tmp_path, size, files, code):
    """Many small files are found by looking; no single one becomes larger than what is allowed."""
    bounds = json.dumps({"limits": {str(tmp_path): 200_000}, "keep": ["PATH"]})
    argv = [sys.executable, "-c", WRITER, str(tmp_path), str(size), str(files)]
    command = [sys.executable, "-I", "-S", bounded.__file__, bounds, *argv]
    done = subprocess.run(command, capture_output=True, timeout=50, check=False)
    assert done.returncode == code
    assert bounded.size_of(str(tmp_path)) <= (500_000 if files > 1 else 200_000)


def test_a_program_in_bounds_ends_as_it_would_without(tmp_path):
    """Its code is its own, a signal's number is told as a shell does, and it has the variables that were named."""
    bounds = json.dumps({"limits": {}, "keep": ["KEPT", "MISSING"]})
    program = "import os, sys; print(sorted(os.environ.items())); sys.stdout.flush(); os.kill(os.getpid(), 9)"
    command = [sys.executable, "-I", "-S", bounded.__file__, bounds, sys.executable, "-I", "-c", program]
    environ = {"KEPT": "1", "LOST": "2", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=environ, capture_output=True, timeout=50, check=False, text=True)
    assert done.returncode == 137
    assert "('KEPT', '1')" in done.stdout
    assert "LOST" not in done.stdout
