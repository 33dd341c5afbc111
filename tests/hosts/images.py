"""Images of a small web service: a busybox that needs no library, a version, a health check, and nothing else.

    name = engine().name("shop")
    image = publish(name, "1.2.0")  # 127.0.0.1:5181/fsmt-…-shop-1:1.2.0, pushed, not yet pulled
    bad = publish(name, "1.3.0", trait="unhealthy")

The service answers on port 8080: `/version` with its version and a line feed, `/` with what the environment variable
GREETING says. The same files are a context for `docker build` (`context`), for checkouts that build their own.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import urllib.request
from pathlib import Path
from typing import Final, Literal

from tests.hosts.engine import engine, registry
from tests.hosts.packages import busybox

Trait = Literal["good", "unhealthy", "crashes", "dies", "never", "once", "stubborn", "unchecked"]
"""What an image does.

good: answers, and is healthy after half a second.
unhealthy: answers, but its health check fails.
crashes: ends at once with exit code 3.
dies: answers and is healthy, and ends after ten seconds with exit code 4.
never: answers, and its health stays `starting`.
once: does its work, and ends with exit code 0: no service at all.
stubborn: good, but ignores TERM.
unchecked: answers, and has no health check.
"""

PORT: Final = 8080

_SERVE: Final = """\
#!/bin/busybox sh
# Process 1 of a container gets no signal that it does not catch.
read version < /version
case {trait} in
  crashes) echo "version $version crashes" >&2; exit 3;;
  once) echo "version $version has done its work"; exit 0;;
  stubborn) trap '' TERM;;
  *) trap 'kill $server; exit 0' TERM;;
esac
busybox mkdir -p /www
busybox cp /version /www/version
echo "${{GREETING:-hello}}" > /www/index.html
echo "version $version serves"
busybox httpd -f -p {port} -h /www &
server=$!
if [ {trait} = dies ]; then
  busybox sleep 10 &
  wait $!
  echo "version $version dies" >&2
  exit 4
fi
while :; do wait $server; done
"""

_CHECK: Final = """\
#!/bin/busybox sh
case {trait} in unhealthy|never) echo "by its own word" >&2; exit 1;; esac
exec busybox wget -q -O /dev/null http://127.0.0.1:{port}/version
"""

_OFTEN: Final = "--interval=500ms --timeout=5s --retries=3"
_NEVER: Final = "--interval=500ms --timeout=5s --retries=3 --start-period=600s"


def files(version: str, trait: Trait = "good") -> dict[str, bytes]:
    """What an image consists of."""
    return {
        "bin/busybox": busybox().read_bytes(),
        "serve": _SERVE.format(trait=trait, port=PORT).encode(),
        "check": _CHECK.format(trait=trait, port=PORT).encode(),
        "version": f"{version}\n".encode(),
    }


def instructions(version: str, trait: Trait = "good") -> list[str]:
    """What a Dockerfile says of the image beyond its files."""
    health = f"HEALTHCHECK {_NEVER if trait == 'never' else _OFTEN} CMD {json.dumps(['/check'])}"
    return [
        "ENV PATH=/bin",
        f"EXPOSE {PORT}",
        f"LABEL org.opencontainers.image.version={version}",
        *([] if trait in ("once", "crashes", "unchecked") else [health]),
        f"CMD {json.dumps(['/serve'])}",
    ]


def build(name: str, version: str, *, trait: Trait = "good", tag: str | None = None, ballast: int = 0) -> str:
    """Make an image in the engine.

    Args:
        name: its repository's name, with or without a registry.
        version: what it says it is.
        trait: what it does.
        tag: its tag, where that is not the version.
        ballast: bytes of noise in it, other ones each time.

    Returns:
        Its reference, repository and tag.
    """
    reference = f"{name}:{tag or version}"
    engine()(*importing(reference, version, trait), stdin=packed(version, trait, ballast))
    return reference


def importing(reference: str, version: str, trait: Trait = "good") -> list[str]:
    """The docker command that makes an image of what `packed` gives it."""
    changes = [part for line in instructions(version, trait) for part in ("--change", line)]
    return ["import", *changes, "-", reference]


def publish(
    name: str,
    version: str,
    *,
    trait: Trait = "good",
    tag: str | None = None,
    keep: bool = False,
    ballast: int = 0,
) -> str:
    """Make an image and push it to the bed's registry, under a repository of its own.

    Args:
        name: the last part of the repository, of `Engine.name`; the first is the registry.
        version: what it says it is.
        trait: what it does.
        tag: its tag, where that is not the version.
        keep: whether the engine keeps its copy; else it has to be pulled.
        ballast: see `build`.

    Returns:
        Its reference: registry, repository and tag.
    """
    reference = build(f"{registry()}/{name}", version, trait=trait, tag=tag, ballast=ballast)
    engine()("push", "--quiet", reference)
    if not keep:
        engine()("image", "rm", reference)
    return reference


def context(folder: Path, version: str, *, trait: Trait = "good") -> None:
    """Write a context for `docker build`: a Dockerfile and the files of an image."""
    for name, data in files(version, trait).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o644 if name == "version" else 0o755)
    (folder / "bin" / "sh").unlink(missing_ok=True)
    (folder / "bin" / "sh").symlink_to("busybox")
    lines = ["FROM scratch", "COPY bin /bin", "COPY serve check version /", *instructions(version, trait)]
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")


def fetch(url: str) -> str:
    """What a service on loopback answers, stripped; no proxy is asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return str(answer.read().decode()).strip()


def packed(version: str, trait: Trait = "good", ballast: int = 0) -> bytes:
    """The files of an image as a tar archive."""
    buffer = io.BytesIO()
    noise = {"ballast": os.urandom(ballast)} if ballast else {}
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in {**files(version, trait), **noise}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644 if name in ("version", "ballast") else 0o755
            tar.addfile(member, io.BytesIO(data))
        shell = tarfile.TarInfo("bin/sh")
        shell.type, shell.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(shell)
    return buffer.getvalue()
