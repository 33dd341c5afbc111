"""For how long an update of a checkout with a program as its service, and a build of 3 s, lets requests fail.

As in `benchmarks.checkouts`, but with a Python program under the service manager `process`: there the stop and start of
a compose project are a quarter of document 000's downtime, whatever the updater does. The program answers at once, or
half a second after its start, as one with a web framework does. The other side's service manager is ours as well.

``python -m benchmarks.served HOST-DIRECTORY restart|document000`` is what the other side does.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, ratio
from benchmarks.polling import polling
from benchmarks.rig import BareContext, Bench, child, fsm, module
from fsm.host.config import load
from fsm.services import ServiceManager, open_service
from tests.ports import free_port

CONFIG: Final = """\
[fsm]
state_dir = "state"

[components.agent]
type = "git"
path = "agent"
preserve = [".env"]
settle_seconds = 0.3
reserve_mb = 1

[components.agent.source]
type = "git"
allow_unsigned = true
url = "{remote}"
branch = "main"

[components.agent.services.agent]
manager = "process"
command = ["{python}", "app.py"]
env = {{ PORT = "{port}", START = "{start}" }}

[components.agent.build]
command = ["{python}", "build.py", "{build}"]
products = ["dist"]
"""

APP: Final = """\
import http.server, os, time

time.sleep(float(os.environ["START"]))
VERSION = open("dist/version", "rb").read()


class Agent(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(VERSION)))
        self.end_headers()
        self.wfile.write(VERSION)

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Agent).serve_forever()
"""

BUILD_SCRIPT: Final = """\
import os, shutil, sys, time

time.sleep(float(sys.argv[1]))
os.makedirs("dist", exist_ok=True)
shutil.copyfile("VERSION", "dist/version")
"""

BUILD: Final = 3
"""Seconds that a build takes."""

START: Final = 0.5
"""Seconds that the slower program takes until it answers."""

FILES: Final = 400
"""Other files of the repository; every tenth is changed by each commit."""


@dataclass(frozen=True)
class Agent:
    """A host with a clone whose program runs.

    Attributes:
        place: the directory of everything.
        port: at which it answers.
    """

    place: Path
    port: int

    @property
    def live(self) -> Path:
        """The clone."""
        return self.place / "agent"

    def service(self) -> ServiceManager:
        """Its service, as the configuration has it."""
        component = load(self.place / "fsm.toml").component("agent")
        ((name, spec),) = component.services.items()
        return open_service(spec, name=name, state_dir=component.target.state_dir)

    def commit(self, number: int) -> None:
        """Push a new version."""
        author = self.place / "author"
        for name, text in {"app.py": APP, "build.py": BUILD_SCRIPT, "VERSION": f"1.{number}.0\n"}.items():
            (author / name).write_text(text)
        (author / ".gitignore").write_text("dist/\n.env\n")
        for each in range(FILES):
            path = author / "src" / f"part{each % 20}" / f"file{each}.txt"
            if each % 10 == 0 or not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"version {number} of file {each}\n" * 60)
        git(author, "add", "--all")
        git(author, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", str(number))
        git(author, "push", "--quiet", str(self.place / "remote.git"), "main")


def git(where: Path, *arguments: str) -> None:
    """Run git."""
    subprocess.run(["git", *arguments], cwd=where, check=True)


def build_in(where: Path, seconds: float) -> None:
    """Build in the checkout."""
    subprocess.run([sys.executable, "build.py", str(seconds)], cwd=where, check=True)


@contextmanager
def opened(place: Path, build: int, start: float) -> Iterator[Agent]:
    """A host whose program runs; it goes at the end."""
    agent = Agent(place, free_port())
    (place / "author").mkdir(parents=True)
    (place / "build-seconds").write_text(str(build))
    git(place, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    git(place / "author", "init", "--quiet", "--initial-branch=main")
    agent.commit(0)
    git(place, "clone", "--quiet", "remote.git", "agent")
    given = {"remote": place / "remote.git", "port": agent.port, "python": sys.executable}
    (place / "fsm.toml").write_text(CONFIG.format(**given, build=build, start=start))
    (agent.live / ".env").write_text("TOKEN=1\n")
    build_in(agent.live, 0)
    try:
        agent.service().start(BareContext())
        yield agent
    finally:
        agent.service().stop(BareContext())


def measure(bench: Bench) -> list[Figure]:
    """See the module."""
    slow = _measured(bench, START)
    fast = slow if bench.quick else _measured(bench, 0.0)
    rows = []
    for found, word, limit in ((slow, "after half a second", 1.15), (fast, "at once", 1.25)):
        what = f"requests fail during an update of a program that answers {word}"
        rows.append(ratio(what, found["update"], "its service stopped and started", found["restart"], limit))
        rows.append(ratio(what, found["update"], "document 000's order of steps", found["000"], 5, "at least"))
    return rows


def _measured(bench: Bench, start: float) -> Mapping[str, Sequence[float]]:
    rounds, build = bench.scaled(8, 1), bench.scaled(BUILD, 0)
    with bench.room("served") as room, ExitStack() as stack:
        ours, theirs = (stack.enter_context(opened(room / name, build, start)) for name in ("fsm", "document000"))
        polls = {agent: stack.enter_context(polling(agent.port, "/")) for agent in (ours, theirs)}
        update = [*fsm(), "--config", str(ours.place / "fsm.toml"), "update", "agent"]

        def case(agent: Agent, work: Callable[[], object]) -> Callable[[], float]:
            numbers = count(1)

            def once() -> float:
                agent.commit(next(numbers))
                return polls[agent](work)()

            return once

        return bench.turns(
            {
                "restart": polls[ours](lambda: child(module("served", ours.place, "restart"))),
                "update": case(ours, lambda: child(update)),
                "000": case(theirs, lambda: child(module("served", theirs.place, "document000"))),
            },
            rounds,
        )


def main() -> None:
    """What the other side does."""
    agent, context = Agent(Path(sys.argv[1]), 0), BareContext()
    service = agent.service()
    if sys.argv[2] == "restart":
        service.stop(context)
        service.start(context)
        return
    saved = (agent.live / ".env").read_bytes()
    git(agent.live, "fetch", "--quiet", "origin", "main")
    service.stop(context)
    git(agent.live, "reset", "--quiet", "--hard", "origin/main")
    (agent.live / ".env").write_bytes(saved)
    build_in(agent.live, float((agent.place / "build-seconds").read_text()))
    service.start(context)


if __name__ == "__main__":
    main()
