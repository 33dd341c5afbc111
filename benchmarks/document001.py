"""Document 001's update of a Python app, as it is written down there ("Update Process - Python Application").

``python -m benchmarks.document001 HOST-DIRECTORY PORT ARCHIVE [light]``. Its steps, in its order: download (here a
copy), back the installation directory up, stop the service, extract the new version into the installation directory,
``pip install -r requirements.txt``, start the service. Kind to it: the service manager is ours, whose stop and start
are faster than ``systemctl``'s; the packages are in the archive, so that no index is asked; its backup is made before
the stop.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.rig import BareContext
from benchmarks.webapp import Site


def update(site: Site, archive: Path) -> None:
    """Update the installation at `site` to the release in `archive`."""
    downloads, backups = site.place / "downloads", site.place / "backups"
    downloads.mkdir(exist_ok=True)
    backups.mkdir(exist_ok=True)
    fetched = downloads / archive.name
    shutil.copyfile(archive, fetched)
    backup = backups / f"web.{archive.stem}.tar.gz"
    subprocess.run(["tar", "czf", backup, "-C", site.live.parent, site.live.name], check=True)
    service, context = site.service(), BareContext()
    service.stop(context)
    subprocess.run(["tar", "xzf", fetched, "-C", site.live, "--strip-components=1"], check=True)
    install(site)
    service.start(context)


def install(site: Site) -> None:
    """Install the dependencies into the app's environment."""
    python = str(site.live / ".venv" / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python] if site.light else [python, "-m", "pip"]
    wanted = ["--find-links", str(site.live / "wheels"), "-r", str(site.live / "requirements.txt")]
    subprocess.run([*pip, "install", "--quiet", "--no-index", *wanted], check=True)


def first(site: Site, archive: Path) -> None:
    """Install the app for the first time, environment and all."""
    site.live.mkdir(parents=True)
    subprocess.run(["tar", "xzf", archive, "-C", site.live, "--strip-components=1"], check=True)
    # A light site borrows our pip, because a pip of its own takes seconds to come.
    bare = ["--without-pip"] if site.light else []
    subprocess.run([sys.executable, "-m", "venv", *bare, site.live / ".venv"], check=True)
    install(site)
    site.service().start(BareContext())


def main() -> None:
    """Update."""
    place, port, archive, *light = sys.argv[1:]
    update(Site(Path(place), int(port), light=bool(light)), Path(archive))


if __name__ == "__main__":
    main()
