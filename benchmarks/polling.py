"""The poller from the measuring side: work during which a client asks, and for how long it got no answer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.rig import ROOT, environment, module


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
    with subprocess.Popen(
        module("poller", str(port), path, str(patience)),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        asking, answers = client.stdin, client.stdout
        assert asking is not None
        assert answers is not None

        def tell(line: str) -> str:
            asking.write(f"{line}\n")
            asking.flush()
            return answers.readline()

        def polled(work: Callable[[], object]) -> Callable[[], float]:
            def case() -> float:
                tell("start")
                work()
                return float(tell("stop"))

            return case

        try:
            yield polled
        finally:
            asking.close()
