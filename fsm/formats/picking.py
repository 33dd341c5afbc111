"""Which artifacts of a release a host takes."""

from __future__ import annotations

from collections.abc import Iterable

from fsm.errors import ManifestError
from fsm.formats.artifacts import Artifact
from fsm.formats.platforms import matches_platform, specificity


def pick_artifacts(artifacts: Iterable[Artifact], platform: str) -> tuple[Artifact, ...]:
    """The artifacts that fit a platform: those made most specially for it first, else in their order."""
    fitting = [artifact for artifact in artifacts if matches_platform(artifact.platform, platform)]
    return tuple(sorted(fitting, key=lambda artifact: -specificity(artifact.platform)))


def pick_artifact(artifacts: Iterable[Artifact], platform: str) -> Artifact:
    """The one artifact that fits a platform best.

    Args:
        artifacts: of which one is wanted.
        platform: the host's, as `current_platform` writes it.

    Raises:
        ManifestError: none fits, or several fit equally well.
    """
    fitting = pick_artifacts(artifacts, platform)
    best = [each for each in fitting if specificity(each.platform) == specificity(fitting[0].platform)]
    if len(best) == 1:
        return best[0]
    names = ", ".join(artifact.name for artifact in best)
    raise ManifestError(
        f"cannot choose an artifact for {platform}",
        f"several fit equally well: {names}" if names else "the release has none for it",
        "name the platform of each artifact in the manifest" if names else "wait for a release that has one",
    )
