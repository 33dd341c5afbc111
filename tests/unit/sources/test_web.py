"""The rules of the HTTP client: redirects, tokens, certificates, secrets in messages."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from urllib3.exceptions import ProtocolError

from fsm.errors import ConfigError, FsmError, SourceError, Transient
from fsm.sources import HttpSpec, Source, open_source
from fsm.sources.web import Web
from fsm.sources.weberrors import from_exception
from tests.servers import Fault, ReleaseServer
from tests.unit.sources.conftest import Depot, spec_of

pytestmark = pytest.mark.processes

WebSource = Callable[..., Source]
INDEX = b'{"releases": [{"version": "1.0"}]}'
SECRET = "s3cr3t-t0ken"


def to(url: str, status: int = 302) -> Fault:
    """A redirect."""
    return Fault(status=status, headers={"Location": url}, body=b"moved")


@pytest.fixture
def other(tmp_path: Path) -> Iterator[ReleaseServer]:
    """A second server, with an index."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.json").write_bytes(INDEX)
    with ReleaseServer(tmp_path / "other") as running:
        yield running


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server: ReleaseServer, web_source: WebSource, other: ReleaseServer, status: int):
    """Each kind of redirect leads to where it says, also to another server."""
    server.fault("/index.json", to(f"{other.url}/index.json", status))
    assert len(web_source().releases().releases) == 1


def test_relative_redirect(depot: Depot, server: ReleaseServer, web_source: WebSource):
    """A Location may be relative."""
    (depot.root / "real.json").write_bytes(INDEX)
    server.fault("/index.json", to("real.json#fragment"))
    assert len(web_source().releases().releases) == 1


def test_too_many_redirects(server: ReleaseServer, web_source: WebSource):
    """A loop of redirects ends."""
    server.fault("/index.json", to("/index.json?again=1"))
    with pytest.raises(SourceError, match=r"more than 3 redirects"):
        web_source(max_redirects=3).releases()
    assert len(server.requests) == 4


def test_no_redirects_at_all(server: ReleaseServer, web_source: WebSource):
    """`max_redirects = 0` follows none."""
    server.fault("/index.json", to("/elsewhere"))
    with pytest.raises(SourceError, match="more than 0 redirects"):
        web_source(max_redirects=0).releases()


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("http://insecure.example/x", "plain http can be read"),
        ("ftp://example.org/x", "not a plain http or https URL"),
        ("file:///etc/passwd", "not a plain http or https URL"),
        ("http://[broken/", "it leads to something that is not a URL"),
        ("https://user:pw@example.org/", "not a plain http or https URL"),
        ("http://127.0.0.1:99999/", "its port is not a number"),
    ],
)
def test_redirects_that_are_not_followed(server: ReleaseServer, web_source: WebSource, target: str, why: str):
    """A redirect to plain http, to another scheme or to nonsense is refused without being spoken to."""
    server.fault("/index.json", to(target))
    with pytest.raises(SourceError, match=f"cannot follow a redirect of .*{why}") as caught:
        web_source().releases()
    assert "pw@" not in str(caught.value)


def test_url_that_may_not_be_spoken_to(server: ReleaseServer):
    """The client itself refuses what it may not speak to, whoever asks."""
    spec = spec_of(type="http", url=server.url)
    assert isinstance(spec, HttpSpec)
    with (
        Web(spec) as web,
        pytest.raises(SourceError, match=r"insecure_hosts does not name releases\.example"),
        web.open("GET", "http://releases.example/"),
    ):
        pass


def test_redirect_without_location(server: ReleaseServer, web_source: WebSource):
    """A redirect that leads nowhere is an answer like any other: unusable."""
    server.fault("/index.json", Fault(status=302))
    with pytest.raises(SourceError, match="answered 302"):
        web_source().releases()


@pytest.fixture(params=["env", "file"])
def token(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The options of a source with a token, from the environment or from a file."""
    if request.param == "env":
        monkeypatch.setenv("TEST_TOKEN", SECRET)
        return {"token_env": "TEST_TOKEN"}
    (tmp_path / "token").write_text(f"{SECRET}\n")
    return {"token_file": str(tmp_path / "token")}


def test_token_goes_to_the_configured_server_only(
    server: ReleaseServer, web_source: WebSource, other: ReleaseServer, token: dict[str, str]
):
    """The token is sent, and never after a redirect to another server."""
    server.fault("/index.json", to(f"{other.url}/index.json"))
    web_source(**token).releases()
    assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert "authorization" not in other.requests[0].headers


def test_no_message_has_the_token(
    server: ReleaseServer, web_source: WebSource, token: dict[str, str], caplog: pytest.LogCaptureFixture
):
    """Neither errors with their whole history nor logs show the token, or a signed URL's query."""
    caplog.set_level("DEBUG")
    server.fault("/index.json", to("/index.json?sig=S1GNATURE"), Fault(status=500))
    server._faults["/index.json"][0].times = 1
    with pytest.raises(FsmError) as caught:
        web_source(**token).releases()
    said = "".join(traceback.format_exception(caught.value)) + str(caught.value)
    assert SECRET not in said + caplog.text
    assert "S1GNATURE" not in said
    assert "/index.json?..." in str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file"),
        (b"", "empty or not a token"),
        (b"two words", "not a token"),
        (b"a\nb", "not a token"),
        (b"\xc3\xa9", "not plain ASCII"),
    ],
)
def test_unusable_token_file(tmp_path: Path, web_source: WebSource, content: bytes | None, why: str):
    """A token file that is missing, empty or not a token is a configuration error."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=why):
        web_source(token_file=str(path)).releases()


def test_unset_token_variable(web_source: WebSource, monkeypatch: pytest.MonkeyPatch):
    """A variable that is not set is a configuration error that names it."""
    monkeypatch.delenv("TEST_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="environment variable TEST_TOKEN"):
        web_source(token_env="TEST_TOKEN").releases()


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"url": "http://releases.example/"}, "plain http can be read and changed"),
        ({"url": "https://user:pw@releases.example/"}, "string should match"),
        ({"url": "https://releases.example/?a=b"}, "must not have a query"),
        ({"url": "https://releases.example:99999/"}, "its port is not a number"),
        ({"url": "releases.example"}, "string should match"),
        ({"url": "https://e.example", "token_env": "A", "token_file": "/b"}, "exclude each other"),
        ({"url": "http://lan/", "insecure_hosts": ["lan"], "token_env": "A"}, "others could read it"),
        ({"url": "https://e.example", "insecure_hosts": ["http://lan"]}, "string should match"),
        ({"url": "https://e.example", "timeout": 0}, "greater than 0"),
        ({"url": "https://e.example", "max_artifact_mb": 0}, "greater than 0"),
        ({"url": "https://e.example", "verify": False}, "extra inputs"),
    ],
)
def test_configuration_is_strict(keys: dict[str, Any], why: str):
    """What is unsafe or unknown is refused when the configuration is read."""
    with pytest.raises(ValidationError, match=f"(?i){why}"):
        spec_of(type="http", **keys)


def test_named_insecure_host():
    """Plain http to a host that is named is allowed; the spec survives the plan's JSON."""
    spec = spec_of(type="http", url="http://releases.lan/app/", insecure_hosts=["releases.lan"])
    assert spec_of(**json.loads(spec.model_dump_json())) == spec


def test_name_that_does_not_resolve(web_source: WebSource, monkeypatch: pytest.MonkeyPatch):
    """Right after boot names do not resolve: worth another try."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    source = open_source(spec_of(type="http", url="https://releases.example"), component="core")
    with pytest.raises(Transient, match=r"the name releases\.example cannot be resolved"):
        source.releases()


def test_ring_of_causes():
    """An error that is its own cause is explained once."""
    one, two = ProtocolError("cut"), ProtocolError("cut")
    one.__context__, two.__context__ = two, one
    found = from_exception(one, "https://releases.example/a?secret", 5)
    assert str(found) == (
        "cannot read https://releases.example/a?...: the connection to releases.example was cut; "
        "the next attempt may succeed"
    )


def test_name_that_is_none():
    """A host name that cannot exist is not worth another try."""
    source = open_source(spec_of(type="http", url=f"https://{'a' * 70}.example"), component="core")
    with pytest.raises(SourceError, match="the URL cannot be used"):
        source.releases()


class Authority:
    """A certificate authority for tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        builder = self._builder(self.name, self.key.public_key(), days=2)
        cert = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(
            x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True
        )
        self.path = folder / "ca.pem"
        self.path.write_bytes(cert.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def context(self, *, days: int = 2) -> ssl.SSLContext:
        """A server's context with a certificate for 127.0.0.1 that ends in so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        cert = self._builder(subject, key.public_key(), days).add_extension(names, critical=False)
        path = self.folder / "server.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + cert.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=5))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(authority, critical=False)
        )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for all tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


def over_tls(server: ReleaseServer, **options: Any) -> Source:
    """The source of a server with TLS."""
    return open_source(spec_of(type="http", url=server.url, timeout=5.0, **options), component="core")


def test_https_with_a_private_authority(depot: Depot, authority: Authority):
    """`ca_file` is what is trusted."""
    (depot.root / "index.json").write_bytes(INDEX)
    with ReleaseServer(depot.root, tls=authority.context()) as server:
        assert len(over_tls(server, ca_file=authority.path).releases().releases) == 1


def test_https_never_falls_to_http(depot: Depot, authority: Authority, other: ReleaseServer):
    """A redirect from https to plain http is refused, even to loopback."""
    with ReleaseServer(depot.root, tls=authority.context()) as server:
        server.fault("/index.json", to(f"{other.url}/index.json"))
        with pytest.raises(SourceError, match="from https to plain http"):
            over_tls(server, ca_file=authority.path).releases()
    assert other.requests == []


def test_unknown_authority(depot: Depot, authority: Authority):
    """A certificate that nobody vouches for is no network trouble: a person is to look at it."""
    with (
        ReleaseServer(depot.root, tls=authority.context()) as server,
        pytest.raises(SourceError, match=r"the certificate of 127\.0\.0\.1 is not accepted: .*set ca_file"),
    ):
        over_tls(server).releases()


def test_expired_certificate(depot: Depot, authority: Authority):
    """An expired certificate says so, and says to look at the clock."""
    with (
        ReleaseServer(depot.root, tls=authority.context(days=-1)) as server,
        pytest.raises(SourceError, match=r"certificate has expired; check the clock"),
    ):
        over_tls(server, ca_file=authority.path).releases()


def test_tls_that_is_none(server: ReleaseServer, authority: Authority):
    """A server that speaks no TLS (a captive portal, a proxy that starts) is worth another try."""
    url = server.url.replace("http:", "https:")
    source = open_source(spec_of(type="http", url=url, ca_file=authority.path, timeout=5.0), component="core")
    with pytest.raises(Transient, match=r"the TLS connection to 127\.0\.0\.1 failed: "):
        source.releases()


@pytest.mark.parametrize(("content", "why"), [(None, "no such file"), ("none", "it holds no certificate")])
def test_unusable_ca_file(tmp_path: Path, content: str | None, why: str):
    """A `ca_file` that is missing or holds no certificate is a configuration error."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    source = open_source(spec_of(type="http", url="https://127.0.0.1:1", ca_file=path), component="core")
    with pytest.raises(ConfigError, match=f"cannot use ca_file .*: {why}"):
        source.releases()


def test_connections_are_kept(
    depot: Depot, server: ReleaseServer, web_source: WebSource, monkeypatch: pytest.MonkeyPatch
):
    """All the small requests of one call go over one connection."""
    for number in range(5):
        depot.add(f"1.{number}", prerelease=True)
    opened: list[object] = []
    real = socket.socket.connect

    def connect(self: socket.socket, where: Any) -> None:
        opened.append(where)
        real(self, where)

    monkeypatch.setattr(socket.socket, "connect", connect)
    web_source().releases()
    assert len(server.requests) == 7
    assert len(opened) == 1
