"""An engine behind TLS: a proxy on loopback that shows a certificate, wants one, and leads to the engine's socket."""

from __future__ import annotations

import ipaddress
import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Authority:
    """Who signs certificates.

    Args:
        name: by which it is known.
    """

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        builder = _builder(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._cert = builder.sign(self._key, hashes.SHA256())

    def write(self, folder: Path) -> None:
        """Into a directory, as `docker` wants it: ``ca.pem``, ``cert.pem`` and ``key.pem``, for either side."""
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = _builder(_named("engine"), self._name, key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        (folder / "ca.pem").write_bytes(self._cert.public_bytes(serialization.Encoding.PEM))
        (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (folder / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )


@contextmanager
def proxy(engine: str, certificates: Path | None) -> Iterator[int]:
    """A port of 127.0.0.1 that leads to an engine.

    Args:
        engine: its socket.
        certificates: what the proxy shows, and who may have signed what it wants to see; None: no TLS.
    """
    context = None
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
        context.load_verify_locations(certificates / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    line, _ = server.accept()
                    threading.Thread(target=_lead, args=(line, context, engine), daemon=True).start()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _lead(line: socket.socket, context: ssl.SSLContext | None, engine: str) -> None:
    """Hand on both ways until one side has ended. Who shows no good certificate is not let in."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as inner, line:
        outer = line if context is None else context.wrap_socket(line, server_side=True)
        with outer, selectors.DefaultSelector() as both:
            inner.connect(engine)
            both.register(outer, selectors.EVENT_READ, inner)
            both.register(inner, selectors.EVENT_READ, outer)
            while True:
                for key, _ in both.select():
                    source, sink = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    data = source.recv(65536)
                    while isinstance(source, ssl.SSLSocket) and source.pending():
                        data += source.recv(65536)
                    if not data:
                        return
                    sink.sendall(data)
