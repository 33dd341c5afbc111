"""A registry that goes away: it costs no downtime, and blames no release."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from fsm.engine.report import Outcome
from tests.hosts.engine import registry
from tests.world import Crash, crash_at

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_docker]

ALONE = "services:\n  web:\n    image: {image}:1.0.0\n    ports: ['127.0.0.1::8080']\n    stop_grace_period: 1s\n"


class Line:
    """A line to the registry that can be cut: another port of loopback that leads there."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self.cut = False
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Lead nowhere any more."""
        self.cut = True
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._lead, args=(client,), daemon=True).start()

    def _lead(self, client: socket.socket) -> None:
        host, port = registry().split(":")
        with client, socket.create_connection((host, int(port))) as other, suppress(OSError):
            while not self.cut:
                for source in select.select([client, other], [], [], 0.2)[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    (other if source is client else client).sendall(data)


@pytest.fixture
def line() -> Iterator[Line]:
    """A line to the registry."""
    made = Line()
    yield made
    made.close()


def test_a_registry_that_goes_away_before_the_pull(make, line):
    """The plan knows the digest, the bytes do not come: refused, the old version never stopped, and tried again."""
    app_fixture = make(compose=ALONE, pull_timeout=3.0, image="x/y")
    direct = app_fixture.image
    app_fixture.image = direct.replace(registry(), line.address)
    app_fixture._spec["image"] = app_fixture.image
    app_fixture.start()
    before = app_fixture.container()
    app_fixture.file.write_text(app_fixture.file.read_text().replace(direct, app_fixture.image))
    app_fixture.docker("tag", f"{direct}:1.0.0", f"{app_fixture.image}:1.0.0")
    app_fixture.publish("1.1.0")
    with crash_at(0, only="container.keep.recorded"), pytest.raises(Crash):
        app_fixture.updater().update("web")
    line.cut = True
    (result,) = app_fixture.updater().resume()
    assert result.outcome is Outcome.REFUSED, result
    assert "cannot pull" in result.reason
    assert not result.touched
    after = app_fixture.container()
    assert before is not None
    assert after is not None
    assert after["Id"] == before["Id"]
    refused = app_fixture.updater().update("web")
    assert refused.outcome is Outcome.REFUSED
    assert "cannot look up" in refused.reason
    line.cut = False
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
    assert app_fixture.answers() == "1.1.0"
