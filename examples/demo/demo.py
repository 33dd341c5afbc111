"""`make demo`: a whole life of an app, with the real commands, printed as they run.

No root, no Docker, no network: everything is in one temporary directory and on 127.0.0.1. Three releases of the web app
in `examples/webapp` are built (good, better, broken); the first is installed, the second is updated to while requests
flow, once undisturbed and once with `kill -9` in the middle, and the third has to be rolled back by itself.
"""

from __future__ import annotations

import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "webapp"))
import release  # type: ignore[import-not-found] # found by the line above

CONFIG = """\
[fsm]
state_dir = "state"

[components.web]
type = "python_app"
install_path = "web"
preserve = ["data/", "settings.env"]
settle_seconds = 0.5

[components.web.source]
type = "directory"
allow_unsigned = true
path = "releases"

[components.web.service]
manager = "process"
command = [".venv/bin/python", "app.py"]
env = {{ PORT = "{port}" }}
"""


@dataclass
class Requests:
    """Visitors of the web app, one after the other, as fast as they come."""

    port: int
    answered: int = 0
    failed: int = 0
    longest: float = 0.0

    def once(self) -> bool:
        """Whether one request is answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Requests every 10 ms while the block runs."""
        over = threading.Event()

        def visit() -> None:
            down_since: float | None = None
            while not over.wait(0.01):
                now = time.monotonic()
                if self.once():
                    self.answered += 1
                    self.longest = max(self.longest, now - down_since) if down_since else self.longest
                    down_since = None
                else:
                    self.failed += 1
                    down_since = down_since or now

        thread = threading.Thread(target=visit)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class Demo:
    """One demonstration, in one directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.program = Path(sys.executable).with_name("fsm")
        self.environment = {**os.environ, "NO_COLOR": "1"}
        self.environment.pop("FSM_CONFIG", None)

    def say(self, text: str) -> None:
        """A line between the commands."""
        print(f"\n# {text}", flush=True)

    def fsm(self, words: str, *, code: int = 0) -> None:
        """Run one command and show it."""
        print(f"$ fsm {words}", flush=True)
        done = subprocess.run(
            [str(self.program), *shlex.split(words)], cwd=self.home, env=self.environment, check=False
        )
        if done.returncode != code:
            raise SystemExit(f"`fsm {words}` ended with {done.returncode}, not with {code}: this demo found a bug")
        if code:
            print(f"(exit code {code})", flush=True)

    def fsm_killed(self, words: str, at: str) -> None:
        """Run one command and kill it with SIGKILL as soon as it says that it has come to a step."""
        print(f"$ fsm {words}", flush=True)
        child = subprocess.Popen(
            [str(self.program), *shlex.split(words)],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert child.stdout is not None
        for line in child.stdout:
            print(line, end="", flush=True)
            if at in line:
                child.send_signal(signal.SIGKILL)
                break
        child.wait()
        print(f"(killed with SIGKILL, exit code {child.returncode})", flush=True)

    def visits(self) -> int:
        """How many visits the app's database has counted."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("GET", "/")
        number: int = json.loads(connection.getresponse().read())["visits"]
        connection.close()
        return number

    def run(self) -> None:
        """Everything, in order."""
        releases = self.home / "releases"
        (self.home / "fsm.toml").write_text(CONFIG.format(port=self.port), encoding="utf-8")
        self.say("A release is published, and installed on a host that has nothing yet.")
        release.build(releases, "1.0.0", port=self.port)
        self.fsm("update web")
        (self.home / "web" / "settings.env").write_bytes(b"GREETING=Good evening\r\n")
        self.say("A better one appears. What would be done?")
        release.build(releases, "1.1.0", port=self.port)
        self.fsm("check web --force")
        self.fsm("plan web")
        self.say("The update, with requests flowing.")
        requests = Requests(self.port)
        with requests.flowing():
            self.fsm("update web")
        total = requests.answered + requests.failed
        print(
            f"requests: {total}, failed: {requests.failed}; "
            f"the longest time without an answer: {requests.longest * 1000:.0f} ms"
        )
        self.say("Back to 1.0.0, which is kept on this host; then the same update again, killed in the middle.")
        self.fsm("rollback web --data keep")
        self.fsm("unhold web")
        before = self.visits()
        self.fsm_killed("update web", at="exchange the live tree")
        self.fsm("status")
        self.say("After the reboot:")
        self.fsm("resume")
        assert self.visits() == before + 1, "the app's database did not survive"
        self.say(f"The app's database and its settings went along: {before} visits before, {before + 1} now.")
        self.say("A broken release appears. It has to go back by itself.")
        release.build(releases, "1.2.0", port=self.port, broken=True, timeout=2)
        self.fsm("update web", code=30)
        self.fsm("status")
        self.fsm("history")
        self.fsm("history --verify")

    def stop(self) -> None:
        """End the app; by the pid that its service manager wrote down."""
        record = self.home / "state" / "services" / "web.json"
        if record.exists():
            pid = json.loads(record.read_text(encoding="utf-8")).get("pid")
            if pid:
                os.killpg(pid, signal.SIGTERM)


def main() -> None:
    """Run the demonstration and leave nothing behind."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fsm-demo-") as directory:
        demo = Demo(Path(directory))
        try:
            demo.run()
        finally:
            demo.stop()
    print(f"\nThe demo took {time.monotonic() - started:.1f} s; nothing is left of it.")


if __name__ == "__main__":
    main()
