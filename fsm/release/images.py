"""Container images of a release: each tag is resolved to the digest that it has now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fsm.errors import FsmError
from fsm.release.problems import ReleaseError, Spot


def pinned(
    steps: Iterable[dict[str, Any]], images: Sequence[str], spot: Spot, *, resolve: bool
) -> list[dict[str, Any]]:
    """The update steps with every image by its digest.

    Args:
        steps: as the description has them.
        images: references; one without a digest is resolved, and one that no `pull_image` names gets such a step.
        spot: where the images stand in the description.
        resolve: whether registries are asked; without it, images keep their tags.

    Raises:
        ReleaseError: a registry does not answer, or does not know the image.
    """
    found = {image: _with_digest(image, spot) if resolve else image for image in dict.fromkeys(images)}
    named = set()
    made = []
    for step in steps:
        image = step.get("image")
        named.add(image)
        made.append({**step, "image": found[image]} if image in found else step)
    new = [{"action": "pull_image", "image": whole} for image, whole in found.items() if image not in named]
    return [*new, *made]


def _with_digest(image: str, spot: Spot) -> str:
    if "@" in image:
        return image
    if not image.rpartition("/")[2].partition(":")[2]:
        raise ReleaseError(spot, f"{image} has no tag", "write the tag of this release, e.g. :{version}")
    from fsm.release.registry import digest_of  # noqa: PLC0415 - HTTP, only for releases with images

    try:
        return f"{image}@{digest_of(image)}"
    except FsmError as error:
        raise ReleaseError(spot, error.cause, error.todo) from error
