"""The HTTP health check against servers that behave, and against those that do not."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fsm.errors import Interrupted
from fsm.services.checks import health
from tests.unit.checks.conftest import Perform, Runner

pytestmark = pytest.mark.processes

Answer = Callable[[socket.socket, int], None]
Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that gives each connection, with its number, to a function of the test; returns its address."""
    stop = threading.Event()
    threads: list[threading.Thread] = []
    listeners: list[socket.socket] = []

    def start(answer: Answer, tls: ssl.SSLContext | None = None) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def one(connection: socket.socket, number: int) -> None:
            with connection:
                connection.settimeout(10)
                try:
                    if tls is not None:
                        with tls.wrap_socket(connection, server_side=True) as secured:
                            answer(secured, number)
                    else:
                        connection.recv(4096)
                        answer(connection, number)
                except OSError:
                    return  # the other side gave up, as it should

        def accept() -> None:
            number = 0
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=one, args=(connection, number), daemon=True))
                threads[-1].start()
                number += 1

        threading.Thread(target=accept, daemon=True).start()
        return f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}/health"

    yield start
    stop.set()
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive(), "a connection was left open"


def says(status: str = "200 OK", body: bytes = b"fine", headers: str = "") -> Answer:
    """A server that answers always the same."""

    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    return answer


def dribble(head: bytes, piece: bytes) -> Answer:
    """A server that sends something again and again, without end."""

    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            time.sleep(0.02)

    return answer


def test_the_wanted_answer_passes(check: Perform, serve: Serve):
    """Status 200, and a body only where one is asked for."""
    url = serve(says())
    assert check("health_endpoint", url=url).message == f"{url} answered 200"
    assert check("health_endpoint", url=url, expected_body="in").ok
    assert check("health_endpoint", url=serve(says("204 No Content", b"")), expected_status=204).ok


def test_the_request_is_a_plain_get(check: Perform, serve: Serve):
    """Path and query are sent as they are, and no environment's proxy is asked."""
    seen = []

    def answer(connection: socket.socket, number: int) -> None:
        says()(connection, number)

    listener = socket.create_server(("127.0.0.1", 0))

    def one() -> None:
        connection, _ = listener.accept()
        with connection:
            seen.append(connection.recv(4096))
            answer(connection, 0)

    thread = threading.Thread(target=one)
    thread.start()
    port = listener.getsockname()[1]
    assert check("health_endpoint", url=f"http://127.0.0.1:{port}?deep=1").ok
    thread.join()
    listener.close()
    assert seen[0].startswith(f"GET /?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode())


def test_a_server_that_starts_slowly_is_waited_for(check: Perform, serve: Serve):
    """It is tried again until the answer is right."""

    def answer(connection: socket.socket, number: int) -> None:
        says("503 Starting" if number < 2 else "200 OK")(connection, number)

    assert check("health_endpoint", url=serve(answer), timeout_seconds=60).ok


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets after how many tries a check gives up, however fast or slow this machine is."""

    def most(number: int) -> None:
        monkeypatch.setattr(health, "_PAUSES", (*[0.0] * (number - 1), 3600.0))

    return most


def test_the_last_answer_is_told(check: Perform, serve: Serve, tries: Callable[[int], None]):
    """Status, tries and time; a redirect is not followed."""
    tries(3)
    url = serve(says("302 Found", headers="Location: http://127.0.0.1:1/\r\n"))
    outcome = check("health_endpoint", url=url, timeout_seconds=60)
    assert not outcome.ok
    assert re.search(rf"^{re.escape(url)} answered 302, not 200 \(3 tries in \d+\.\d s\)$", outcome.message)


def test_a_wrong_body_is_told(check: Perform, serve: Serve, tries: Callable[[int], None]):
    """The status alone is not enough where a body is wanted; only the first 64 KiB count."""
    tries(1)
    late = b"x" * health.BODY + b"fine"
    outcome = check("health_endpoint", url=serve(says(body=late)), expected_body="fine", timeout_seconds=60)
    assert not outcome.ok
    assert "answered 200, but without 'fine' in its body (1 try in" in outcome.message


def test_a_body_counts_while_the_connection_stays_open(check: Perform, serve: Serve):
    """A server that says the right thing, and then nothing, has said it."""

    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nall fi")
        time.sleep(0.05)
        connection.sendall(b"ne")
        connection.recv(1)

    assert check("health_endpoint", url=serve(answer), expected_body="fine", timeout_seconds=60).ok


@pytest.mark.parametrize(
    "answer",
    [
        lambda connection, number: connection.recv(1),
        dribble(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"),
        dribble(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        dribble(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        dribble(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        lambda connection, number: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"),
        lambda connection, number: None,
    ],
    ids=["silence", "headers", "one header", "body", "continue", "another protocol", "nothing"],
)
def test_a_try_has_an_end(check: Perform, serve: Serve, answer: Answer):
    """A server that hangs, dribbles, or talks nonsense fails in time, and no thread stays."""
    before = time.monotonic()
    outcome = check("health_endpoint", url=serve(answer), expected_body="fine", timeout_seconds=0.3)
    assert not outcome.ok
    assert time.monotonic() - before < 8
    limit = time.monotonic() + 20
    while any(thread.name == "fsm health check" for thread in threading.enumerate()):
        assert time.monotonic() < limit, "a thread was left behind"
        time.sleep(0.02)


def test_nobody_there_is_told(check: Perform, tries: Callable[[int], None]):
    """A refused connection, and a name that does not resolve."""
    tries(2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    outcome = check("health_endpoint", url=f"http://127.0.0.1:{port}/", timeout_seconds=60)
    assert not outcome.ok
    assert "did not answer: [Errno 111] Connection refused (2 tries" in outcome.message
    assert not check("health_endpoint", url="http://" + "a" * 64 + ".invalid/", timeout_seconds=60).ok


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x1b[31m\xff\0" * 1_000])
def test_what_is_no_http_is_quoted(serve: Serve, check: Perform, said: bytes, tries: Callable[[int], None]):
    """It did answer, something else listens on the port; control characters and length are the server's choice."""
    tries(1)
    url = serve(lambda connection, _: connection.sendall(said))
    message = check("health_endpoint", url=url, timeout_seconds=60).message
    assert f"answered, but not in HTTP: {said.decode('latin-1').strip()[:20]!a}"[:-1] in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("url", "why"),
    [("http://127.0.0.1:70000/", "Port out of range"), ("http://[....]/", "not appear to be an IPv4 or IPv6 address")],
)
def test_an_impossible_address_fails_at_once(check: Perform, url: str, why: str):
    """What has the form of an address, and is none, is not tried."""
    outcome = check("health_endpoint", url=url)
    assert not outcome.ok
    assert why in outcome.message


def test_a_request_to_stop_ends_a_try(check: Perform, serve: Serve):
    """An interrupt comes through in the middle of a try, and the connection is closed."""
    runner = Runner()
    threading.Timer(0.2, lambda: setattr(runner, "stop", Interrupted("stop"))).start()
    before = time.monotonic()
    with pytest.raises(Interrupted):
        check("health_endpoint", {"runner": runner}, url=serve(lambda connection, number: connection.recv(1)))
    assert time.monotonic() - before < 4  # a try has five


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that signed itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def secured(certificate: Path) -> ssl.SSLContext:
    """The server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def greeting(connection: socket.socket, number: int) -> None:
    """Read the request, then answer."""
    connection.recv(4096)
    says()(connection, number)


def test_https_needs_a_certificate_that_is_trusted(
    check: Perform, serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch, tries: Callable[[int], None]
):
    """A certificate that the system does not know fails; a known one passes."""
    tries(1)
    url = serve(greeting, secured(certificate))
    outcome = check("health_endpoint", url=url, timeout_seconds=60)
    assert not outcome.ok
    assert "certificate verify failed" in outcome.message
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert check("health_endpoint", url=url, expected_body="fine", timeout_seconds=60).ok


def test_a_handshake_has_an_end(check: Perform, serve: Serve):
    """A server that takes the connection, and never speaks TLS, fails in time."""
    url = serve(lambda connection, number: connection.recv(1)).replace("http:", "https:")
    before = time.monotonic()
    assert "did not answer" in check("health_endpoint", url=url, timeout_seconds=0.4).message
    assert time.monotonic() - before < 4


def test_a_connection_made_too_late_is_closed(check: Perform, serve: Serve, monkeypatch: pytest.MonkeyPatch):
    """A name server that answers after the try was given up leads to no request."""
    asked = threading.Event()
    create = socket.create_connection

    def late(address: tuple[str, int], timeout: float) -> socket.socket:
        time.sleep(0.3)
        return create(address, timeout=timeout)

    def answer(connection: socket.socket, number: int) -> None:
        asked.set()

    monkeypatch.setattr(socket, "create_connection", late)
    for scheme in ("http:", "https:"):
        url = serve(lambda connection, number: None).replace("http:", scheme)
        assert "did not answer within 0.1 s" in check("health_endpoint", url=url, timeout_seconds=0.1).message
    limit = time.monotonic() + 20
    while any(thread.name == "fsm health check" for thread in threading.enumerate()):
        assert time.monotonic() < limit
        time.sleep(0.02)
