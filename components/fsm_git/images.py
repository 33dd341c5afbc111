"""Images that compose builds from the new commit, before the stop; the old ones are kept by tags of ours.

A build moves the image's name to what it made, and whatever starts the old version again would start the new one. So
the image that each name stood for is written down and tagged first, the name goes back to it right after the build, and
moves on between stop and start only. The undo needs neither a network nor a build. A kept commit keeps its images, and
a rollback to it takes them instead of building.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from fsm.adapter import Done, Failed, StepContext, StepResult
from fsm.errors import CommandFailed, StepFailed, Transient, Unsupported
from fsm.lifecycle import State
from fsm.services import Runner
from fsm.services.docker import compose as programs
from fsm.services.docker.client import Docker
from fsm.system import faults
from fsm.system.exit_codes import exited
from fsm_git.finish import BackupRecord
from fsm_git.site import GitStep
from fsm_git.spec import Build

REPOSITORY: Final = "fsm-kept"
"""The repository of our tags, which no registry has."""

_DOCKER: Final = Docker()


class KeepImages(GitStep):
    """Find out which images the build makes, and keep those that have their names now."""

    name: ClassVar[str] = "keep_images"
    title: ClassVar[str] = "keep the images that are to be built anew"
    undo_title: ClassVar[str] = "remove the tags of the kept images"

    build: Build
    project: str

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`. Once it is done it never runs again, so what it finds are the old images."""
        stage = self.site.paths(ctx).stage
        names = built(stage, self.build, self.project)
        if not names:
            return Failed(
                why=f"no service of {', '.join(self.build.compose or ())} has `build`", todo="correct build.compose"
            )
        old, kept = {}, {}
        for number, name in enumerate(names):
            old[name] = image_id(name)
            if old[name] is not None:
                kept[name] = tag(ctx.component, ctx.run_id, f"{number}")
                _tag(ctx, "keep an image", str(old[name]), kept[name])
                faults.point("git.images.kept")
        return Done(data={"old": old, "kept": kept})

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return (*super().durable(ctx), *_DOCKER.durable())

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        remove_tags(ctx, str(ctx.run_id))
        faults.point("git.images.dropped")
        return Done()


class BuildImages(GitStep):
    """Build the images of the new commit in its worktree, or take those that were kept with it."""

    name: ClassVar[str] = "build_images"
    title: ClassVar[str] = "build the images of the new commit"
    undo_title: ClassVar[str] = "leave their names to the old images"

    build: Build
    project: str

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`."""
        old = _old(ctx)
        kept = self._kept()
        if kept:
            return Done(data={"new": kept}, notes=("the images that were kept with this commit are used",))
        stage = self.site.paths(ctx).stage
        argv = [*compose(stage, self.build, self.project), "build", "--quiet"]
        result = ctx.run(argv, cwd=stage, env={**_DOCKER.environ, **self.build.env}, timeout=self.build.timeout)
        faults.point("git.images.built")
        if result.code != 0:
            return Failed(
                why=f"docker compose build {exited(result.code)}: {' '.join(result.tail.split())[-300:]}",
                todo="see the log; the commit is broken, or this host lacks what its build needs",
            )
        new = {}
        for number, name in enumerate(old):
            new[name] = image_id(name)
            if new[name] is None:
                return Failed(why=f"docker compose build made no {name}", todo="see the log")
            _tag(ctx, "keep a new image", str(new[name]), tag(ctx.component, ctx.run_id, f"new-{number}"))
        give_names(ctx, old)
        return Done(data={"new": new})

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return (*super().durable(ctx), *_DOCKER.durable())

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        give_names(ctx, _old(ctx))
        return Done()

    def _kept(self) -> dict[str, str]:
        """The images that were kept with this commit, where all of them are still here."""
        every = (
            record.images for _, record in self.site.layout.records(BackupRecord) if record.commit == self.site.new
        )
        found = {name: image_id(ours) for name, ours in next(every, {}).items()}
        return {name: image for name, image in found.items() if image} if all(found.values()) else {}


class UseImages(GitStep):
    """Give the new images their names, now that nothing runs that could be started from them by mistake."""

    name: ClassVar[str] = "use_images"
    title: ClassVar[str] = "give the new images their names"
    undo_title: ClassVar[str] = "give the old images their names back"
    touches_live: ClassVar[bool] = True

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`."""
        give_names(ctx, ctx.results["build_images"]["new"])
        return Done()

    def durable(self, ctx: StepContext) -> Sequence[Path]:
        """See `Step.durable`."""
        return (*super().durable(ctx), *_DOCKER.durable())

    def undo(self, ctx: StepContext) -> StepResult:
        """See `Step.undo`."""
        give_names(ctx, _old(ctx))
        return Done()


class ForgetImages(GitStep):
    """Remove our tags of images whose commit is no longer kept."""

    name: ClassVar[str] = "forget_images"
    phase: ClassVar[State] = State.VERIFYING
    title: ClassVar[str] = "remove the images of commits that are no longer kept"
    touches_live: ClassVar[bool] = True

    def act(self, ctx: StepContext) -> StepResult:
        """See `HostStep.act`. Nothing here can fail an update that has been verified."""
        known = {ours for _, record in self.site.layout.records(BackupRecord) for ours in record.images.values()}
        try:
            remove_tags(ctx, keep=known)
        except (StepFailed, Transient) as error:
            return Done(notes=(f"could not remove images that are no longer needed: {error}",))
        faults.point("git.images.forgotten")
        return Done()


def compose(stage: Path, build: Build, project: str) -> list[str]:
    """The beginning of a compose command line for the tree of the new commit.

    Raises:
        StepFailed: there is no compose v2.
    """
    try:
        program = programs.find()
    except Unsupported as error:
        raise StepFailed("cannot build with compose", error.why, error.todo) from error
    files = [part for name in build.compose or () for part in ("--file", str(stage / name))]
    folder = (stage / (build.compose or ("",))[0]).parent
    return [*program, "--project-name", project, "--project-directory", str(folder), *files]


def built(stage: Path, build: Build, project: str) -> list[str]:
    """The names of the images that a build makes, as compose names them.

    Raises:
        StepFailed: there is no compose v2, or it cannot read the files.
    """
    try:
        found = programs.config(compose(stage, build, project), {**_DOCKER.environ, **build.env})
    except StepFailed as error:
        raise StepFailed(f"{error.what} of the new commit", error.why, "correct them upstream") from error
    services: dict[str, Any] = found.get("services", {})
    return sorted({about.get("image") or f"{project}-{name}" for name, about in services.items() if "build" in about})


def image_id(name: str) -> str | None:
    """The image that a name stands for; None if it stands for none."""
    found = _DOCKER.image(name)
    return None if found is None else found.id


def tag(component: str, run: int, which: str) -> str:
    """Our name of a kept image."""
    return f"{REPOSITORY}/{component}:{run}-{which}"


def remove_tags(ctx: StepContext, run: str = "", *, keep: set[str] | frozenset[str] = frozenset()) -> None:
    """Remove our tags of a component, of one run or of all; images that nothing else names go with them."""
    for name in _DOCKER.names(f"{REPOSITORY}/{ctx.component}"):
        ours = name.rpartition(":")[2]
        if name not in keep and (not run or ours.startswith(f"{run}-")):
            _must("remove a tag of ours", _DOCKER.untag(ctx, name))


def give_names(ctx: Runner, wanted: Mapping[str, str | None]) -> None:
    """Have each name stand for its image; None: for none."""
    for name, image in wanted.items():
        if image is not None:
            _tag(ctx, "give an image its name", image, name)
        elif image_id(name) is not None:
            # The name only: containers that were made of it keep the image.
            _must("take the name of an image away", _DOCKER.untag(ctx, name, prune=False, force=True))
        faults.point("git.images.named")


def _old(ctx: StepContext) -> dict[str, str | None]:
    """The images before the run, by name; none where nobody has looked yet, and so nothing has changed."""
    found: dict[str, str | None] = ctx.results.get("keep_images", {}).get("old", {})
    return found


def _tag(ctx: Runner, what: str, image: str, name: str) -> None:
    _must(what, _DOCKER.tag(ctx, image, name))


def _must(what: str, complaint: str) -> None:
    if complaint:
        raise CommandFailed(f"cannot {what}", complaint, "see whether the Docker engine runs")
