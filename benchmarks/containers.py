"""An update of a compose service beside ``docker compose pull && docker compose up -d --wait``: wall time and downtime.

Twice: a service as people have it (a release adds 32 MiB to what the host has; asked every five seconds how it is,
six times as often as by default), and the smallest that there can be (1 MiB, asked twice a second), in which whatever
an update adds weighs as much as it can. Two projects of one service each, with the same image, one for each side. A
registry on loopback has every version, and the engine none but the one that runs, so that both sides pull. Ours checks
that what runs stays up for `settle_seconds` before an update counts; here it is 0, as nobody does that for the other.

Wall time and downtime have turns of their own, and the other side's containers are paused meanwhile: a client that asks
200 times a second, and a health check that is run twice a second, take processors from the side that works more itself.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.figures import Figure, ratio, timed
from benchmarks.polling import polling
from benchmarks.rig import Bench, child, environment, fsm
from tests.hosts import images
from tests.hosts.engine import engine, registry
from tests.ports import free_port

COMPOSE: Final = """\
services:
  web:
    image: "{image}:{version}"
    ports: ["127.0.0.1:{port}:{inner}"]
    stop_grace_period: 5s
    healthcheck:
      interval: {interval}
"""

CONFIG: Final = """\
[fsm]
state_dir = "state"

[components.web]
type = "container"
compose_files = ["shop/compose.yaml"]
project = "{project}"
services = ["web"]
image = "{image}"
settle_seconds = 0
reserve_mb = 1

[components.web.source]
type = "directory"
allow_unsigned = true
path = "releases"
"""

Measure = Callable[[Callable[[], object]], Callable[[], float]]
"""Makes a case of some work, which returns seconds."""

PATIENCE: Final = 0.1
"""Seconds that a request waits before the client asks anew, see `polling`."""

BARE: Final = "docker compose -p {project} pull --quiet && docker compose -p {project} up -d --wait"


class Size(NamedTuple):
    """How much a service is.

    Attributes:
        what: it is called.
        ballast: bytes that a release adds.
        interval: of its health check, as compose has it.
        wall, down: limits of the wall time and of the downtime, in those of the other side.
    """

    what: str
    ballast: int
    interval: str
    wall: float
    down: float


SIZES: Final = (Size("a service", 32 << 20, "5s", 1.15, 1.1), Size("the smallest service", 0, "500ms", 1.08, 1.05))


@dataclass
class Shop:
    """A compose project that runs 1.0.0.

    Attributes:
        size: how much it is.
        place: its directory.
        name: of its image's repository.
        project: of compose.
        port: at which it answers.
    """

    size: Size
    place: Path
    name: str
    project: str
    port: int

    @property
    def file(self) -> Path:
        """The compose file."""
        return self.place / "shop" / "compose.yaml"

    @property
    def image(self) -> str:
        """The image's repository."""
        return f"{registry()}/{self.name}"

    def compose(self, version: str) -> str:
        """The compose file's text."""
        interval = self.size.interval
        return COMPOSE.format(image=self.image, version=version, port=self.port, inner=images.PORT, interval=interval)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Its container runs meanwhile, and is frozen before and after, with its health check."""
        name = f"{self.project}-web-1"
        engine().run("unpause", name)
        try:
            yield
        finally:
            engine()("pause", name)

    def publish(self, version: str) -> None:
        """Push an image, and a release that names it."""
        images.publish(self.name, version, ballast=self.size.ballast)
        release = self.place / "releases" / version
        release.mkdir(parents=True)
        (release / "update-manifest.yaml").write_text(f'version: "{version}"\n')


@contextmanager
def opened(size: Size, place: Path, word: str) -> Iterator[Shop]:
    """A shop that runs; it goes at the end."""
    docker = engine()
    shop = Shop(size, place, docker.name(f"bench-{word}"), docker.name(word), free_port())
    try:
        shop.file.parent.mkdir(parents=True)
        shop.publish("1.0.0")
        shop.file.write_text(shop.compose("1.0.0"))
        (place / "fsm.toml").write_text(CONFIG.format(project=shop.project, image=shop.image))
        shell(BARE.format(project=shop.project), shop.file.parent)
        yield shop
    finally:
        kept = _kept(shop)
        for name in (shop.project, shop.name):
            docker.remove(name)
        for name in kept:
            docker.run("image", "rm", name)


def _kept(shop: Shop) -> list[str]:
    """What updates of this shop have kept, by its images: others on this engine keep theirs."""
    listed = engine()("image", "ls", "--no-trunc", "--format", "{{.ID}} {{.Repository}} {{.Tag}}").splitlines()
    rows = [line.split() for line in listed]
    mine = {ident for ident, repository, _ in rows if repository == shop.image}
    return [f"{repository}:{tag}" for ident, repository, tag in rows if repository == "fsm-kept" and ident in mine]


def shell(command: str, cwd: Path) -> None:
    """Run a line of a shell, as people type it."""
    subprocess.run(["sh", "-c", command], cwd=cwd, env=environment(**engine().env), check=True, capture_output=True)


def measure(bench: Bench) -> list[Figure]:
    """See the module."""
    os.environ.update(engine().env)
    sizes = SIZES[-1:] if bench.quick else SIZES
    return [figure for size in sizes for figure in compare(bench, size)]


def compare(bench: Bench, size: Size) -> list[Figure]:
    """Both sides with services of one size."""
    rounds = bench.scaled(6, 1)
    with bench.room("containers") as room, ExitStack() as stack:
        ours = stack.enter_context(opened(size, room / "fsm", "ours"))
        theirs = stack.enter_context(opened(size, room / "bare", "theirs"))
        numbers = {"fsm": count(1), "bare": count(1)}
        sides: dict[str, tuple[Shop, Callable[[str], object]]] = {}

        def case(name: str, measured: Measure) -> Callable[[], float]:
            shop, work = sides[name]

            def once() -> float:
                version = f"1.{next(numbers[name])}.0"
                shop.publish(version)
                with shop.awake():
                    return measured(lambda: work(version))()

            return once

        def bare(version: str) -> None:
            theirs.file.write_text(theirs.compose(version))
            shell(BARE.format(project=theirs.project), theirs.file.parent)

        update = [*fsm(), "--config", str(ours.place / "fsm.toml"), "update", "web"]
        sides.update(fsm=(ours, lambda _: child(update)), bare=(theirs, bare))
        wall = bench.turns({name: case(name, timed) for name in sides}, rounds)
        clients = {
            name: stack.enter_context(polling(shop.port, "/version", PATIENCE)) for name, (shop, _) in sides.items()
        }
        down = bench.turns({name: case(name, clients[name]) for name in sides}, rounds)
    peer = "`docker compose pull && docker compose up -d --wait`"
    return [
        ratio(f"an update of {size.what}", wall["fsm"], peer, wall["bare"], size.wall),
        ratio(f"{size.what} does not answer meanwhile", down["fsm"], peer, down["bare"], size.down),
    ]
