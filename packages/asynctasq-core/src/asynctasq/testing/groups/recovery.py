"""After a death: what the dead held comes back exactly once, and what it did not hold, at once."""

from __future__ import annotations

import asyncio

from asynctasq.driver import Ack, Delivery, Driver, Enqueued, Settled
from asynctasq.errors import DriverError
from asynctasq.testing._crew import Crew
from asynctasq.testing._group import Group
from asynctasq.testing._loops import each_on_its_own_loop
from asynctasq.testing._outcomes import retry
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

    async def test_what_was_not_handed_out_is_no_delivery(
        self, rig: Rig, second: Driver, queue: str
    ) -> None:
        first = await rig.open()
        await rig.put(first, rig.messages(queue, 6))
        done, left = await rig.take(first, queue, 2)
        await first.settle([Ack(done)])  # where messages are pushed, there is room for another
        await rig.nothing(second, rig.queue(), "nothing was sent there")
        await first.close()
        came = await rig.take(second, queue, 5 if first.capabilities.lease == "connection" else 4)
        unseen = [d.deliveries for d in came if d.id != left.id]
        assert unseen == [1] * 4, "a loss of what nobody was given: three, and it is dead unrun"

    async def test_everything_waits_while_nobody_is_there(self, rig: Rig, queue: str) -> None:
        async with rig.opened() as driver:
            await rig.put(driver, rig.messages(queue, 3))
            await rig.put(driver, rig.messages(queue, 2, delay=self.quiet))
        async with rig.opened() as driver:
            within = self.quiet + driver.capabilities.delay_resolution + self.patience
            why = "close loses nothing that was stored"
            came = await rig.take(driver, queue, 5, within=within, why=why)
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

    async def test_what_was_confirmed_while_it_closed_really_happened(self, rig: Rig) -> None:
        after, ended = await rig.open(), list[Delivery]()
        for turns, (sent, acked) in enumerate(zip(rig.queues(6), rig.queues(6), strict=True)):
            driver = await rig.open()
            await rig.put(driver, [rig.message(acked, visibility_timeout=self.lease)])
            held = await rig.one(driver, acked)
            enqueuing = asyncio.ensure_future(driver.enqueue([rig.message(sent)]))
            settling = asyncio.ensure_future(driver.settle([Ack(held)]))
            for _ in range(turns):
                await asyncio.sleep(0)
            await driver.close()
            if await self._confirmed(enqueuing):
                await rig.one(
                    after, sent, why="enqueue answered while close ran, and stored it not"
                )
            if await self._confirmed(settling):
                ended.append(held)
        why = "settle answered while close ran, and the message came back"
        if ended:
            wait = rig.runs_for(ended) + 2 * self.quiet
            await rig.nothing(after, [d.queue for d in ended], why, wait)

    @staticmethod
    async def _confirmed(call: asyncio.Future[Enqueued] | asyncio.Future[Settled]) -> bool:
        try:
            answer = await call
        except DriverError:
            return False  # it says that it did not happen, or that this is not known
        return not (answer.failed if isinstance(answer, Enqueued) else answer.lost)

    async def test_an_instance_alone_gets_back_what_it_lost(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        if driver.capabilities.lease == "connection":
            return  # as long as it lives, it loses nothing
        await rig.put(driver, [rig.message(queue, visibility_timeout=self.lease)])
        old = await rig.one(driver, queue)
        within = rig.runs_for([old]) + self.patience
        why = "its lease ended, and the only instance there was is the one that had it"
        new = await rig.one(driver, queue, within=within, why=why)
        assert new.losses == 1, "it was lost once"
        lost = (await driver.settle([retry(old)])).lost
        if driver.capabilities.reports_lost:
            assert [(d.id, d.receipt) for d in lost] == [(old.id, old.receipt)], "handed out since"
        assert (await driver.settle([Ack(new)])).lost == (), "the receipt before was still good"
        await rig.nothing(driver, queue, "the receipt before gave it back")
