"""What we read of awkward compose files is what compose itself makes of them, before and after a change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fsm.errors import PlanError
from fsm.services.docker.client import Docker
from fsm_container.image_edit import Wanted, plan_edits
from fsm_container.project import applied
from fsm_container.stack import Stack
from tests.hosts.engine import engine

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_docker]

FILES = {
    "anchors": (
        "x-image: &img acme/web:1\nservices:\n  web: {image: *img}\n  db: {image: pg}\n",
        "",
    ),
    "merge keys": (
        "x-a: &a {tty: true, image: 'acme/web:1'}\nx-b: &b {image: pg}\nservices:\n"
        "  web: {<<: [*a, *b]}\n  db: {<<: [*b, *a]}\n  own: {<<: *a, image: redis}\n",
        "",
    ),
    "extends": (
        "services:\n  web: {extends: {service: base}, tty: true}\n  base: {image: 'acme/web:1'}\n"
        "  other: {extends: base, image: redis}\n",
        "",
    ),
    "variables": (
        "services:\n  web: {image: 'acme/web:${TAG}'}\n  db: {image: '${DB:-pg}:${V-1}'}\n"
        "  cost: {image: 'redis:${NONE:+1}7', labels: {a: 'x$$y'}}\n",
        "TAG=1 # now\nV=\nexport X='a'\n",
    ),
    "quoted values": ("services:\n  web: {image: 'acme/web:${TAG}'}\n", 'A="x\\ny"\nTAG="1"\nB=\'it #1\'\n'),
    "the last value counts": ("services:\n  web: {image: 'acme/web:${TAG}'}\n", "TAG=0\r\nTAG=1\r\n"),
    "spaces": ("services:\n  web: {image: 'acme/web:${TAG}'}\n", "  TAG = 1  # c\n"),
    "colon": ("services:\n  web: {image: 'acme/web:${TAG}'}\n", "TAG: 1\n"),
    "nested defaults": ("services:\n  web: {image: 'acme/web:${TAG:-${OLD:-1}}'}\n", "OLD=3\n"),
    "a whole service": ("services:\n  web: &w {image: 'acme/web:1'}\n  two: *w\n", ""),
    "null": ("services:\n  web: {image: 'acme/web:1', command: ~}\n", ""),
    "odd spellings": (
        '"services":\n  "web":\n    "image":   "acme/web:1"  # c\n    command: |\n      image: no\n',
        "",
    ),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_images_are_what_compose_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, line_break: str):
    """Each service's image; and after the change all but the changed one are as before."""
    for key, value in engine().env.items():
        monkeypatch.setenv(key, value)
    text, env = FILES[name]
    file, env_file = tmp_path / "compose.yml", tmp_path / ".env"
    file.write_bytes(text.replace("\n", line_break).encode())
    env_file.write_bytes(env.encode())
    stack = Stack(
        docker=Docker(),
        program=("docker", "compose"),
        project="awkward",
        directory=tmp_path,
        files=(Path(os.path.realpath(file)),),
        env_files=(Path(os.path.realpath(env_file)),),
        services=("web",),
    )
    project = stack.read()
    before = {service: about["image"] for service, about in stack.config()["services"].items()}
    assert project.images() == before
    named = [service for service in before if before[service] == before["web"] and service in ("web", "two", "base")]
    wanted = Wanted(tuple(named), "acme/web", "2", others="leave")
    edits = plan_edits(project, wanted, what="cannot update")
    assert edits
    for edit in edits:
        edit.path.write_bytes(edit.apply(edit.path.read_bytes()))
    after = {service: about["image"] for service, about in stack.config()["services"].items()}
    assert after == before | dict.fromkeys(named, "acme/web:2") == applied(project, edits).images()


def test_an_included_file_is_refused_as_it_is_said(tmp_path: Path):
    """Compose would find the service; we say where it is."""
    (tmp_path / "compose.yml").write_text("include: [more.yml]\nservices: {db: {image: pg}}\n")
    (tmp_path / "more.yml").write_text("services: {web: {image: 'acme/web:1'}}\n")
    stack = Stack(
        docker=Docker(),
        program=("docker", "compose"),
        project="awkward",
        directory=tmp_path,
        files=(tmp_path / "compose.yml",),
        env_files=(),
        services=("web",),
    )
    with pytest.raises(PlanError, match="has an `include`"):
        plan_edits(stack.read(), Wanted(("web",), "acme/web", "2"), what="cannot update")
