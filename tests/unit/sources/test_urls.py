"""Which URLs may be spoken to, and how they are shown."""

from __future__ import annotations

import pytest

from fsm.sources.htmlindex import Entries
from fsm.sources.urls import below, host_of, is_loopback, origin_of, redact, why_not


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a/b.tar.gz?X-Sig=secret#frag", "https://example.org/a/b.tar.gz?..."),
        ("https://user:secret@example.org:8443/a", "https://example.org:8443/a"),
        ("http://[::1]:80/", "http://[::1]:80/"),
    ],
)
def test_redact(url: str, shown: str):
    """Nothing that could be a secret is shown."""
    assert redact(url) == shown


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://anything.example/a", None),
        ("http://127.0.0.1:8000/", None),
        ("http://localhost/", None),
        ("http://[::1]:9/", None),
        ("http://named.lan/", None),
        ("http://NAMED.lan/", None),
        (
            "http://other.lan/",
            "plain http can be read and changed on the way, and insecure_hosts does not name other.lan",
        ),
        ("ftp://example.org/", "it is not a plain http or https URL"),
        ("file:///etc/passwd", "it is not a plain http or https URL"),
        ("https://user:pw@example.org/", "it is not a plain http or https URL"),
        ("https://example.org:99999/", "its port is not a number"),
    ],
)
def test_why_not(url: str, why: str | None):
    """https always, plain http for loopback and named hosts, nothing else."""
    assert why_not(url, ["named.lan"]) == why


def test_parts():
    """Hosts in lower case without brackets, origins with their default ports, names quoted."""
    assert host_of("https://[::1]:8443/x") == "::1"
    assert origin_of("https://Example.org/x") == ("https", "example.org", 443)
    assert is_loopback("127.8.9.1")
    assert not is_loopback("example.org")
    assert below("https://e.org/r/", "1.0", "a b#.zip") == "https://e.org/r/1.0/a%20b%23.zip"
    assert below("https://e.org/r") == "https://e.org/r/"
    assert below("https://e.org/r", "1.0", folder=True) == "https://e.org/r/1.0/"


def test_listing_keeps_to_its_folder():
    """Only what lies one level below the page counts."""
    page = b"""<a href="1.0/">1.0</a><a HREF='a%20b.zip'>x</a><a href="/r/2.0/">abs</a><a href="http://h/r/3.0/">same</a>
    <a href="../">up</a><a href="/">root</a><a href="/other/4.0/">beside</a><a href="http://else/r/5.0/">host</a>
    <a href="?C=N;O=D">sort</a><a href="#top">top</a><a href="6.0/deep/">deep</a><a href="http://[bad/">broken</a>
    <a href="%2e%2e">dots</a><a href="a%2fb">slash</a><a>none</a><a href="">empty</a><a href="1.0/">again</a>
    <img href="7.0/"><a href="//else/r/8.0/">scheme</a><a href="./">self</a>"""
    entries = Entries(page, "http://h/r/")
    assert entries.folders == ("1.0", "2.0", "3.0")
    assert entries.files == ("a b.zip",)


def test_listing_of_garbage_is_empty():
    """Bytes that are no HTML have no links."""
    assert Entries(b"\xff\x00<a href=", "http://h/").files == ()
