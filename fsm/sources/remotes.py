"""What a git remote may be, and how it is shown. Pure: no IO."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_SCHEMES: Final = frozenset({"https", "http", "ssh", "git", "file"})

_SCP: Final = re.compile(r"^(?:[A-Za-z0-9._-]+@)?(?P<host>[A-Za-z0-9._-]+):(?!:)(?!//)\S+$")
"""``git@github.com:owner/name.git``; a second colon would name a transport helper, which is a program."""

_USER_INFO: Final = re.compile(r"(?<=://)[^\s/@]+@")

PROTOCOLS: Final = "https:http:ssh:git:file"
"""What `GIT_ALLOW_PROTOCOL` is set to: nothing that a URL could name runs a program (``ext::sh -c ...``)."""


def why_no_remote(url: str) -> str | None:
    """Why a text cannot be a remote; None when it can."""
    if not url.isprintable() or " " in url:
        return "it has characters that are not allowed in a URL"
    if url.startswith("/"):
        return None
    if "://" in url:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            return f"{parts.scheme}:// is none of {', '.join(sorted(_SCHEMES))}"
        if parts.password is not None or (parts.scheme in ("http", "https") and parts.username is not None):
            return "it contains a user name or password, which would end up in logs; use token_env or token_file"
        return None if parts.path.strip("/") else "it has no path"
    if _SCP.match(url):
        return None
    return "it is neither a URL nor git@host:path nor an absolute path"


def remote_host(url: str) -> str:
    """The host of a remote in lower case; empty for a directory of this host."""
    if url.startswith("/") or url.startswith("file://"):
        return ""
    if "://" in url:
        return (urlsplit(url).hostname or "").lower()
    found = _SCP.match(url)
    return found["host"].lower() if found else ""


def masked(text: str) -> str:
    """A text without what could be user names and passwords in URLs."""
    return _USER_INFO.sub("***@", text)
