"""Workers as parts of programs: several, in any thread, stopped from anywhere, at any time."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

import asynctasq
from asynctasq import task
from asynctasq.events import WorkerOffline
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

runs: Counter[str] = Counter()


@task(name="embedding.note")
async def note(key: str) -> str:
    runs[key] += 1
    return key


@pytest.mark.asyncio
async def test_one_that_was_stopped_before_it_runs_takes_nothing(
    memory: MemoryDriver, queue: str
) -> None:
    handle = await note(queue).on_queue(queue).dispatch()
    worker = Worker([queue])
    worker.stop()
    async with asyncio.timeout(5):
        await worker.run()
    left = await memory.get(handle.ref)
    assert left is not None
    assert (left.state, left.deliveries) == ("pending", 0)
    assert runs[queue] == 0


@pytest.mark.asyncio
async def test_it_can_be_stopped_from_another_thread(memory, queue: str) -> None:
    worker = Worker([queue])
    running = asyncio.ensure_future(worker.run())
    await (await note(queue).on_queue(queue).dispatch()).result(timeout=5)
    thread = threading.Thread(target=worker.stop)
    thread.start()
    async with asyncio.timeout(5):
        await running
    thread.join()
    assert worker.completed == 1


@pytest.mark.asyncio
async def test_it_runs_in_a_thread_beside_one_on_the_main_loop(
    memory, queue: str, apart, loop: str
) -> None:
    other = f"{queue}-other"
    async with apart(Worker([queue]), loop) as one, Worker([other]) as two:
        assert await (await note(queue).on_queue(queue).dispatch()).result(timeout=5) == queue
        assert await (await note(other).on_queue(other).dispatch()).result(timeout=5) == other
    assert (one.completed, two.completed) == (1, 1)


@pytest.mark.asyncio
async def test_an_error_in_the_block_stops_it_and_is_raised(
    memory: MemoryDriver, queue: str
) -> None:
    before = {thread.name for thread in threading.enumerate()}
    with pytest.raises(LookupError, match="of the block"):  # noqa: PT012
        async with Worker([queue]):
            await (await note(queue).on_queue(queue).dispatch()).result(timeout=5)
            raise LookupError("of the block")
    assert "asynctasq-io" not in {thread.name for thread in threading.enumerate()} - before


@pytest.mark.parametrize("what", ["init", "close"])
@pytest.mark.asyncio
async def test_what_the_program_configures_or_closes_ends_no_events_of_a_running_worker(
    memory, queue: str, recorder, until, what: str
) -> None:
    asynctasq.init({"driver": "memory"}, [recorder])
    async with Worker([queue]) as worker:
        await (await note(queue).on_queue(queue).dispatch()).result(timeout=5)
        await until(lambda: "task_completed" in recorder.names())
        if what == "init":
            asynctasq.init({"driver": "memory"})
        else:
            await asynctasq.close()
        seen = len(recorder.names())
        await note(queue).on_queue(queue).dispatch()
        await until(lambda: worker.completed == 2)
        await until(lambda: recorder.names()[seen:].count("task_completed") == 1)
    await until(lambda: isinstance(recorder.events[-1], WorkerOffline))


@pytest.mark.asyncio
async def test_an_emitter_is_used_by_one_thread_only(memory, queue: str, until) -> None:
    """Also when the program closes the library beside a running worker, and goes on."""
    threads: set[int] = set()

    class Noting:
        async def emit(self, events) -> None:
            threads.add(threading.get_ident())

        async def close(self) -> None:
            """Nothing is held."""

    asynctasq.init({"driver": "memory"}, [Noting()])
    async with Worker([queue]) as worker:
        await (await note(queue).on_queue(queue).dispatch()).result(timeout=5)
        await asynctasq.close()
        await (await note(queue).on_queue(queue).dispatch()).result(timeout=5)
        await until(lambda: worker.completed == 2)
        await asyncio.sleep(0.05)
        assert len(threads) == 1
