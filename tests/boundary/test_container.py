"""What the Docker engine and systemd act upon as root: nobody else decides what it says."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from fsm.adapter import Registry
from fsm.errors import PlanError
from fsm.host import doctor, trusting
from fsm.host.component_users import target_of
from fsm.host.config import Config, parse
from fsm.services.docker.inputs import inputs
from fsm.services.systemctl import Systemctl

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_root]

ATTACKER: Final = 4242

COMPOSE: Final = """
x-common: &common
  env_file: [common.env, {path: more.env, required: false}]
include:
  - path: part/other.yaml
  - https://example.org/remote.git
services:
  web:
    <<: *common
    image: shop/web:1.0.0
    build: {context: web, dockerfile: Dockerfile.prod}
    extends: {file: base.yaml, service: base}
  job:
    image: shop/job:1.0.0
    build: job
secrets:
  key: {file: key.txt}
configs:
  conf: {file: "${WHERE}/conf"}
"""

TAKEN_IN: Final = (
    "common.env",
    "more.env",
    "web",
    "web/Dockerfile.prod",
    "job",
    "key.txt",
    "base.yaml",
    "part/other.yaml",
)


@pytest.fixture
def shop() -> Iterator[Path]:
    """A compose project of root's."""
    with tempfile.TemporaryDirectory(prefix="fsm-shop-") as directory:
        place = Path(directory)
        place.chmod(0o755)
        (place / "compose.yaml").write_text(COMPOSE)
        for name in ("web", "job", "part"):
            (place / name).mkdir()
        for name in (".env", "common.env", "more.env", "web/Dockerfile.prod", "key.txt", "base.yaml"):
            (place / name).touch()
        (place / "part/other.yaml").write_text("services:\n  other:\n    env_file: deep.env\n")
        yield place


def configured(shop: Path, **keys: Any) -> Config:
    """A host with that project."""
    web = {"type": "container", "compose_files": [str(shop / "compose.yaml")], "services": ["web"], "image": "shop/web"}
    return host_of(shop, {**web, **keys})


def host_of(shop: Path, web: dict[str, Any]) -> Config:
    """A host with that component."""
    data = {"fsm": {"state_dir": str(shop / "state")}, "components": {"web": web}}
    return parse(data, Registry.discover(), base=shop)


def doubted(config: Config) -> list[str]:
    """What is wrong with the files of its component."""
    component = config.components["web"]
    adapter = Registry.discover().get(component.keys.type)
    return [each.why for each in trusting.doubtful(component, adapter, component.target)]


def test_everything_that_a_compose_file_takes_in(shop: Path):
    """Merge keys and inclusions too; not what is remote, or has variables in its name."""
    found = inputs(shop, [shop / "compose.yaml"], [shop / ".env"])
    assert set(found) == {
        shop,
        shop / "compose.yaml",
        shop / ".env",
        shop / "deep.env",
        shop / "part/deep.env",
        shop / "part/.env",
        *(shop / name for name in TAKEN_IN),
    }
    assert doubted(configured(shop)) == []


@pytest.mark.parametrize("name", ["compose.yaml", ".env", "common.env", "web", "web/Dockerfile.prod", "base.yaml", "."])
def test_a_file_that_another_user_may_write_is_refused(shop: Path, name: str):
    """By name, with the remedy; and doctor says so, too, without asking compose about it."""
    os.chown(shop / name, ATTACKER, ATTACKER)
    config = configured(shop)
    component = config.components["web"]
    adapter = Registry.discover().get("container")
    with pytest.raises(PlanError) as caught:
        trusting.refuse(component, adapter, component.target)
    place = shop if name == "." else shop / name
    assert f"{place} belongs to user 4242" in caught.value.why
    assert f"`chown root {place}`" in caught.value.todo
    assert 'run_as = "root"' in caught.value.todo
    assert "belongs to user 4242" in trusting.why_not_asked(component, adapter, component.target)
    found = [each for each in doctor.examine(config, Registry.discover()) if each.subject == "web"]
    assert [each.level for each in found if each.message.startswith("root acts on")] == ["error"]


@pytest.mark.parametrize("name", ["compose.override.yml", "compose.yaml"])
def test_what_compose_finds_by_itself_for_a_service(shop: Path, name: str):
    """A service of any component: also the override file beside a usual one, in a directory of root's."""
    service = {"manager": "compose", "cwd": str(shop)}
    config = host_of(shop, {"type": "python_app", "install_path": str(shop / "app"), "service": service})
    assert doubted(config) == []
    (shop / name).write_text("services: {}\n")
    os.chown(shop / name, ATTACKER, ATTACKER)
    (why,) = doubted(config)
    assert f"{shop / name} belongs to user 4242" in why


def test_paths_of_an_included_file_are_relative_to_it(shop: Path):
    """As compose has them: what such a file takes in lies beside it."""
    (shop / "sub/user").mkdir(parents=True)
    (shop / "sub/more.yaml").write_text("services:\n  more: {extends: {file: user/common.yaml, service: x}}\n")
    (shop / "compose.yaml").write_text("include: [sub/more.yaml]\nservices:\n  web: {image: shop/web}\n")
    assert doubted(configured(shop)) == []
    (shop / "sub/user/common.yaml").touch()
    os.chown(shop / "sub/user/common.yaml", ATTACKER, ATTACKER)
    (why,) = doubted(configured(shop))
    assert f"{shop}/sub/user/common.yaml belongs to user 4242" in why


def test_a_user_who_is_trusted_like_root_is_named(shop: Path):
    """In the plan's notes, and by doctor."""
    os.chown(shop / "compose.yaml", ATTACKER, ATTACKER)
    config = configured(shop, run_as="root")
    component = config.components["web"]
    adapter = Registry.discover().get("container")
    (note,) = trusting.refuse(component, adapter, component.target)
    assert "belongs to user 4242" in note
    assert "like root" in note
    assert trusting.why_not_asked(component, adapter, component.target) == ""
    found = [each for each in doctor.examine(config, Registry.discover()) if "belongs to user 4242" in each.message]
    assert [each.level for each in found] == ["ok"]


@pytest.mark.parametrize(
    ("service", "place"),
    [
        ({"manager": "process", "command": ["{place}/run"]}, "run"),
        ({"manager": "process", "command": ["./run"], "cwd": "{place}"}, "run"),
        ({"manager": "process", "command": ["sleep"], "log_file": "{place}/log"}, "log"),
        ({"manager": "command", "start": ["true"], "stop": ["{place}/run"], "status": ["true"]}, "run"),
        ({"manager": "compose", "cwd": "{place}"}, "compose.yaml"),
        ({"manager": "systemd", "unit": "shop"}, "shop.service"),
    ],
)
def test_what_a_service_is_started_by(shop: Path, service: dict[str, Any], place: str, monkeypatch: pytest.MonkeyPatch):
    """Programs, logs, compose files and units."""
    (shop / place).touch()
    (shop / "app").mkdir()
    monkeypatch.setattr(Systemctl, "files", lambda self, unit: (shop / unit,))

    def filled(value: Any) -> Any:
        return [filled(each) for each in value] if isinstance(value, list) else value.format(place=shop)

    table = {key: filled(value) for key, value in service.items()}
    keys = {"type": "python_app", "install_path": str(shop / "app"), "service": table}
    config = parse(
        {"fsm": {"state_dir": str(shop / "state")}, "components": {"web": keys}}, Registry.discover(), base=shop
    )
    assert doubted(config) == []
    os.chown(shop / place, ATTACKER, ATTACKER)
    assert doubted(config) == [f"root acts on {shop / place}, and {shop / place} belongs to user 4242"]


def test_a_log_that_the_services_user_opens(shop: Path):
    """It may lie in his tree: root opens it for nobody."""
    (shop / "app").mkdir()
    os.chown(shop / "app", ATTACKER, ATTACKER)
    service = {"manager": "process", "command": ["sleep"], "log_file": str(shop / "app/log")}
    config = host_of(shop, {"type": "python_app", "install_path": str(shop / "app"), "service": service})
    component, adapter = config.components["web"], Registry.discover().get("python_app")
    assert trusting.doubtful(component, adapter, target_of(component, adapter)) == ()
    root = component.target
    assert [each.path for each in trusting.doubtful(component, adapter, root)] == [shop / "app/log"]
