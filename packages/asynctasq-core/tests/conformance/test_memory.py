"""The reference driver keeps the whole contract."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from asynctasq.driver import Ack, Context, Driver, JoinsTransaction
from asynctasq.memory import MemoryDriver, MemoryTransaction
from asynctasq.testing import DriverSuite
from asynctasq.testing._rig import Rig

from .backends import InProcess


class TestMemory(InProcess, DriverSuite):
    driver_class = MemoryDriver

    async def test_a_second_commit_sends_nothing_again(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        assert isinstance(driver, JoinsTransaction)
        transaction = MemoryTransaction()
        await driver.enqueue_in(transaction, [rig.message(queue)])
        transaction.commit()
        await driver.settle([Ack(await rig.one(driver, queue))])
        transaction.commit()
        await rig.nothing(driver, queue, "it was sent by the first commit")

    async def test_what_a_transaction_acknowledges_is_nobody_elses_to_settle(
        self, rig: Rig, driver: MemoryDriver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        with MemoryTransaction() as transaction:
            assert await driver.settle_in(transaction, Ack(held))
            assert (await driver.settle([Ack(held)])).lost == (held,)
            assert not await driver.settle_in(MemoryTransaction(), Ack(held))
        assert await driver.get(held.ref) is None

    async def test_who_waits_gets_what_a_rollback_gives_back(
        self, rig: Rig, driver: MemoryDriver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue, visibility_timeout=self.lease)])
        held = await rig.one(driver, queue)
        transaction = MemoryTransaction()
        assert await driver.settle_in(transaction, Ack(held))
        waiting = asyncio.create_task(driver.dequeue([queue], limit=1, wait=60))
        await asyncio.sleep(rig.runs_for([held]))
        assert not waiting.done(), "a transaction acknowledges it"
        transaction.rollback()
        async with asyncio.timeout(self.patience):
            assert [delivery.id for delivery in await waiting] == [held.id]

    async def test_the_clock_of_the_context_decides_what_is_due(self, rig: Rig, queue: str) -> None:
        now = 1000.0
        driver = await rig.open(Context(clock=lambda: now))
        await rig.put(driver, [rig.message(queue, delay=3600.0)])
        await rig.nothing(driver, queue, "the clock stands still", wait=0)
        now += 3601.0
        assert len(await driver.dequeue([queue], limit=1, wait=0)) == 1, "an hour has passed"

    @pytest.mark.parametrize("delay", [0.1, 0.11, 0.12, 0.13])
    async def test_what_becomes_due_between_two_looks_at_the_clock_is_handed_out(
        self, rig: Rig, queue: str, delay: float
    ) -> None:
        ticks = count()
        driver = await rig.open(Context(clock=lambda: 1.0 + next(ticks) / 100))
        await rig.put(driver, [rig.message(queue, delay=delay)])
        async with asyncio.timeout(self.patience):
            assert len(await driver.dequeue([queue], limit=1, wait=60)) == 1
