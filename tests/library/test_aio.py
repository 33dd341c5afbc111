"""The façade's async twin: the same verbs, a stream of events, and stopping by cancelling."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from fsm.aio import AsyncUpdater
from fsm.engine.progress import ProgressEvent
from fsm.engine.report import Outcome
from fsm.errors import UsageError
from tests.library.hosts import REGISTRY, data, updater


async def _events(root: Path) -> tuple[list[ProgressEvent], Any]:
    host = AsyncUpdater.from_data(data(root, "a", "b"), registry=REGISTRY)
    task = host.update("a")
    events = [event async for event in task]
    return events, await task


def test_the_async_twin_streams_events(root, world):
    """And gives the same result."""
    events, result = asyncio.run(_events(root))
    assert result.outcome is Outcome.DONE
    assert {"state", "step", "step_done", "note"} <= {event.kind.value for event in events}


def test_every_async_verb(root, world):
    """The same verbs, awaited."""

    async def all_of_them() -> None:
        host = AsyncUpdater.from_data(data(root, "a", "b"), registry=REGISTRY)
        assert (await host.check("a")).update_available
        assert len(await host.check_all(force=True)) == 2
        assert (await host.plan("a")).steps
        assert [result.outcome for result in await host.update_all(jobs=1)] == [Outcome.DONE] * 2
        assert (await host.rollback("a", to="0.9")).outcome is Outcome.DONE
        assert await host.resume() == []
        assert len(await host.status()) == 2
        assert len(await host.history("a")) == 2
        assert (await host.show(1))[0].run == 1
        assert (await host.verify_history())[0] == []
        await host.hold("a", "x")
        await host.unhold("a")
        await host.pin("a", "1.0")
        assert await host.doctor()
        with pytest.raises(UsageError):
            await host.cancel("a")

    asyncio.run(all_of_them())


def test_events_end_for_everybody_who_listens(root):
    """Who asks once more, or beside another one, gets what is left, and the end."""

    async def twice() -> None:
        task = AsyncUpdater.from_data(data(root, "a"), registry=REGISTRY).update("a")

        async def listen() -> int:
            return len([event async for event in task])

        first, second = await asyncio.wait_for(asyncio.gather(listen(), listen()), 20)
        assert first + second > 0
        assert await asyncio.wait_for(listen(), 20) == 0

    asyncio.run(twice())


@pytest.mark.parametrize("listening", [False, True])
def test_cancelling_the_awaiting_task_stops_at_a_safe_point(root, world, listening):
    """Whether it waits for the result or for the next event. The run stays resumable."""
    inside = threading.Event()

    def wait(verb: str, name: str) -> None:
        if name == "copy":
            inside.set()
            threading.Event().wait(0.3)

    world.before_act = wait

    async def cancelled() -> None:
        host = AsyncUpdater.from_data(data(root, "a"), registry=REGISTRY)
        running = host.update("a")

        async def awaiting() -> None:
            if listening:
                async for _ in running:
                    pass
            await running

        task = asyncio.create_task(awaiting())
        await asyncio.to_thread(inside.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        result = await asyncio.wait_for(running._future, 20)
        assert result.outcome is Outcome.INTERRUPTED

    asyncio.run(cancelled())
    world.before_act = lambda verb, name: None
    assert [result.outcome for result in updater(root).resume()] == [Outcome.DONE]
