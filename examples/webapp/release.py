"""Makes releases of the web app in a directory that `fsm` takes as a source: ``<dir>/<version>/``.

What a release workflow does, in small: an archive with one top-level directory, the dependency as a wheel beside the
code (so that hosts need no package index), and the manifest with the archive's size and SHA-256.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

APP = Path(__file__).with_name("app.py")

MANIFEST = """\
version: "{version}"
component: "web"
component_type: "python_app"
artifacts:
  - name: "{name}"
    size: {size}
    sha256: "sha256:{sha256}"
post_update_checks:
  - type: "service_active"
    timeout_seconds: 10
  - type: "health_endpoint"
    url: "http://127.0.0.1:{port}/health"
    timeout_seconds: {timeout}
    expected_status: 200
    expected_body: "{version}"
"""


def build(releases: Path, version: str, *, port: int, broken: bool = False, timeout: int = 10) -> Path:
    """Publish one release.

    Args:
        releases: the source directory.
        version: of the release.
        port: where the app will listen, for the manifest's health check.
        broken: whether its health page answers 500.
        timeout: seconds that the health check may take.

    Returns:
        The release's directory.
    """
    files = {
        "app.py": APP.read_bytes(),
        "VERSION": f"{version}\n".encode(),
        "requirements.txt": b"greeting==1.0\n",
        "wheels/greeting-1.0-py3-none-any.whl": wheel(),
    }
    if broken:
        files["BROKEN"] = b""
    name = f"webapp-{version}.tar.gz"
    staged = releases / f".{version}.new"
    staged.mkdir(parents=True)
    (staged / name).write_bytes(archive(f"webapp-{version}", files))
    data = (staged / name).read_bytes()
    manifest = MANIFEST.format(
        version=version, name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest(), port=port, timeout=timeout
    )
    (staged / "update-manifest.yaml").write_text(manifest, encoding="utf-8")
    # A release appears all at once: a host that looks in between sees nothing of it.
    return staged.rename(releases / version)


def archive(top: str, files: dict[str, bytes]) -> bytes:
    """A tar.gz with one top-level directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mode, member.mtime = len(data), 0o644, 1_700_000_000
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def wheel() -> bytes:
    """A real wheel, made by hand: a pure Python package is a zip file with three notes.

    Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    info = "greeting-1.0.dist-info"
    files = {
        "greeting/__init__.py": 'def greet(name: str) -> str:\n    return f"Good evening, {name}"\n',
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: fsm-example\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in files) + f"{info}/RECORD,,\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            packed.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


def main() -> None:
    """The command line: ``python release.py DIR VERSION --port PORT [--broken]``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("releases", type=Path)
    parser.add_argument("version")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--broken", action="store_true", help="its health page answers 500")
    given = parser.parse_args()
    print(f"published {build(given.releases, given.version, port=given.port, broken=given.broken)}")


if __name__ == "__main__":
    main()
