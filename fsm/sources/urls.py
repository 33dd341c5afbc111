"""Which URLs may be spoken to, and how a URL is shown. Pure: no IO, no client.

https may go anywhere that the configured server sends us: the digest decides what is accepted. Plain http is for
loopback and for the hosts that the configuration names, because everybody on the way can read and change it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from fsm.model import HTTP_URL, matches

_PORTS: Final = {"http": 80, "https": 443}


def redact(url: str) -> str:
    """The URL as a message may show it: without user name, password, query and fragment, which may be secrets."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}{'?...' if parts.query else ''}"


def host_of(url: str) -> str:
    """The host's name in lower case, without port and brackets."""
    return (urlsplit(url).hostname or "").lower()


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: who a secret is for (https://www.rfc-editor.org/rfc/rfc6454)."""
    parts = urlsplit(url)
    return parts.scheme, host_of(url), parts.port or _PORTS.get(parts.scheme, 0)


def is_loopback(host: str) -> bool:
    """Whether the host is this machine: ``localhost`` or a loopback address."""
    if host == "localhost":
        return True
    import ipaddress  # noqa: PLC0415 - 4 ms, only for those who use plain http

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def why_not(url: str, insecure_hosts: Collection[str]) -> str | None:
    """Why this URL may not be spoken to; None when it may.

    Args:
        url: absolute.
        insecure_hosts: hosts, in lower case, that plain http is allowed for.
    """
    if not matches(HTTP_URL, url):
        return "it is not a plain http or https URL"
    try:
        scheme, host, _ = origin_of(url)
    except ValueError:
        return "its port is not a number"
    if scheme == "http" and not is_loopback(host) and host not in insecure_hosts:
        return f"plain http can be read and changed on the way, and insecure_hosts does not name {host}"
    return None


def below(base: str, *names: str, folder: bool = False) -> str:
    """The URL of a file (or folder) below a base URL; each name is one path segment, quoted."""
    path = "/".join(quote(name, safe="") for name in names)
    return f"{base.rstrip('/')}/{path}{'/' if folder and path else ''}"


def join(base: str, reference: str) -> str:
    """What a relative reference means at `base` (https://www.rfc-editor.org/rfc/rfc3986#section-5)."""
    return urljoin(base, reference)
