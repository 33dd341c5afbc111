"""A real Docker engine for tests: the running one where it answers, else one of the bed's own.

    docker = engine()
    docker("run", "--rm", image)
    docker.compose("up", "-d", "--wait", project=docker.name("shop"), folder=folder)

Every name that a test gives to something in the engine comes from `Engine.name`: it tells which process made it, so
that what a killed session left behind is recognised, and removed by the next one.
"""

from __future__ import annotations

import atexit
import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from fsm.system.processes import start_time
from tests.hosts import daemon
from tests.hosts.home import BedError, Membership, changing, home, run, say
from tests.hosts.packages import compose_plugin, need

PREFIX: Final = "fsmt"
_NAME: Final = re.compile(rf"(?:.*/)?{PREFIX}-([0-9a-f]+)-(\d+)-(\d+)-")
_PROJECT: Final = "com.docker.compose.project"


class Engine:
    """A Docker engine that answers.

    Args:
        env: what the docker command needs in its environment to reach it.
        own: whether it is the bed's own.
    """

    def __init__(self, env: dict[str, str], *, own: bool) -> None:
        self.env = env
        self.own = own
        self._numbers: Iterator[int] = itertools.count(1)

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment for a docker command."""
        return {**os.environ, **self.env}

    def __call__(self, *arguments: str | Path, timeout: float = 60, stdin: bytes | None = None) -> str:
        """Run a docker command that must succeed.

        Returns:
            What it wrote to standard output, stripped.
        """
        done = self.run(*arguments, timeout=timeout, stdin=stdin)
        if done.returncode != 0:
            raise BedError(f"docker {' '.join(map(str, arguments))[:300]}: {done.stderr.strip()[-2000:]}")
        return done.stdout.strip()

    def run(
        self, *arguments: str | Path, timeout: float = 60, stdin: bytes | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a docker command, whatever becomes of it."""
        done = subprocess.run(
            ["docker", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
            env=self.environment,
            cwd=cwd,
        )
        out, err = (one.decode(errors="replace") for one in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def compose(self, *arguments: str, project: str, folder: Path, timeout: float = 120) -> str:
        """Run a compose command, in `folder`, that must succeed."""
        done = self.run("compose", "-p", project, *arguments, timeout=timeout, cwd=folder)
        if done.returncode != 0:
            raise BedError(f"compose {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
        return done.stdout.strip()

    def inspect(self, what: str) -> dict[str, Any]:
        """What the engine knows of a container, image, network or volume."""
        found: dict[str, Any] = json.loads(self("inspect", what))[0]
        return found

    def name(self, word: str) -> str:
        """A name for a container, project, network, volume or repository of this process, never given before."""
        return f"{PREFIX}-{_namespace()}-{os.getpid()}-{start_time(os.getpid())}-{word}-{next(self._numbers)}"

    def remove(self, name: str) -> None:
        """Remove everything that has this name or belongs to the compose project of this name; images as well."""
        for kind, remove in _KINDS:
            if found := [thing for thing, known in self._things(kind) if any(_is_of(one, name) for one in known)]:
                self.run(*remove, *found, timeout=120)

    def sweep(self) -> list[str]:
        """Remove what sessions left behind whose process is gone.

        Returns:
            What was removed.
        """
        removed = []
        for kind, remove in _KINDS:
            for thing, known in self._things(kind):
                if any(_abandoned(name) for name in known) and self.run(*remove, thing, timeout=120).returncode == 0:
                    removed.append(f"{kind} {'/'.join(sorted(known))}")
        return removed

    def _things(self, kind: str) -> list[tuple[str, set[str]]]:
        """Everything of a kind in the engine: its id, and the names that tell whose it is."""
        if kind == "image":
            shape = "{{.Repository}}:{{.Tag}}\t{{.Repository}}\t{{.Repository}}@{{.Digest}}"
            lines = [_named_image(line) for line in self("image", "ls", "--digests", "--format", shape).splitlines()]
        else:
            field = "Names" if kind == "container" else "Name"
            shape = f'{{{{.{field}}}}}\t{{{{.{field}}}}}\t{{{{.Label "{_PROJECT}"}}}}'
            lines = self(kind, "ls", *(["--all"] if kind == "container" else []), "--format", shape).splitlines()
        rows = [line.split("\t") for line in lines]
        return [(row[0], {one for one in row[1:] if one}) for row in rows]


_KINDS: Final = (
    ("container", ("container", "rm", "--force", "--volumes")),
    ("network", ("network", "rm")),
    ("volume", ("volume", "rm", "--force")),
    ("image", ("image", "rm", "--force")),
)
"""In the order in which they can be removed."""


def _named_image(line: str) -> str:
    """A line of images, with the name by which this one can be removed; one that was pulled by digest has no tag."""
    tagged, repository, pinned = line.split("\t")
    return f"{pinned if tagged.endswith(':<none>') else tagged}\t{repository}"


def _is_of(known: str, name: str) -> bool:
    """Whether what is known by a name is the thing of that name, or an image of a repository of that name."""
    return known == name or known.endswith(f"/{name}")


def _abandoned(name: str) -> bool:
    found = _NAME.match(name)
    return found is not None and found[1] == _namespace() and start_time(int(found[2])) != int(found[3])


@cache
def _namespace() -> str:
    """Where our process ids mean something: others may use the same engine from other containers."""
    return f"{os.stat('/proc/self/ns/pid').st_ino:x}"


@cache
def engine() -> Engine:
    """The engine of this machine, got ready when it is first asked for, and left when this process ends.

    Raises:
        BedError: there is none, and none can be started; the message says why.
    """
    member = Membership()
    try:
        with changing():
            made = _open()
    except BedError:
        member.close()
        raise
    atexit.register(_leave, member)
    for one in made.sweep():
        say(f"removed {one}, which an ended session had left")
    return made


@cache
def registry() -> str:
    """The address of the bed's registry, host and port; it holds what was pushed in earlier sessions too."""
    engine()
    with changing():
        return daemon.start_registry()


@cache
def missing() -> str:
    """Why there is no engine here; nothing where there is one."""
    try:
        engine()
    except BedError as error:
        return str(error)
    return ""


def _open() -> Engine:
    """Find the engine, or start one. The bed's lock must be held."""
    env: dict[str, str] = {}
    if own := shutil.which("docker") is None or not daemon.answers({}):
        daemon.start_engine()
        env["DOCKER_HOST"] = f"unix://{daemon.engine_socket()}"
    if not _has_compose(env):
        if not own:
            # With another DOCKER_CONFIG the context that names the engine is lost.
            env["DOCKER_HOST"] = run(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).strip()
        env["DOCKER_CONFIG"] = str(compose_plugin())
    need("busybox")
    return Engine(env, own=own)


def _has_compose(env: dict[str, str]) -> bool:
    try:
        return run(["docker", "compose", "version", "--short"], env=env).lstrip("v").startswith("2.")
    except BedError:
        return False


def _leave(member: Membership) -> None:
    """Stop what the bed started, where nobody else uses it and nobody asked for it to stay."""
    if member.leave() and not (home() / "stay").exists():
        with suppress(BedError), changing():
            daemon.stop_registry()
            daemon.stop_engine()
    member.close()


def up() -> Engine:
    """Start the bed, and let it stay when its users have left."""
    made = engine()
    (home() / "stay").touch()
    return made


def down() -> None:
    """Stop the bed as soon as nobody uses it."""
    (home() / "stay").unlink(missing_ok=True)
    _leave(Membership())
