"""Dependencies first, independent components at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

JOBS: Final = 2
"""At the same time, unless the host's configuration says otherwise."""

ResultT = TypeVar("ResultT")


def in_order(
    needs: Mapping[str, Iterable[str]], work: Callable[[str, dict[str, ResultT]], ResultT], *, jobs: int
) -> dict[str, ResultT]:
    """Do `work` for every name, each after those that it needs.

    Args:
        needs: for each name the names that come first; those that are not keys themselves are taken as there already.
        work: gets the name and the results so far; called in at most `jobs` threads.
        jobs: how many at the same time.

    Returns:
        The results by name.
    """
    # What has nothing to put in order need not wait for these (3 ms).
    from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait  # noqa: PLC0415
    from graphlib import TopologicalSorter  # noqa: PLC0415

    sorter = TopologicalSorter({name: [other for other in others if other in needs] for name, others in needs.items()})
    sorter.prepare()
    results: dict[str, ResultT] = {}
    running: dict[Future[ResultT], str] = {}
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="fsm") as pool:
        while sorter.is_active():
            for name in sorter.get_ready():
                running[pool.submit(work, name, dict(results))] = name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                results[name] = future.result()
                sorter.done(name)
    return results
