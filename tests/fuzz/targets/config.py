"""`fsm.toml`, loaded from a file as every command does it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from fsm.adapter import Registry
from fsm.host.config import ComponentKeys, Settings, load
from fsm.host.places import default_state_dir
from tests.fuzz.words import words_of

EXAMPLE: Final = Path(__file__).resolve().parents[3] / "examples" / "product" / "host" / "fsm.toml"
ROOT_KEY: Final = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"


@cache
def _registry() -> Registry:
    return Registry.discover()


def _words() -> tuple[bytes, ...]:
    kinds = ("container", "git", "python_app")
    specs = [_registry().get(kind).spec.model_json_schema() for kind in kinds]
    found = words_of([Settings.model_json_schema(), ComponentKeys.model_json_schema(), *specs])
    return (*found, *(kind.encode() for kind in kinds), b"[fsm]", b"[sets]", b"[trust]", b"[components.web]", b"[[")


WORDS = _words()
LONGEST = 4096


def run(data: bytes) -> None:
    """Load it, and ask for what depends on several tables."""
    path = Path.cwd() / "fsm.toml"
    path.write_bytes(data)
    config = load(path, _registry())
    assert config.settings.state_dir is not None or config.state_dir == default_state_dir()
    for component in config.components.values():
        config.trust_of(component)
        assert all(name.partition(".")[0] == component.name.partition(".")[0] for name in component.services)


def seeds() -> Iterator[bytes]:
    """The product's file, and one that has the rest."""
    yield EXAMPLE.read_bytes()
    yield (
        f"""[fsm]
state_dir = "state"
jobs = 2
check_interval_hours = 1.5
deadlines = {{ updating = 60, verifying = 5.5 }}
pass_environment = ["HTTPS_PROXY"]

[trust]
root_keys = ["{ROOT_KEY}"]
threshold = 1

[components.web]
type = "python_app"
install_path = "~/web"
depends_on = ["db"]
run_as = 1000
prereleases = true
source = {{ type = "http", url = "https://example.org/web", repository = "acme/shop", token_env = "TOKEN" }}

[components.db]
type = "container"
compose_files = ["docker-compose.yml"]
services = ["db"]
image = "docker.io/library/postgres"
source = {{ type = "github", repository = "acme/shop", prereleases = true }}

[sets]
all = ["web", "db"]
"""
    ).encode()
    yield b"\xef\xbb\xbf[components.a]\ntype = 'git'\npath = '/srv/a'\n[components.a.source]\ntype='git'\nurl='x'\n"
