"""Many consumers and producers, on one loop and on several: each message to exactly one."""

from __future__ import annotations

import asyncio

from asynctasq.driver import Driver, Message
from asynctasq.testing._crew import Crew
from asynctasq.testing._group import Group
from asynctasq.testing._loops import each_on_its_own_loop
from asynctasq.testing._outcomes import one_of_each
from asynctasq.testing._rig import Rig


class Concurrency(Group):
    """One instance is used by many coroutines of its loop; a backend, by many instances."""

    async def test_concurrent_coroutines_on_one_instance(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        sent = await rig.put(driver, rig.messages(queue, 90))
        crew = Crew(rig, queue, len(sent))
        await asyncio.gather(*(crew.work(driver) for _ in range(10)))
        crew.each_once(sent, "ten coroutines on one driver")

    async def test_concurrent_instances_on_one_loop(self, rig: Rig, queue: str) -> None:
        drivers = [await rig.open() for _ in range(4)]
        sent = await rig.put(drivers[0], rig.messages(queue, 90))
        crew = Crew(rig, queue, len(sent))
        await asyncio.gather(*(crew.work(driver) for driver in drivers))
        crew.each_once(sent, "four drivers on one loop")

    async def test_concurrent_instances_on_loops_of_their_own(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        sent = await rig.put(driver, rig.messages(queue, 120))
        crew = Crew(rig, queue, len(sent))
        await each_on_its_own_loop([crew.worker] * 4)
        crew.each_once(sent, "four drivers on four threads")

    async def test_concurrent_producers_and_consumers(self, rig: Rig, queue: str) -> None:
        sent = [rig.messages(queue, 25) for _ in range(4)]
        crew = Crew(rig, queue, 100)

        async def produce() -> None:
            async with rig.opened() as driver:
                batch = sent.pop()
                stored.extend(batch)
                for start in range(0, len(batch), 5):
                    await rig.put(driver, batch[start : start + 5])

        stored: list[Message] = []
        await each_on_its_own_loop([crew.worker, crew.worker, *[produce] * 4])
        crew.each_once(stored, "two consumers while four producers send")

    async def test_concurrent_calls_of_every_verb(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        sent = await rig.put(driver, rig.messages(queue, 40))
        held = await rig.take(driver, queue, 20)
        crew = Crew(rig, queue, 40 - 20 + 10 + 5)
        late = rig.messages(queue, 5)
        await asyncio.gather(
            *(driver.settle([outcome]) for outcome in one_of_each(held)),
            *(driver.extend([delivery]) for delivery in held),
            *(driver.enqueue([message]) for message in late),
            *(driver.stats([queue]) for _ in range(5)),
            *(crew.work(driver) for _ in range(5)),
        )
        ended = {d.id for n, d in enumerate(held) if n % 4 in (0, 2)}
        left = [m for m in (*sent, *late) if m.id not in ended]
        crew.each_once(left, "settle, extend, enqueue, stats and dequeue at the same time")
