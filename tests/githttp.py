"""A real git server on loopback: Python's HTTP server in front of ``git http-backend``, with a password if wanted."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

BACKEND: Final = Path("/usr/lib/git-core/git-http-backend")


class GitServer:
    """What a running server knows.

    Attributes:
        url: of the directory of repositories, without a slash at its end.
        seen: the value of each request's ``Authorization``, or an empty text.
        welcome: how many questions are answered; the others are refused with a text that has what was sent.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[str] = []
        self.welcome = sys.maxsize


@contextmanager
def serving(root: Path, token: str | None = None) -> Iterator[GitServer]:
    """Serve the repositories below a directory while the context lasts.

    Args:
        root: the directory.
        token: the password that every request needs, whatever the user name is.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(root, token))
    about = GitServer(f"http://127.0.0.1:{server.server_address[1]}")
    server.about = about  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield about
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(root: Path, token: str | None) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve(b"")

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _serve(self, body: bytes) -> None:
            given = self.headers.get("Authorization", "")
            self.server.about.seen.append(given)  # type: ignore[attr-defined]
            if token is not None and not base64.b64decode(given.partition(" ")[2]).endswith(f":{token}".encode()):
                self._say(401, {"WWW-Authenticate": 'Basic realm="git"'})
                return
            about: GitServer = self.server.about  # type: ignore[attr-defined]
            about.welcome -= self.command == "GET"
            if about.welcome < 0:
                said = f"you sent {base64.b64decode(given.partition(' ')[2]).decode()} as {given}\n"
                self._say(403, {"Content-Type": "text/plain"}, said.encode())
                return
            path, _, query = self.path.partition("?")
            environ = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            }
            done = subprocess.run([str(BACKEND)], input=body, env=environ, capture_output=True, check=False, timeout=30)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
            self._say(int(headers.pop("Status", "200").split()[0]), headers, content)

        def _say(self, status: int, headers: Mapping[str, str], content: bytes = b"") -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
