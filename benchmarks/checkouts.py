"""For how long an update of document 000's checkout lets requests fail: a compose project whose image it builds.

Two clones of one repository with some hundred files, each with its compose project, one for each side. Each commit
changes the image, whose build takes three seconds. What is compared:

- **stop and start**: ``docker compose stop``, then ``docker compose up -d --wait``, with nothing in between;
- **stop and start anew**: the same with ``--force-recreate``: a new container, as every new image needs one;
- **document 000's order of steps**: fetch, stop, reset, build, start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks.containers import PATIENCE, shell
from benchmarks.figures import Figure, ratio
from benchmarks.polling import polling
from benchmarks.rig import Bench, child, fsm
from tests.hosts import images
from tests.hosts.engine import engine
from tests.ports import free_port

COMPOSE: Final = """\
services:
  agent:
    image: "{project}"
    build: .
    ports: ["127.0.0.1:{port}:{inner}"]
    stop_grace_period: 5s
"""

CONFIG: Final = """\
[fsm]
state_dir = "state"

[components.agent]
type = "git"
path = "agent"
preserve = [".env"]
settle_seconds = 0
reserve_mb = 1

[components.agent.source]
type = "git"
allow_unsigned = true
url = "{remote}"
branch = "main"

[components.agent.services.agent]
manager = "compose"
cwd = "agent"
project = "{project}"

[components.agent.build]
compose = ["docker-compose.yml"]
project = "{project}"
"""

BARE: Final = "docker compose -p {project} stop && docker compose -p {project} up -d --wait"

ANEW: Final = f"{BARE} --force-recreate"

DOCUMENT_000: Final = """\
set -e
cp .env ../saved.env
git fetch --quiet origin main
docker compose -p {project} stop
git reset --quiet --hard origin/main
cp ../saved.env .env
docker compose -p {project} build --quiet
docker compose -p {project} up -d --wait
"""

FILES: Final = 400
"""Other files of the repository; every tenth is changed by each commit."""

BUILD: Final = 3
"""Seconds that a build takes."""


@dataclass
class Agent:
    """A clone with a compose project that runs.

    Attributes:
        place: its directory.
        project: of compose; the image has the same name.
        port: at which it answers.
        build: seconds.
    """

    place: Path
    project: str
    port: int
    build: int

    @property
    def live(self) -> Path:
        """The clone."""
        return self.place / "agent"

    @property
    def author(self) -> Path:
        """Where commits are made."""
        return self.place / "author"

    def commit(self, number: int) -> None:
        """Push a new version."""
        images.context(self.author, f"1.{number}.0")
        dockerfile = self.author / "Dockerfile"
        # A build that nobody has done before, on neither side and in no run before this one.
        step = f"busybox sleep {self.build} # {self.project} {number}"
        lines = f'RUN ["/bin/sh", "-c", "{step}"]\n'
        dockerfile.write_text(dockerfile.read_text() + lines)
        text = COMPOSE.format(project=self.project, port=self.port, inner=images.PORT)
        (self.author / "docker-compose.yml").write_text(text)
        (self.author / ".dockerignore").write_text("src\n.git\n")
        for each in range(FILES):
            path = self.author / "src" / f"part{each % 20}" / f"file{each}.txt"
            if each % 10 == 0 or not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"version {number} of file {each}\n" * 60)
        who = "-c user.name=Author -c user.email=author@example.org"
        shell(f"git add --all . && git {who} commit -qm {number} && git push -q ../remote.git main", self.author)


@contextmanager
def opened(place: Path, word: str, build: int) -> Iterator[Agent]:
    """An agent that runs; it goes at the end."""
    docker = engine()
    agent = Agent(place, docker.name(f"bench-{word}"), free_port(), build)
    try:
        agent.author.mkdir(parents=True)
        shell(
            "git init -q --bare --initial-branch=main ../remote.git && git init -q --initial-branch=main", agent.author
        )
        agent.commit(0)
        (place / "fsm.toml").write_text(CONFIG.format(project=agent.project, remote=place / "remote.git"))
        shell("git clone -q remote.git agent && echo TOKEN=1 > agent/.env", place)
        shell(f"docker compose -p {agent.project} up -d --build --wait", agent.live)
        yield agent
    finally:
        docker.remove(agent.project)


def measure(bench: Bench) -> list[Figure]:
    """See the module."""
    rounds, build = bench.scaled(6, 1), bench.scaled(BUILD, 0)
    os.environ.update(engine().env)
    with bench.room("checkouts") as room, ExitStack() as stack:
        ours = stack.enter_context(opened(room / "fsm", "git", build))
        theirs = stack.enter_context(opened(room / "document000", "000", build))
        update = [*fsm(), "--config", str(ours.place / "fsm.toml"), "update", "agent"]

        def case(agent: Agent, work: Callable[[], object]) -> Callable[[], float]:
            numbers, polled = count(1), stack.enter_context(polling(agent.port, "/version", PATIENCE))

            def once() -> float:
                agent.commit(next(numbers))
                return polled(work)()

            return once

        restart = stack.enter_context(polling(ours.port, "/version", PATIENCE))
        found = bench.turns(
            {
                "restart": restart(lambda: shell(BARE.format(project=ours.project), ours.live)),
                "anew": restart(lambda: shell(ANEW.format(project=ours.project), ours.live)),
                "update": case(ours, lambda: child(update)),
                "000": case(theirs, lambda: shell(DOCUMENT_000.format(project=theirs.project), theirs.live)),
            },
            rounds,
        )
    what = "requests fail during an update"
    return [
        ratio(what, found["update"], "its services stopped and started", found["restart"], 1.15),
        ratio(what, found["update"], "stopped, and started with a new container", found["anew"]),
        ratio(what, found["update"], "document 000's order of steps", found["000"], 5, "at least"),
        ratio(
            "the bound: its services stopped and started", found["restart"], "the same", found["000"], sense="at least"
        ),
    ]
