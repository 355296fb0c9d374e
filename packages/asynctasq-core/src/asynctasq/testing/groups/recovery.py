"""After a death: what the dead held comes back exactly once, and what it did not hold, at once."""

from __future__ import annotations

import asyncio

from asynctasq.driver import Ack
from asynctasq.testing._crew import Crew
from asynctasq.testing._group import Group
from asynctasq.testing._loops import each_on_its_own_loop
from asynctasq.testing._rig import Rig


class Recovery(Group):
    """Nothing accepted is lost with the worker, or the producer, that held it."""

    async def test_concurrent_consumers_get_what_the_dead_held_once(
        self, rig: Rig, queue: str
    ) -> None:
        dead = await rig.open()
        sent = await rig.put(dead, rig.messages(queue, 20, visibility_timeout=self.lease))
        held = await rig.take(dead, queue, 20)
        consumers = [await rig.open() for _ in range(4)]
        await dead.close()
        crew = Crew(rig, queue, len(sent), leases_end_in=rig.runs_for(held))
        await asyncio.gather(*(crew.work(consumer) for consumer in consumers))
        crew.each_once(sent, "what an abandoned worker held comes back, to one consumer each")
        assert all(d.deliveries > 1 for d in crew.taken), "the lost delivery was counted"

    async def test_concurrent_threads_get_what_the_dead_held_once(
        self, rig: Rig, queue: str
    ) -> None:
        dead = await rig.open()
        sent = await rig.put(dead, rig.messages(queue, 20, visibility_timeout=self.lease))
        held = await rig.take(dead, queue, 20)
        await dead.close()
        crew = Crew(rig, queue, len(sent), leases_end_in=rig.runs_for(held))
        await each_on_its_own_loop([crew.worker] * 3)
        crew.each_once(sent, "what an abandoned worker held comes back, to one consumer each")

    async def test_what_it_had_not_taken_is_there_at_once(self, rig: Rig, queue: str) -> None:
        dead, alive = await rig.open(), await rig.open()
        sent = await rig.put(dead, rig.messages(queue, 6))
        held = await rig.take(dead, queue, 2)
        await dead.close()
        came = await rig.take(alive, queue, 4)
        assert {d.id for d in came} <= {m.id for m in sent}
        if alive.capabilities.lease == "timed":
            assert not {d.id for d in came} & {d.id for d in held}, "a lease was cut short"

    async def test_everything_waits_while_nobody_is_there(self, rig: Rig, queue: str) -> None:
        async with rig.opened() as driver:
            await rig.put(driver, rig.messages(queue, 3))
            await rig.put(driver, rig.messages(queue, 2, delay=self.quiet))
        async with rig.opened() as driver:
            came = await rig.take(driver, queue, 5, why="close loses nothing that was stored")
            await driver.settle([Ack(d) for d in came])
        async with rig.opened() as driver:
            await rig.nothing(driver, queue, "close loses nothing that was settled")

    async def test_settled_just_before_closing_is_settled(self, rig: Rig, queue: str) -> None:
        async with rig.opened() as driver:
            await rig.put(driver, rig.messages(queue, 10, visibility_timeout=self.lease))
            held = await rig.take(driver, queue, 10)
            await driver.settle([Ack(d) for d in held])
        after = await rig.open()
        wait = rig.runs_for(held) + self.quiet
        await rig.nothing(after, queue, "it was acknowledged before the driver closed", wait)
