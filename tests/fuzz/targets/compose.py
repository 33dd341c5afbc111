"""Compose files and their variables: found, spliced, and spliced back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fsm.errors import PlanError
from fsm.services.docker.reference import parse
from fsm_container import composefile
from fsm_container.composefile import ComposeFile, Nowhere
from fsm_container.image_edit import Wanted, plan_edits
from fsm_container.project import Project, applied
from fsm_container.splice import FileEdit

EXAMPLE: Final = Path(__file__).resolve().parents[3] / "examples" / "product" / "host" / "docker-compose.yml"
SEPARATOR: Final = b"\0"
"""Between the compose file and the env file; neither may have one."""

TAG: Final = "9.9.9"
DIGEST: Final = f"sha256:{'9' * 64}"

WORDS = (
    *(b"services:", b"image: ", b"extends: ", b"build: .", b"file: ", b"service: ", b"include: ", b"!reset", b"|-\n"),
    *(b"<<: *a", b"&a ", b"*a", b"${TAG}", b"${TAG:-1.2}", b"${TAG:?", b"$$", b"TAG=1.2", b":1.2.0"),
    b"@sha256:" + b"0" * 64,
)
LONGEST = 2048


def run(data: bytes) -> None:
    """Change the image of each service, and take the change back."""
    compose, _, env = data.partition(SEPARATOR)
    file = ComposeFile.of(Path("/srv/docker-compose.yml"), compose)
    project = Project([file], {Path("/srv/.env"): env})
    for name in composefile.names(project.files)[:3]:
        image = project.image(name)
        reference = None if isinstance(image, Nowhere) else parse(image)
        repository = "example.org/other" if reference is None else reference.repository
        for digest in ("", DIGEST):
            wanted = Wanted((name,), repository, TAG, digest, "leave")
            try:
                edits = plan_edits(project, wanted, what="cannot update")
            except PlanError:
                continue
            _proved(project, edits, {Path("/srv/docker-compose.yml"): compose, Path("/srv/.env"): env}, name)


def _proved(project: Project, edits: tuple[FileEdit, ...], files: dict[Path, bytes], name: str) -> None:
    image = applied(project, edits).image(name)
    assert isinstance(image, str), "after the change the image cannot be told"
    assert TAG in image or DIGEST in image, f"after the change the image is {image!r}"
    for edit in edits:
        before = files[edit.path]
        after = edit.apply(before)
        assert edit.forward(before) == edit.forward(after) == after, "the change is not the same twice"
        back = edit.backward(after)
        # A line that is added ends the one before it; that stays.
        assert back is None or back.rstrip(b"\r\n") == before.rstrip(b"\r\n"), "taken back, the file is another one"
        again = FileEdit.model_validate_json(edit.model_dump_json())
        assert again == edit, "frozen in a plan, the change is another one"


def seeds() -> Iterator[bytes]:
    """Each way in which a service can get its image."""
    yield EXAMPLE.read_bytes() + SEPARATOR
    yield b"services:\n  a:\n    image: x.org/y:${TAG:-1}\n  b:\n    image: z@sha256:" + b"0" * 64 + b"\n\0TAG=1.2.0\n"
    yield b"x-a: &a\n  image: 'x/y:v${V}'\nservices: {a: {<<: *a}, b: {extends: {service: a}}}\n\0export V=1.2.0 # now"
    yield b'services:\n  a: &s\n    image: "x:1"\n  b: *s\n  c:\n    image: !reset null\n  d:\n    extends: a\n'
    yield b"services:\r\n  a:\r\n    image: ${REG}/y:1\r\n    environment: [A=1]\r\n\0REG=x.org:5000\r\nB=2"
