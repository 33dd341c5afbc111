"""The façade's async twin: the same verbs, a stream of events, and stopping by cancelling."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from fsm.aio import AsyncUpdater
from fsm.engine.journal import Journal
from fsm.engine.progress import ProgressEvent
from fsm.engine.report import Outcome
from fsm.errors import Interrupted, UsageError
from fsm.updater import Updater
from tests.library.hosts import REGISTRY, data, updater
from tests.world import World


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


def public(of: type) -> set[str]:
    """The names that programs may use."""
    return {name for name in dir(of) if not name.startswith("_")}


def test_both_have_the_same_verbs():
    """With the same arguments; nobody has to learn two libraries."""
    assert public(AsyncUpdater) == public(Updater)
    for name in sorted(public(Updater)):
        one, other = getattr(Updater, name), getattr(AsyncUpdater, name)
        if callable(one):
            wanted = [(each.name, each.kind, each.default) for each in signature(one).parameters.values()]
            assert [(each.name, each.kind, each.default) for each in signature(other).parameters.values()] == wanted, (
                name
            )


def reads(host: AsyncUpdater) -> dict[str, Awaitable[object]]:
    """Every verb that only reads."""
    return {
        "status": host.status(),
        "history": host.history(),
        "history_rows": host.history_rows(),
        "show": host.show(1),
        "verify_history": host.verify_history(),
        "backups": host.backups("a"),
        "doctor": host.doctor(),
        "check": host.check("b"),
        "check_all": host.check_all(),
        "plan": host.plan("c"),
    }


def test_reading_and_cancelling_wait_for_no_update(root, world):
    """However many run, and however few workers the loop has."""
    go_on, inside = threading.Event(), threading.Semaphore(0)

    def wait(verb: str, name: str) -> None:
        if (verb, name) == ("do", "copy"):
            inside.release()
            assert go_on.wait(60)

    world.before_act = wait

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        host = AsyncUpdater.from_data(data(root, "a", "b", "c"), registry=REGISTRY)
        running = [host.update("a"), host.update("b")]
        try:
            for _ in running:
                assert await asyncio.to_thread(inside.acquire, timeout=30)
            for name, verb in reads(host).items():
                assert await asyncio.wait_for(verb, 30) is not None, name
            cancelling = host.cancel("a")
            async with asyncio.timeout(30):
                while not asked(root):
                    await asyncio.sleep(0.05)
        finally:
            go_on.set()
        ends = [each.outcome for each in await asyncio.gather(*running, cancelling)]
        assert ends[1] is Outcome.DONE
        assert ends[0] is ends[2]

    asyncio.run(main())


def asked(root: Path) -> bool:
    """Whether somebody asked to cancel a run."""
    with Journal(root / "state" / "journal.db", readonly=True) as journal:
        return any(run.cancel for run in journal.runs())


def waits_inside(world: World, seconds: float) -> threading.Event:
    """A step that takes that long; set when it has begun."""
    inside = threading.Event()

    def wait(verb: str, name: str) -> None:
        if (verb, name) == ("do", "copy"):
            inside.set()
            threading.Event().wait(seconds)

    world.before_act = wait
    return inside


@pytest.mark.parametrize("times", [1, 2])
def test_whoever_is_cancelled_waits_for_the_safe_point(root, world, times):
    """So what comes next finds nobody at work, neither itself nor anybody else."""
    inside = waits_inside(world, 0.5)

    async def main() -> None:
        host = AsyncUpdater.from_data(data(root, "a"), registry=REGISTRY)
        running = host.update("a")
        task = asyncio.create_task(running._result())
        assert await asyncio.to_thread(inside.wait, 30)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0.05)
            assert not task.done(), "the step has not ended"
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await running).outcome is Outcome.INTERRUPTED
        assert [result.outcome for result in await host.resume()] == [Outcome.DONE]

    asyncio.run(main())


def test_a_time_limit_stops_at_a_safe_point(root, world):
    """As `asyncio.timeout` and `wait_for` do it: they take until then."""
    waits_inside(world, 0.5)

    async def main() -> None:
        host = AsyncUpdater.from_data(data(root, "a"), registry=REGISTRY)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(host.update("a"), 0.2)
        assert (await host.status("a"))[0].running_in is None

    asyncio.run(main())


def test_one_who_only_reads_is_cancelled_at_once(root, world, monkeypatch):
    """A question to a server that does not answer leaves nothing half done."""
    asking, answer = threading.Event(), threading.Event()

    def hangs(self: Updater, name: str, *, force: bool = False) -> None:
        asking.set()
        answer.wait(60)

    monkeypatch.setattr(Updater, "check", hangs)

    async def main() -> None:
        task = asyncio.create_task(AsyncUpdater.from_data(data(root, "a"), registry=REGISTRY).check("a"))
        assert await asyncio.to_thread(asking.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 30)
        assert not answer.is_set()

    asyncio.run(main())
    answer.set()


@pytest.mark.parametrize("verb", ["stop", "shutdown"])
def test_stopping_all(root, world, verb):
    """What runs now is stopped; what is called later is, after `shutdown`, not begun."""
    inside = waits_inside(world, 0.3)

    async def main() -> None:
        host = AsyncUpdater.from_data(data(root, "a", "b"), registry=REGISTRY)
        running = host.update("a")
        assert await asyncio.to_thread(inside.wait, 30)
        getattr(host, verb)()
        assert (await running).outcome is Outcome.INTERRUPTED
        later = await host.update("b")
        if verb == "stop":
            assert (await host.plan("a")).steps
            assert later.outcome is Outcome.DONE
        else:
            with pytest.raises(Interrupted):
                await host.plan("a")
            assert (later.outcome, later.run) == (Outcome.INTERRUPTED, None)

    asyncio.run(main())


def test_a_verb_that_is_stopped_before_its_thread_runs(root, world):
    """Is not begun."""

    async def main() -> None:
        running = AsyncUpdater.from_data(data(root, "a"), registry=REGISTRY).update("a")
        running.stop()
        assert (await running).outcome is Outcome.INTERRUPTED

    asyncio.run(main())


def test_observers_hear_every_update(root, world):
    """Those that run already, too."""
    heard: list[str] = []
    inside = waits_inside(world, 0.2)

    async def main() -> None:
        host = AsyncUpdater.from_data(data(root, "a", "b"), registry=REGISTRY)
        running = host.update("a")
        assert await asyncio.to_thread(inside.wait, 30)
        host.observe(lambda event: heard.append(event.component))
        await running
        await host.update("b")

    asyncio.run(main())
    assert set(heard) == {"a", "b"}


def test_a_loop_that_is_closed_does_not_disturb_a_run(root, world, capfd):
    """The run ends as it would; the program waits for it, and nothing is printed."""
    inside = waits_inside(world, 0.3)

    async def main() -> None:
        AsyncUpdater.from_data(data(root, "a"), registry=REGISTRY).update("a")
        assert await asyncio.to_thread(inside.wait, 30)

    asyncio.run(main())
    for thread in threading.enumerate():
        if thread.name.startswith("fsm-"):
            thread.join(30)
    assert [run.outcome for run in updater(root).history()] == [Outcome.DONE]
    assert "Traceback" not in capfd.readouterr().err
