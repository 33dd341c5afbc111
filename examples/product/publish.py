"""Releases the whole product: what the release workflows of its four parts do, in small.

``python publish.py VERSION [--broken PART]`` makes the app's archive, the images of the two services, which it pushes
to the registry at 127.0.0.1:5000, and a commit of the agent with its tag. Nothing is fetched: images are made FROM
scratch, of a static busybox (Debian's package ``busybox-static``).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
RELEASES: Final = Path("/srv/releases")
REPOSITORY: Final = Path("/srv/git/agent.git")
REGISTRY: Final = "127.0.0.1:5000"
SERVICES: Final = ("scheduler", "remote")
PARTS: Final = ("web", *SERVICES, "agent")

sys.path.append(str(HERE.parent / "webapp"))
import release as webapp  # type: ignore[import-not-found]  # noqa: E402 - the app is that of the other example

GIT: Final = ("git", "-c", "user.name=Author", "-c", "user.email=author@example.org")


def run(*argv: str, cwd: Path | None = None) -> None:
    """Run a command that must succeed."""
    subprocess.run(argv, cwd=cwd, check=True)


def context(folder: Path, version: str, *, broken: bool) -> None:
    """What an image is built of: a broken one lacks the page that says it is healthy."""
    shutil.copy(HERE / "image" / "Dockerfile", folder)
    shutil.copy("/bin/busybox", folder / "busybox")
    (folder / "www").mkdir()
    (folder / "www" / "version").write_text(f"{version}\n")
    if not broken:
        (folder / "www" / "healthy").write_text("yes\n")


def release_service(name: str, version: str, *, broken: bool) -> None:
    """An image in the registry, and a release that says there is one."""
    image = f"{REGISTRY}/stage/{name}:{version}"
    with tempfile.TemporaryDirectory() as folder:
        context(Path(folder), version, broken=broken)
        run("docker", "build", "--quiet", "--tag", image, folder)
    run("docker", "push", "--quiet", image)
    if version != "1.0.0":
        run("docker", "image", "rm", "--force", image)  # hosts pull it; this one has it only because it built it
    staged = RELEASES / name / f".{version}.new"
    staged.mkdir(parents=True)
    (staged / "update-manifest.yaml").write_text(f'version: "{version}"\ncomponent_type: container\n')
    staged.rename(RELEASES / name / version)


def release_agent(version: str, *, broken: bool) -> None:
    """A commit with a tag."""
    if not REPOSITORY.exists():
        run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(REPOSITORY))
    with tempfile.TemporaryDirectory() as folder:
        run("git", "init", "--quiet", "--initial-branch=main", folder)
        tree = Path(folder)
        if version != "1.0.0":
            run("git", "pull", "--quiet", str(REPOSITORY), "main", cwd=tree)
        shutil.rmtree(tree / "www", ignore_errors=True)
        context(tree, version, broken=broken)
        shutil.copy(HERE / "host" / "agent-compose.yml", tree / "docker-compose.yml")
        (tree / ".gitignore").write_text(".env\n")
        (tree / "VERSION").write_text(f"{version}\n")
        run("git", "add", "--all", cwd=tree)
        run(*GIT, "commit", "--quiet", "--message", f"Release {version}", cwd=tree)
        run("git", "tag", f"v{version}", cwd=tree)
        run("git", "push", "--quiet", str(REPOSITORY), "main", f"v{version}", cwd=tree)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("version")
    parser.add_argument("--broken", choices=PARTS, help="which part does not work")
    given = parser.parse_args()
    webapp.build(RELEASES / "web", given.version, port=8080, broken=given.broken == "web")
    for name in SERVICES:
        release_service(name, given.version, broken=given.broken == name)
    release_agent(given.version, broken=given.broken == "agent")
    print(f"released {given.version} of {', '.join(PARTS)}")


if __name__ == "__main__":
    main()
