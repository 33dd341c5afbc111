"""A small web app, as people have them: a version file, settings, a database, one dependency, a health page.

Started as ``.venv/bin/python app.py``; listens on 127.0.0.1, at the port in ``$PORT``.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from greeting import greet  # type: ignore[import-not-found] # installed from the release's wheels/

HERE = Path(__file__).resolve().parent
VERSION = (HERE / "VERSION").read_text(encoding="utf-8").strip()
BROKEN = (HERE / "BROKEN").exists()


class Handler(BaseHTTPRequestHandler):
    """``/health`` says version and state, every other page greets and counts the visit."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path == "/health":
            self._answer(500 if BROKEN else 200, {"version": VERSION, "status": "broken" if BROKEN else "ok"})
        else:
            self._answer(200, {"greeting": greet("visitor"), "visits": visit()})

    def _answer(self, code: int, data: dict[str, object]) -> None:
        body = json.dumps(data).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the log short."""


def visit() -> int:
    """Count a visit in the database, which outlives every update."""
    (HERE / "data").mkdir(exist_ok=True)
    with sqlite3.connect(HERE / "data" / "visits.db") as db:
        db.execute("CREATE TABLE IF NOT EXISTS visits (number INTEGER)")
        if db.execute("UPDATE visits SET number = number + 1").rowcount == 0:
            db.execute("INSERT INTO visits VALUES (1)")
        number: int = db.execute("SELECT number FROM visits").fetchone()[0]
        return number


class Server(ThreadingHTTPServer):
    """Refuses to share its port, so that two versions can never answer at once."""

    daemon_threads = True


def main() -> None:
    """Serve until told to stop."""
    server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
    print(f"webapp {VERSION} listens on port {server.server_port}", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
