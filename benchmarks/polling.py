"""The poller from the measuring side: work during which a client asks, and for how long it got no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.rig import module, talking


@contextmanager
def polling(
    port: int, path: str = "/health", patience: float = 5.0
) -> Iterator[Callable[[Callable[[], object]], Callable[[], float]]]:
    """Makes cases of work: each yields how long the app did not answer meanwhile, in seconds.

    Args:
        port: of 127.0.0.1, on which the app listens.
        path: what is asked for.
        patience: seconds after which the client asks anew: one request that hangs says nothing about later ones.
    """
    with talking(module("poller", str(port), path, str(patience))) as client:

        def polled(work: Callable[[], object]) -> Callable[[], float]:
            def case() -> float:
                client.ask("start")
                work()
                return float(client.ask("stop"))

            return case

        yield polled
