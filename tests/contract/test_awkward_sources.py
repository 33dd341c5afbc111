"""Networks and power that fail while a release is fetched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fsm.engine.report import Outcome
from tests.app_fixture import AppFixture
from tests.contract.hosts import installed
from tests.servers import Fault, ReleaseServer
from tests.world import Crash, crash_at

BLOB = {"blob": os.urandom(3 << 20)}
"""What makes an archive large: it cannot be compressed."""

UPDATE = """
import json, sys
from fsm.updater import Updater
print(Updater.from_data(json.load(sys.stdin)).update("app").headline)
"""


def over_http(server: ReleaseServer) -> dict[str, Any]:
    """The source of a component that fetches from a server."""
    return {"source": {"type": "http", "allow_unsigned": True, "url": server.url, "timeout": 5.0}}


def test_cut_connections_are_taken_up_where_they_broke(root):
    """However often; nothing is fetched twice."""
    with ReleaseServer(root / "releases") as server:
        app_fixture = installed(root, **over_http(server), release=False)
        archive = app_fixture.publish("1.1.0", extra=BLOB)
        path = f"/1.1.0/{archive.name}"
        server.fault(path, *(Fault(cut_after=700_000, times=1, methods=("GET",)) for _ in range(3)))
        result = app_fixture.updater().update("app")
        assert result.outcome is Outcome.DONE, result.headline
        assert app_fixture.answer() == "1.1.0"
        starts = [int(request.headers.get("range", "bytes=0-")[6:].rstrip("-")) for request in server.asked(path)]
    assert len(starts) == 4
    assert starts == sorted(set(starts)), "each request begins where the one before it broke"
    assert starts[-1] > 1_000_000


def test_a_download_that_was_killed_goes_on_after_a_restart(root):
    """SIGKILL in the middle of the transfer: the next process asks for the rest only."""
    with ReleaseServer(root / "releases") as server:
        app_fixture = installed(root, **over_http(server), release=False)
        archive = app_fixture.publish("1.1.0", extra=BLOB)
        path = f"/1.1.0/{archive.name}"
        server.fault(path, Fault(chunk=1 << 17, delay=0.05, methods=("GET",), times=1))
        with subprocess.Popen([sys.executable, "-c", UPDATE], stdin=subprocess.PIPE, text=True) as child:
            assert child.stdin is not None
            child.stdin.write(json.dumps(app_fixture.config))
            child.stdin.close()
            part = app_fixture.work / "run-1" / "download" / f"{archive.name}.part"
            until = time.monotonic() + 20
            while not (part.exists() and part.stat().st_size > 1 << 20):
                assert time.monotonic() < until, "the download does not begin"
                time.sleep(0.01)
            child.send_signal(signal.SIGKILL)
        come = part.stat().st_size
        server.forget()
        (result,) = app_fixture.updater().resume()
        assert result.outcome is Outcome.DONE, result.headline
        assert app_fixture.answer() == "1.1.0"
        (request,) = server.asked(path)
    assert come // 2 < int(request.headers["range"][6:].rstrip("-")) <= come


def test_a_server_that_is_away_for_a_while_is_waited_for(root):
    """Right after a boot the network may be missing; that is no reason to roll back."""
    with ReleaseServer(root / "releases") as server:
        app_fixture = installed(root, **over_http(server))
        with crash_at(0, only="keep.recorded"), pytest.raises(Crash):
            app_fixture.updater().update("app")
        server.fault("*", Fault(drop=True, times=3))
        (result,) = app_fixture.updater().resume()
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.answer() == "1.1.0"
    assert any(step.retries for step in result.steps)


def test_a_server_that_stays_away_leaves_everything_as_it_was(root):
    """A check that cannot be made is refused, after its deadline; the service never stopped."""
    with ReleaseServer(root / "releases") as server:
        source = over_http(server)
    app_fixture = installed(root, **source, fsm={"deadlines": {"checking": 1.0}})
    before = app_fixture.processes()
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.headline
    assert app_fixture.processes() == before
    assert not app_fixture.work.exists()


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ("post_update_checks:\n  - {type: service_active, service_name: sshd}\n", "service_name"),
        ("pre_update_checks:\n  - {type: health_endpoint, url: 'http://example.org/'}\n", "allowed_hosts"),
        ("update_steps:\n  - {action: stop_service, service_name: sshd}\n", "service_name"),
        ("update_steps:\n  - {action: backup_installation, source: /etc}\n", "install_path"),
        ("update_steps:\n  - {action: extract_artifact, destination: /usr/local}\n", "install_path"),
        ("update_steps:\n  - {action: run_migrations, script: migrate.sh}\n", "migration"),
        ("update_steps:\n  - {action: pull_image, image: 'evil/image:1'}\n", "image"),
        ("component_type: container\n", "type"),
        ("platform: windows-arm64\n", "platform"),
        ("min_updater_version: 999.0.0\n", "999"),
    ],
)
def test_a_manifest_that_names_too_much_is_refused_with_the_key_that_would_allow_it(root, lines, key):
    """It narrows, never widens; nothing was fetched or touched."""
    app_fixture = installed(root, release=False)
    app_fixture.publish("1.1.0", manifest=lines)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.headline
    assert key in result.reason + result.todo
    assert not app_fixture.work.exists()
    assert app_fixture.answer() == "1.0.0"


def test_an_artifact_elsewhere_is_refused(root):
    """A manifest cannot send the host to another server."""
    with ReleaseServer(root / "releases") as server:
        app_fixture = installed(root, **over_http(server), release=False)
        folder: Path = app_fixture.publish("1.1.0").parent
        (folder / "update-manifest.yaml").write_text(
            f'version: "1.1.0"\nartifacts:\n  - {{name: a.tar.gz, url: "https://example.org/a.tar.gz",'
            f' sha256: "sha256:{"0" * 64}"}}\n'
        )
        result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result.headline
    assert "example.org" in result.reason
    assert AppFixture(root).answer() == "1.0.0"
