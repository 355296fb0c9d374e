"""What waits beside the slots: given back where tasks are long; once told, however often sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

import asynctasq
from asynctasq import AsyncTask, task
from asynctasq.driver import Ack, Release
from asynctasq.errors import OutcomeUnknown
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

runs: Counter[str] = Counter()
gates: dict[str, asyncio.Event] = {}


@task(name="buffer.note")
async def note(key: str) -> str:
    runs[key] += 1
    return key


@task(name="buffer.pass_gate")
async def pass_gate(key: str) -> None:
    runs[f"{key} holds"] += 1
    await gates[key].wait()


class Fails(AsyncTask[None], name="buffer.fails"):
    key: str

    async def execute(self) -> None:
        raise LookupError

    async def failed(self, error: Exception) -> None:
        runs[f"{self.key} failed"] += 1


class Counting(MemoryDriver):
    """Counts what is asked of it, and loses the first replies of `settle` if told to."""

    fetches = 0
    released = 0
    lose = 0

    async def dequeue(self, queues: Any, *, limit: int, wait: float) -> Any:
        type(self).fetches += 1
        return await super().dequeue(queues, limit=limit, wait=wait)

    async def settle(self, outcomes: Any) -> Any:
        type(self).released += sum(isinstance(outcome, Release) for outcome in outcomes)
        answer = await super().settle(outcomes)
        if self.lose:
            type(self).lose -= 1
            raise OutcomeUnknown([outcome.delivery.id for outcome in outcomes])
        return answer


@pytest.fixture
def counting(use) -> type[Counting]:
    """The configured driver."""
    driver = type("OfThisTest", (Counting,), {})
    use(driver)
    return driver


@pytest.mark.asyncio
async def test_beside_long_tasks_nothing_waits_that_another_worker_could_run(
    counting, queue: str, until
) -> None:
    gates[queue] = asyncio.Event()
    async with Worker([queue], concurrency=2) as long:
        await (await note(queue).on_queue(queue).dispatch()).result(timeout=5)
        for _ in range(2):
            await pass_gate(queue).on_queue(queue).dispatch()
        # Together: the worker wants no more once it has given one back.
        handles = await asynctasq.dispatch_many([note(queue).on_queue(queue) for _ in range(2)])
        await until(lambda: counting.released == 2)
        async with Worker([queue], concurrency=2):
            for handle in handles:
                assert await handle.result(timeout=5) == queue
        fetches = counting.fetches
        await asyncio.sleep(0.8)
        assert (long.completed, counting.released) == (1, 2)
        assert counting.fetches - fetches <= 1  # it wants nothing while its slots are taken
        gates[queue].set()
        await until(lambda: long.completed == 3)


@pytest.mark.asyncio
async def test_before_any_task_has_ended_no_more_is_taken_than_can_run(
    counting, memory: MemoryDriver, queue: str, until
) -> None:
    gates[queue] = asyncio.Event()
    for _ in range(20):
        await pass_gate(queue).on_queue(queue).dispatch()
    async with Worker([queue], concurrency=5) as worker:
        await until(lambda: runs[f"{queue} holds"] == 5)
        assert [stats.running for stats in await memory.stats([queue])] == [5]
        assert counting.released == 0
        gates[queue].set()
        await until(lambda: worker.completed == 20)


@pytest.mark.asyncio
async def test_an_outcome_whose_reply_was_lost_is_counted_told_and_hooked_once(
    counting, queue: str, recorder, until
) -> None:
    asynctasq.init({"driver": "probe"}, [recorder])
    counting.lose = 2
    async with Worker([queue]) as worker:
        await Fails(queue).on_queue(queue).max_attempts(1).dispatch()
        await until(lambda: worker.failed)
        counting.lose = 2
        await note(queue).on_queue(queue).dispatch()
        await until(lambda: worker.completed)
        await until(lambda: runs[f"{queue} failed"])
    await asynctasq.close()
    assert (worker.failed, worker.completed) == (1, 1)
    assert recorder.names().count("task_failed") == 1
    assert recorder.names().count("task_completed") == 1
    assert (runs[f"{queue} failed"], runs[queue]) == (1, 1)


@pytest.mark.asyncio
async def test_what_comes_again_while_its_outcome_is_settled_is_settled_on_the_new_receipt(
    use, memory: MemoryDriver, queue: str, until
) -> None:
    """The backend is slow: the lease ends under way, and the message is handed out here again."""
    receipts: list[Any] = []

    class Slow(MemoryDriver):
        async def extend(self, deliveries: Any) -> Any:
            return asynctasq.driver.Renewed()

        async def settle(self, outcomes: Any) -> Any:
            receipts.extend(o.delivery.receipt for o in outcomes if isinstance(o, Ack))
            if len(receipts) == 1:
                await self.comes_again(outcomes[0].delivery.ref)
            return await super().settle(outcomes)

        async def comes_again(self, ref: Any) -> None:
            async with asyncio.timeout(5):
                while (there := await self.get(ref)) is not None and there.deliveries < 2:
                    await asyncio.sleep(0.01)

    use(Slow)
    async with Worker([queue]) as worker:
        handle = await note(queue).on_queue(queue).visibility_timeout(1).dispatch()
        await until(lambda: worker.completed)
    assert await memory.get(handle.ref) is None
    assert (runs[queue], worker.completed) == (1, 1)
    assert len(set(receipts)) == 2
