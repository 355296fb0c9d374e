"""Waiting for the first message: as long as told, woken in time, and at no cost to others."""

from __future__ import annotations

import asyncio
from functools import partial
from statistics import median
from time import monotonic

from asynctasq.driver import Ack, Driver, Release
from asynctasq.testing._doomed import DoomedLoop
from asynctasq.testing._group import Group
from asynctasq.testing._idle import IDLE, waits_idly
from asynctasq.testing._outcomes import retry
from asynctasq.testing._rig import Rig


class Waiting(Group):
    """`Driver.dequeue`, while there is nothing to take."""

    async def test_it_waits_as_long_as_told(self, driver: Driver, queue: str) -> None:
        start = monotonic()
        assert await driver.dequeue([queue], limit=1, wait=IDLE) == ()
        waited = monotonic() - start
        assert waited > 0.9 * IDLE, (
            f"wait={IDLE} came back empty after {waited:.2f} s: the core would ask in a hot loop"
        )
        assert waited < IDLE + self.patience, f"wait={IDLE} took {waited:.2f} s"

    async def test_without_waiting_it_comes_back_at_once(self, driver: Driver, queue: str) -> None:
        start = monotonic()
        assert await driver.dequeue([queue], limit=1, wait=0) == ()
        assert monotonic() - start < self.patience

    async def test_it_ends_when_another_instance_enqueues(
        self, rig: Rig, driver: Driver, second: Driver
    ) -> None:
        early, late = rig.queues(2)
        await rig.woken(driver, [early, late], lambda: rig.put(second, [rig.message(late)]))

    async def test_it_is_woken_in_time_where_declared(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        waits: list[float] = []
        for _ in range(5):
            delivery, waited = await rig.woken(
                driver, queue, lambda: rig.put(second, [rig.message(queue)])
            )
            await driver.settle([Ack(delivery)])
            waits.append(waited)
        if driver.capabilities.wakes:
            allowed = self.patience / 10
            assert median(waits) < allowed, (
                f"wakes is declared, yet it took {sorted(waits)} s; {allowed:g} s are allowed"
            )

    async def test_it_ends_when_a_message_is_given_back(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        for outcome in (Release, retry):
            held = await rig.one(driver, queue)
            back = outcome(held)
            again, _ = await rig.woken(second, queue, partial(driver.settle, [back]))
            await second.settle([Release(again)])

    async def test_who_waits_no_longer_keeps_nothing_from_others(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        await rig.nothing(driver, queue, "nothing was sent yet")
        await rig.put(second, rig.messages(queue, 4))
        await rig.nothing(second, rig.queue(), "nothing was sent there")
        why = "a dequeue that ended took a message, or its place in the line, with it"
        came = await rig.take(second, queue, 4, why=why)
        assert [d.deliveries for d in came] == [1] * 4, "each was handed out once"

    async def test_every_one_of_many_waiters_is_served(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        waiters = [driver, second] * 3
        waiting = [asyncio.ensure_future(rig.one(d, queue)) for d in waiters]
        await rig.nothing(second, rig.queue(), "nothing was sent there")
        await rig.put(second, rig.messages(queue, len(waiters)))
        came = await asyncio.gather(*waiting)
        assert len({d.id for d in came}) == len(waiters), "each to one waiter, none forgotten"

    async def test_one_batch_ends_the_waits_for_every_queue_it_goes_to(
        self, rig: Rig, driver: Driver, second: Driver
    ) -> None:
        queues = rig.queues(3)
        pairs = [(d, queue) for queue in queues for d in (driver, second)]
        waiting = [asyncio.ensure_future(rig.one(d, queue)) for d, queue in pairs]
        await rig.nothing(second, rig.queue(), "nothing was sent there")
        await rig.put(second, (rig.message(queue) for queue in queues * 2))
        came = await asyncio.gather(*waiting)
        assert [d.queue for d in came] == [queue for _, queue in pairs]

    async def test_waiting_leaves_room_for_other_calls(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        waits = [driver.dequeue([q], limit=1, wait=60) for q in rig.queues(25)]
        waiting = [asyncio.ensure_future(wait) for wait in waits]
        await rig.nothing(driver, queue, "nothing was sent yet")
        async with asyncio.timeout(2 * self.patience):
            await rig.put(driver, [rig.message(queue)])
            await driver.settle([Ack(await rig.one(driver, queue))])
        assert not any(w.done() for w in waiting), "a dequeue gave up long before its time"
        await driver.close()
        assert await asyncio.gather(*waiting) == [()] * 25, "a dequeue that waits ends with ()"

    def test_waiting_is_no_tight_poll(self, bench: Rig, queue: str) -> None:
        loop, driver = DoomedLoop(), bench.new()
        loop.run(driver.open())
        loop.run(driver.dequeue([queue], limit=1, wait=0.0))
        try:
            waits_idly(loop, lambda: driver.dequeue([queue], limit=1, wait=IDLE))
        finally:
            loop.bury(driver)
