"""A release server for tests: real HTTP on 127.0.0.1, with the faults that real servers and networks have.

It serves a directory as nginx would (Range, If-Range, ETag, Last-Modified, conditional requests, HEAD, directory
listings) and remembers what it was asked. `fault` makes it misbehave for one path: cut the connection, answer 503 or
404 for a while, redirect, dribble, ignore ranges, send a page of HTML.

    with ReleaseServer(tmp_path) as server:
        server.fault("/1.2.0/app.tar.gz", Fault(cut_after=1000, times=1))
        fetch(server.url + "/1.2.0/app.tar.gz")
        assert server.asked("/1.2.0/app.tar.gz")[0].headers["range"] == "bytes=1000-"
"""

from __future__ import annotations

import hashlib
import html
import re
import socket
import ssl
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote, unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Request:
    """One request that came: `headers` by lower-case name, `path` without the query."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass
class Fault:
    """What goes wrong for a path.

    Attributes:
        status: answer with this status instead of the file.
        headers: headers added to (or, with None, taken from) the answer.
        body: the body instead of the file's content.
        cut_after: close the connection after so many bytes of the body; 0 sends the headers only.
        reset: cut with a TCP reset, not with a clean end.
        drop: close the connection without any answer.
        chunk, delay: send the body in pieces of `chunk` bytes, `delay` seconds apart.
        stall: seconds of silence before the answer.
        ignore_range: answer every request with the whole file.
        framing: how the body's end is told.
        methods: only these requests are hit.
        times: how many requests are hit; None means all.
    """

    status: int | None = None
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    cut_after: int | None = None
    reset: bool = False
    drop: bool = False
    chunk: int = 1 << 16
    delay: float = 0.0
    stall: float = 0.0
    ignore_range: bool = False
    framing: Literal["length", "chunked", "close"] = "length"
    methods: tuple[str, ...] = ("GET", "HEAD")
    times: int | None = None


class Faulty:
    """What servers that misbehave on demand share: the requests that came, and which faults wait for which path.

    Attributes:
        requests: oldest first.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._faults: defaultdict[str, list[Fault]] = defaultdict(list)
        self._lock = threading.RLock()

    def fault(self, path: str, *faults: Fault) -> None:
        """Have requests for `path` (``*``: for any) misbehave: first as the first fault says, then the next."""
        with self._lock:
            self._faults[path].extend(faults)

    def heal(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def asked(self, path: str, method: str = "GET") -> list[Request]:
        """The requests that came for a path, oldest first."""
        with self._lock:
            return [request for request in self.requests if (request.path, request.method) == (path, method)]

    def note(self, request: Request) -> Fault:
        """Remember a request and say how to misbehave."""
        with self._lock:
            self.requests.append(request)
            for fault in (*self._faults[request.path], *self._faults["*"]):
                if fault.times != 0 and request.method in fault.methods:
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return Fault()


class ReleaseServer(Faulty):
    """Serves a directory on 127.0.0.1; a context manager.

    Args:
        root: the directory.
        tls: a server context for https.
        listing: whose directory listings are imitated; None answers 404 for directories.
        validators: whether ETag and Last-Modified are sent.
    """

    def __init__(
        self,
        root: Path,
        *,
        tls: ssl.SSLContext | None = None,
        listing: Literal["python", "nginx", "apache"] | None = "python",
        validators: bool = True,
    ) -> None:
        super().__init__()
        self.root = root
        self.listing = listing
        self.validators = validators
        self._tls = tls
        self._stop = threading.Event()
        self._http = Listener(("127.0.0.1", 0), _handler_for(self))
        if tls is not None:
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
            )
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def forget(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self.requests.clear()

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the server."""
        self._stop.wait(seconds)


class Listener(ThreadingHTTPServer):
    """A server for tests; every request has a thread of its own."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle are part of these tests."""


def _handler_for(server: ReleaseServer) -> type[BaseHTTPRequestHandler]:
    class Bound(_Handler):
        releases = server

    return Bound


class _Handler(BaseHTTPRequestHandler):
    releases: ReleaseServer
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Part of BaseHTTPRequestHandler."""
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.releases.note(Request(self.command, unquote(parts.path), parts.query, headers))
        self.releases.pause(fault.stall)
        if fault.drop:
            self._cut(fault)
            return
        answer = self._answer(unquote(parts.path), headers, fault)
        for name, value in fault.headers.items():
            answer.headers.pop(name, None)
            if value is not None:
                answer.headers[name] = value
        self._send(answer, fault)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def _answer(self, path: str, headers: Mapping[str, str], fault: Fault) -> _Answer:
        if fault.status is not None or fault.body is not None:
            return _Answer(fault.status or 200, {"Content-Type": "text/html"}, fault.body or b"<html>no</html>")
        found = (self.releases.root / path.lstrip("/")).resolve()
        if found.is_dir() and self.releases.listing:
            if not path.endswith("/"):
                return _Answer(301, {"Location": quote(path) + "/"}, b"")
            return _Answer(200, {"Content-Type": "text/html"}, _listing(found, path, self.releases.listing))
        if not found.is_file() or not found.is_relative_to(self.releases.root.resolve()):
            return _Answer(404, {"Content-Type": "text/html"}, b"<html>404 not found</html>")
        return _file(found, headers, fault, validators=self.releases.validators)

    def _send(self, answer: _Answer, fault: Fault) -> None:
        self.send_response_only(answer.status)
        answer.headers.setdefault("Date", self.date_time_string())
        if fault.framing == "length":
            answer.headers.setdefault("Content-Length", str(len(answer.body)))
        elif fault.framing == "chunked":
            answer.headers["Transfer-Encoding"] = "chunked"
        else:
            answer.headers["Connection"] = "close"
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD" or answer.status == 304:
            return
        end = len(answer.body) if fault.cut_after is None else fault.cut_after
        for start in range(0, min(end, len(answer.body)), fault.chunk):
            self._write(answer.body[start : min(start + fault.chunk, end)], fault)
            if fault.delay:
                self.releases.pause(fault.delay)
        if fault.cut_after is not None:
            self._cut(fault)
        elif fault.framing == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = self.close_connection or fault.framing == "close"

    def _write(self, piece: bytes, fault: Fault) -> None:
        framed = b"%x\r\n%b\r\n" % (len(piece), piece) if fault.framing == "chunked" else piece
        self.wfile.write(framed)
        self.wfile.flush()

    def _cut(self, fault: Fault) -> None:
        self.close_connection = True
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            time.sleep(0.05)  # a reset also discards what the client has not read yet
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)


@dataclass
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def _file(path: Path, asked: Mapping[str, str], fault: Fault, *, validators: bool) -> _Answer:
    content = path.read_bytes()
    tag, date = f'"{hashlib.sha256(content).hexdigest()[:16]}"', formatdate(path.stat().st_mtime, usegmt=True)
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    if validators:
        headers |= {"ETag": tag, "Last-Modified": date}
        known = asked.get("if-none-match")
        if known == tag or (known is None and asked.get("if-modified-since") == date):
            return _Answer(304, headers, b"")
    wanted = _RANGE.fullmatch(asked.get("range", ""))
    if wanted is None or fault.ignore_range or asked.get("if-range", tag) not in (tag, date):
        return _Answer(200, headers, content)
    start = int(wanted[1])
    end = min(int(wanted[2] or len(content)), len(content) - 1)
    if start >= len(content):
        return _Answer(416, {**headers, "Content-Range": f"bytes */{len(content)}"}, b"")
    headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
    return _Answer(206, headers, content[start : end + 1])


def _listing(folder: Path, path: str, style: str) -> bytes:
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir())
    links = [f'<a href="{quote(name)}">{html.escape(name)}</a>' for name in names]
    if style == "nginx":
        rows = "\n".join(f"{link}      01-Jan-2026 00:00   1234" for link in links)
        page = f"<html><head><title>Index of {path}</title></head><body><h1>Index of {path}</h1><hr><pre>"
        page += f'<a href="../">../</a>\n{rows}\n</pre><hr></body></html>'
    elif style == "apache":
        rows = "".join(f'<tr><td><img src="/icons/folder.gif" alt="[DIR]"></td><td>{link}</td></tr>' for link in links)
        sort = '<tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>'
        page = (
            f'<html><body><table>{sort}<tr><td><a href="/">Parent Directory</a></td></tr>{rows}</table></body></html>'
        )
    else:
        rows = "".join(f"<li>{link}</li>\n" for link in links)
        page = f"<!DOCTYPE HTML>\n<html><body><h1>Directory listing for {path}</h1><hr><ul>\n{rows}</ul></body></html>"
    return page.encode()
