"""Delays: not before, not much later, whoever is there when they end."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import ClassVar

import pytest

from asynctasq.driver import Ack, Driver, Message, Release
from asynctasq.errors import InvalidMessage, Unsupported
from asynctasq.testing._crew import Crew
from asynctasq.testing._group import Group
from asynctasq.testing._loops import each_on_its_own_loop, wall_clock_off_by
from asynctasq.testing._outcomes import retry
from asynctasq.testing._rig import Rig

TICK = 0.05
HOUR = 3600.0
TEN_YEARS = 10 * 365 * 24 * HOUR


class Delays(Group):
    """`Message.delay`, and the delays of `Retry` and `Release`."""

    delay: ClassVar[float] = 0.2

    def _late(self, driver: Driver) -> float:
        return driver.capabilities.delay_resolution + self.patience

    async def test_it_comes_when_it_is_due_and_not_before(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        start = monotonic()
        await rig.put(driver, [rig.message(queue, delay=self.delay)])
        await rig.one(driver, queue, within=self.delay + self._late(driver))
        waited = monotonic() - start
        assert waited > self.delay - TICK, f"a delay of {self.delay} s was {waited:.3f} s"

    async def test_so_do_a_retry_and_a_release(self, rig: Rig, driver: Driver, queue: str) -> None:
        await rig.put(driver, rig.messages(queue, 2))
        failed, unrun = await rig.take(driver, queue, 2)
        start = monotonic()
        await driver.settle([retry(failed, self.delay), Release(unrun, self.delay)])
        first = await rig.one(driver, queue, within=self.delay + self._late(driver))
        assert monotonic() - start > self.delay - TICK, "given back with a delay, due too early"
        came = [first, await rig.one(driver, queue, within=self._late(driver))]
        assert {d.id: d.attempt for d in came} == {failed.id: 2, unrun.id: 1}

    async def test_it_is_not_late_by_more_than_declared(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        late: list[float] = []
        for _ in range(3):
            start = monotonic()
            await rig.put(driver, [rig.message(queue, delay=self.delay / 2)])
            await rig.one(driver, queue, within=self.delay + self._late(driver))
            late.append(monotonic() - start - self.delay / 2)
        allowed = driver.capabilities.delay_resolution + self.patience / 10
        assert min(late) < allowed, f"delay_resolution is exceeded: {sorted(late)} s late"

    async def test_another_instance_delivers_what_a_closed_one_scheduled(
        self, rig: Rig, queue: str
    ) -> None:
        async with rig.opened() as producer:
            await rig.put(producer, rig.messages(queue, 3, delay=self.delay))
        consumer = await rig.open()
        within = self.delay + self._late(consumer)
        why = "a delayed message needs no process that has itself enqueued one"
        await rig.take(consumer, queue, 3, within=within, why=why)

    async def test_a_long_delay_before_it_holds_nobody_up(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        long = min(HOUR, driver.capabilities.max_delay or HOUR)
        short = rig.message(queue, delay=self.delay)
        await rig.put(driver, [rig.message(queue, delay=long), short])
        delivery = await rig.one(driver, queue, within=self.delay + self._late(driver))
        assert delivery.id == short.id, "the shorter delay ends first"

    async def test_the_longest_delay_is_accepted_and_kept(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        longest = driver.capabilities.max_delay
        await rig.put(driver, [rig.message(queue, delay=TEN_YEARS if longest is None else longest)])
        await rig.nothing(driver, queue, "it is not due for a long time")

    async def test_giving_back_beyond_the_longest_delay_loses_nothing(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        longest = driver.capabilities.max_delay
        await rig.put(driver, rig.messages(queue, 2))
        for give_back in (retry, Release):
            held = await rig.one(driver, queue)
            if longest is None:
                assert (await driver.settle([give_back(held, TEN_YEARS)])).lost == ()
                continue
            with pytest.raises(Unsupported):
                await driver.settle([give_back(held, longest + 1)])
            answer = await driver.settle([Ack(held)])
            assert answer.lost == (), "the new delay was refused after the old copy had gone"
        await rig.nothing(driver, queue, "ten years have not passed, or it was acknowledged")

    async def test_a_delay_that_cannot_be_is_refused_and_nothing_lost(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 2))
        good, bad = await rig.take(driver, queue, 2)
        for delay in (float("nan"), float("inf"), -1.0):
            for give_back in (retry, Release):
                with pytest.raises(InvalidMessage):
                    await driver.settle([Ack(good), give_back(bad, delay)])
        answer = await driver.settle([Ack(good), Ack(bad)])
        assert answer.lost == (), "refused before anything is sent: both are held as before"

    async def test_concurrent_consumers_get_each_delayed_message_once(
        self, rig: Rig, queue: str
    ) -> None:
        producer = await rig.open()
        crew = Crew(rig, queue, 100)
        consumers = asyncio.ensure_future(each_on_its_own_loop([crew.worker] * 3))
        sent: list[Message] = []
        for part in range(10):
            sent += await rig.put(producer, rig.messages(queue, 10, delay=part % 3 * 0.05))
        await consumers
        crew.each_once(sent, "delayed messages, added while others are moved by several movers")

    async def test_a_clients_wall_clock_moves_no_due_time(
        self, rig: Rig, driver: Driver, second: Driver
    ) -> None:
        for hours in (1, -1):
            now, later = rig.queues(2)
            with wall_clock_off_by(hours * HOUR):
                await rig.put(second, [rig.message(now)])
                start = monotonic()
                await rig.put(second, [rig.message(later, delay=self.delay)])
            await rig.one(driver, now, why="due now, whatever the clock says")
            await rig.one(driver, later, within=self.delay + self._late(driver))
            assert monotonic() - start > self.delay - TICK, "a client's clock moved a due time"
