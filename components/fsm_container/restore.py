"""Going back: the old image by its id, in containers that compose makes of the restored files, and proof that it runs.

No network is needed: the image was kept. Where its name stands for another image by now (pulled again, moved), it is
given back; where the restored file names another image than the one that ran, or names it by a digest that this engine
has forgotten (with an image's last tag in a repository its digest goes, too), an override file names that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fsm.adapter import Done, Failed, StepContext, StepResult
from fsm.services.docker.facts import Container
from fsm.services.docker.reference import parse
from fsm.system import faults
from fsm.system.exit_codes import exited
from fsm_container.layout import Record, SavedService
from fsm_container.leftovers import heal
from fsm_container.ready import Verdict, overall, wait
from fsm_container.stack import Stack
from fsm_container.up import Upped, follow, override, run_start, scaled, up


def containers(stack: Stack, record: Record, place: Path, ctx: StepContext) -> StepResult:
    """Have the services run as they did before.

    Args:
        record: what ran.
        place: the run's directory.
    """
    notes = heal(stack, ctx)
    lost = [each for each in record.services if not _has_image(stack, each, ctx)]
    if lost:
        names = ", ".join(each.reference for each in lost)
        return Failed(why=f"the old image {names} no longer exists", todo="pull it by hand", blame="host")
    left = [each for each in record.services if not _unchanged(stack, each)]
    said = [done for each in record.services if each not in left for done in _start_again(stack, each, ctx)]
    if left:
        notes += _names(stack, left, ctx)
        also = _override(stack, left, place)
        said += [_start(stack, service, ctx, also) for service in left]
    notes += tuple(note for done in said for note in done.notes)
    down = [each.service for each in record.services if not each.running and not each.finished]
    notes += tuple(f"{name} did not run before, and does not now" for name in down)
    _remove_new(stack, record, ctx)
    wrong = _check(stack, record, ctx) or follow(stack, ctx, record.dependants)
    if not wrong:
        return Done(notes=notes)
    held = any(done.complaint for done in said)
    todo = "restart the engine, then `fsm rollback` takes this up again" if held else "see `docker compose logs`"
    # Of what a container itself tells by now nothing is said twice.
    more = [done for done in said if done.code and (done.complaint or done.said[-60:] not in wrong)]
    why = [f"docker {exited(done.code)}: {done.said}" for done in more]
    return Failed(why="; ".join([wrong, *why]), todo=todo, blame="host")


def _has_image(stack: Stack, saved: SavedService, ctx: StepContext) -> bool:
    """The image is here; one that somebody removed is fetched again, if that can be."""
    docker = stack.docker
    if docker.image(saved.image) is not None:
        return True
    for name in saved.digests:
        docker.run(ctx, "image", "pull", "--quiet", name)
        if docker.image(saved.image) is not None:
            return True
    return False


def _unchanged(stack: Stack, saved: SavedService) -> bool:
    """Whether the very containers are still there, running or stopped."""
    now = stack.containers(saved.service)
    return {each.id for each in now} == set(saved.containers) and all(each.image == saved.image for each in now)


def _start_again(stack: Stack, saved: SavedService, ctx: StepContext) -> list[Upped]:
    """Start those of its containers that were stopped; a job that was done is not done again."""
    said = []
    for each in stack.containers(saved.service) if saved.running else ():
        if not each.running:
            said.append(run_start(stack, ctx, stack.docker.argv("container", "start", each.id)))
            faults.point("container.restore.started")
    return said


def _names(stack: Stack, services: Sequence[SavedService], ctx: StepContext) -> tuple[str, ...]:
    """Images get their names back, where these stand for others. One by digest is the registry's to give."""
    notes = []
    for saved in services:
        name = _name(stack, saved)
        reference = parse(name)
        if reference is None or reference.digest:
            continue
        named = stack.docker.image(name)
        if named is None or named.id != saved.image:
            stack.docker.tag(ctx, saved.image, name)
            faults.point("container.restore.tagged")
            if named is not None:
                notes.append(f"{name} had been moved to another image; it names the old one again")
    return tuple(notes)


def _name(stack: Stack, saved: SavedService) -> str:
    """What compose finds the old image by: the name that it had; without its digest where that is no longer known."""
    reference = parse(saved.reference)
    if reference is None or not reference.digest or stack.docker.image(saved.reference) is not None:
        return saved.reference
    return str(reference._replace(digest="")) if reference.tag else saved.kept


def _override(stack: Stack, services: Sequence[SavedService], place: Path) -> tuple[Path, ...]:
    """A compose file for the services whose container was made of another image than their file names."""
    config = stack.config()
    differing = {
        saved.service: name
        for saved in services
        if (name := _name(stack, saved)) != config["services"].get(saved.service, {}).get("image")
    }
    return override(differing, place)


def _start(stack: Stack, saved: SavedService, ctx: StepContext, also: Sequence[Path]) -> Upped:
    """Make the containers anew, and start those that ran; a job that was done is not done again."""
    options = [*scaled({saved.service: len(saved.containers)}), *([] if saved.running else ["--no-start"])]
    done = up(stack, ctx, [saved.service], *options, also=also)
    faults.point("container.restore.upped")
    return done


def _remove_new(stack: Stack, record: Record, ctx: StepContext) -> None:
    """Containers of a service that had none before go."""
    before = {saved.service for saved in record.services}
    for name in stack.services:
        for each in stack.containers(name) if name not in before else ():
            stack.docker.run(ctx, "container", "rm", "--force", each.id)
            faults.point("container.restore.removed")


def _check(stack: Stack, record: Record, ctx: StepContext) -> str:
    """What is not as it was before; empty when everything is."""

    def ask(seen: Sequence[Container]) -> tuple[list[Container], Verdict]:
        wanted = {saved.service: saved for saved in record.services if saved.running}
        found = [each for each in stack.again(seen) if each.service in wanted]
        other = [each for each in found if each.image != wanted[each.service].image]
        if other:
            return found, Verdict("broken", f"{other[0].name} was not created from the old image")
        if not wanted:
            return found, Verdict("ready", "")
        verdict = overall(found, list(wanted), one_shot=None)
        # One that was not healthy before need not be now.
        tolerated = all(not wanted[each.service].healthy or each.health != "unhealthy" for each in found)
        if tolerated and found and all(each.running for each in found):
            settled = all(each.health == "healthy" or not wanted[each.service].healthy for each in found)
            return found, Verdict("ready" if settled else "waiting", verdict.detail)
        return found, verdict

    _, verdict = wait(ask, ctx, max(0.0, ctx.deadline.remaining() - 10.0))
    return "" if verdict.state == "ready" else f"the old version does not work: {verdict.detail}"
