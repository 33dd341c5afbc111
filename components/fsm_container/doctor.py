"""What would make an update of compose services fail, or surprise; `fsm doctor` tells of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fsm.adapter import Finding, Target
from fsm.errors import FsmError
from fsm.kit import Findings
from fsm_container import inspect
from fsm_container.spec import ContainerSpec


def look(target: Target, spec: ContainerSpec) -> Sequence[Finding]:
    """Everything that is worth saying."""
    return list(_look(spec, Findings(target.name)))


def _look(spec: ContainerSpec, say: Findings) -> Iterator[Finding]:
    try:
        host = inspect.look(spec)
        found = inspect.of_host(spec, host)
    except FsmError as error:
        yield say.error(error.cause, error.todo)
        return
    yield say.version(found, f", in compose project {host.stack.name}")
    if found.differs:
        yield say.warning(found.differs, f"an update or `docker compose up -d {' '.join(spec.services)}` ends that")
    root = host.stack.docker.engine().data_root
    if root is not None:
        yield say.free_space(root, spec.reserve_mb, "remove images that nobody needs: `docker image prune`")
