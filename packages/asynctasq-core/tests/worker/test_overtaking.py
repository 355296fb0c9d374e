"""What is handed out here anew before the worker was told that its last outcome was settled."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

import asynctasq
from asynctasq import task
from asynctasq.driver import DeadLetter, Outcome, Release
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

attempts: defaultdict[str, list[int]] = defaultdict(list)


class Overtaking(MemoryDriver):
    """Settles the first outcome, and answers when the message has been handed out once more."""

    first: ClassVar[list[Outcome]] = []
    again: ClassVar[asyncio.Event | None] = None

    async def dequeue(self, queues: Any, *, limit: int, wait: float) -> Any:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        if taken and self.first and self.again is not None:
            asyncio.get_running_loop().call_later(0.05, self.again.set)  # it was taken over
        return taken

    async def settle(self, outcomes: Any) -> Any:
        answer = await super().settle(outcomes)
        if not self.first:
            type(self).again = asyncio.Event()
            self.first.extend(outcomes)
            await self.meanwhile(outcomes[0])
            async with asyncio.timeout(5):
                await self.again.wait()
        return answer

    async def meanwhile(self, outcome: Outcome) -> None:
        """What happens elsewhere."""
        if isinstance(outcome, DeadLetter):
            await self.retry_dead([outcome.delivery.ref])


@pytest.fixture
def overtaking(use) -> type[Overtaking]:
    """The configured driver."""
    driver = type("OfThisTest", (Overtaking,), {"first": []})
    use(driver)
    return driver


async def run(key: str) -> str:
    now = asynctasq.current()
    assert now is not None
    attempts[key].append(now.attempt)
    if len(attempts[key]) == 1:
        raise LookupError
    return key


fail_once = task(name="overtaking.fail_once")(run)


@pytest.mark.asyncio
async def test_the_next_attempt_runs_although_the_one_before_is_still_being_settled(
    overtaking, queue: str
) -> None:
    async with Worker([queue]) as worker:
        handle = await fail_once(queue).on_queue(queue).retry_after(0).dispatch()
        assert await handle.result(timeout=5) == queue
    assert attempts[queue] == [1, 2]
    assert (worker.failed, worker.completed) == (1, 1)


@pytest.mark.asyncio
async def test_a_replay_runs_although_its_death_is_still_being_settled(
    overtaking, queue: str, until
) -> None:
    async with Worker([queue]) as worker:
        await fail_once(queue).on_queue(queue).max_attempts(1).dispatch()
        await until(lambda: worker.completed)
    assert attempts[queue] == [1, 1]
    assert (worker.failed, worker.completed) == (1, 1)


@pytest.mark.asyncio
async def test_what_was_given_back_begins_anew_although_that_is_still_being_settled(
    use, queue: str, put, memory: MemoryDriver
) -> None:
    """Given back on the new receipt as well, it would wait twice, and lose by it."""
    released: list[Outcome] = []

    class Learns(Overtaking):
        first: ClassVar[list[Outcome]] = []

        async def settle(self, outcomes: Any) -> Any:
            released.extend(o for o in outcomes if isinstance(o, Release))
            return await super().settle(outcomes)

        async def dequeue(self, queues: Any, *, limit: int, wait: float) -> Any:
            """What was given back counts here as a delivery."""
            taken = await super().dequeue(queues, limit=limit, wait=wait)
            return tuple(replace(d, deliveries=d.deliveries + bool(self.first)) for d in taken)

        async def meanwhile(self, outcome: Outcome) -> None:
            task(name=f"overtaking.{queue}")(run)

    attempts[queue].append(0)
    use(Learns)
    async with Worker([queue]):
        message = await put(f"overtaking.{queue}", key=queue)
        assert (await memory.result(message.ref, 5)) is not None
    assert attempts[queue] == [0, 1]
    assert len(released) == 1
