"""Records: stored in the step that ends a task, waited for, kept as long as said."""

from __future__ import annotations

import asyncio
from statistics import median
from time import monotonic

import pytest

from asynctasq.driver import Ack, DeadLetter, Driver, Record, ResultStore, TaskRef, TaskStore
from asynctasq.errors import DriverClosed
from asynctasq.testing._doomed import DoomedLoop
from asynctasq.testing._group import Group, needs
from asynctasq.testing._idle import IDLE, waits_idly
from asynctasq.testing._outcomes import FAILURE, retry
from asynctasq.testing._rig import TICK, Rig

BIG = 1 << 20


def completed(ref: TaskRef, value: bytes = b"done", keep_for: float | None = 60.0) -> Record:
    """The record of a task that succeeded."""
    return Record(ref, "completed", value, keep_for)


@needs(ResultStore)
class Results(Group):
    """`ResultStore`."""

    @pytest.fixture
    def results(self, driver: Driver) -> ResultStore:
        """The open driver, as what keeps records."""
        assert isinstance(driver, ResultStore), (
            "this driver is no ResultStore: set driver_class, and these tests are not collected"
        )
        return driver

    @pytest.mark.parametrize("value", [b"", bytes(range(256)), b"x" * BIG], ids=len)
    async def test_an_ack_brings_its_record(
        self, rig: Rig, driver: Driver, results: ResultStore, queue: str, value: bytes
    ) -> None:
        (message,) = await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        assert await results.result(held.ref, 0.0) is None, "the task has not ended"
        await driver.settle([Ack(held, completed(held.ref, value))])
        record = await results.result(message.ref, 0.0)
        assert record is not None, "the record comes in the same step as its outcome"
        assert (record.ref, record.state, record.value) == (message.ref, "completed", value)

    async def test_a_dead_letter_brings_its_record(
        self, rig: Rig, driver: Driver, results: ResultStore, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        await driver.settle([DeadLetter(held, FAILURE, Record(held.ref, "dead", FAILURE, None))])
        record = await results.result(held.ref, 0.0)
        assert record is not None, "keep_for=None: kept as long as the dead task itself"
        assert (record.state, record.value) == ("dead", FAILURE), "a failure comes back whole"

    async def test_without_a_record_there_is_no_result(
        self, rig: Rig, driver: Driver, results: ResultStore, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 2))
        done, failed = await rig.take(driver, queue, 2)
        await driver.settle([Ack(done), retry(failed)])
        for ref in (done.ref, failed.ref, rig.message(queue).ref):
            assert await results.result(ref, 0.0) is None

    async def test_a_lost_delivery_brings_no_record(self, rig: Rig, results: ResultStore) -> None:
        stale = await rig.stale(1)
        old, new = stale.old[0], stale.new[0]
        await stale.holder.settle([Ack(old, completed(old.ref, b"of the lost run"))])
        assert await results.result(old.ref, 0.0) is None, "nothing is changed for a lost delivery"
        await stale.owner.settle([Ack(new, completed(new.ref, b"of the run that counts"))])
        await stale.holder.settle([Ack(old, completed(old.ref, b"of the lost run"))])
        record = await results.result(old.ref, 0.0)
        assert record is not None
        assert record.value == b"of the run that counts", "a lost run replaced the result"

    async def test_waiting_ends_when_the_task_does(
        self, rig: Rig, results: ResultStore, second: Driver, queue: str
    ) -> None:
        await rig.put(second, [rig.message(queue)])
        held = await rig.one(second, queue)
        waiting = asyncio.ensure_future(results.result(held.ref, rig.long_wait))
        await rig.nothing(second, queue, "the task is running")
        await second.settle([Ack(held, completed(held.ref))])
        record = await rig.ended(waiting, "the task ended, and result slept on")
        assert record == completed(held.ref), "the record of a task that ended"

    async def test_waiting_ends_when_the_task_is_dead(
        self, rig: Rig, results: ResultStore, second: Driver, queue: str
    ) -> None:
        await rig.put(second, [rig.message(queue)])
        held = await rig.one(second, queue)
        waiting = asyncio.ensure_future(results.result(held.ref, rig.long_wait))
        await rig.nothing(second, queue, "the task is running")
        await second.settle([DeadLetter(held, FAILURE, Record(held.ref, "dead", FAILURE, None))])
        record = await rig.ended(waiting, "the task failed for good, and result slept on")
        assert record is not None, "the failure is the result"
        assert (record.state, record.value) == ("dead", FAILURE)

    async def test_a_result_comes_in_time_where_waking_is_declared(
        self, rig: Rig, driver: Driver, results: ResultStore, second: Driver, queue: str
    ) -> None:
        waits: list[float] = []
        await rig.put(second, rig.messages(queue, 3))
        for held in await rig.take(second, queue, 3):
            waiting = asyncio.ensure_future(results.result(held.ref, rig.long_wait))
            await rig.nothing(second, queue, "the task is running")
            start = monotonic()
            await second.settle([Ack(held, completed(held.ref))])
            await rig.ended(waiting, "the task ended, and result slept on")
            waits.append(monotonic() - start)
        allowed = self.patience / 5
        assert median(waits) < allowed or not driver.capabilities.wakes, (
            f"wakes is declared, yet a result took {sorted(waits)} s; {allowed:g} s are allowed"
        )

    async def test_a_result_is_waited_for_as_long_as_told(
        self, rig: Rig, results: ResultStore, queue: str
    ) -> None:
        start = monotonic()
        assert await results.result(rig.message(queue).ref, IDLE) is None
        waited = monotonic() - start
        assert 0.9 * IDLE < waited < IDLE + self.patience, f"wait={IDLE} took {waited:.2f} s"

    def test_waiting_for_a_result_is_no_tight_poll(self, bench: Rig, queue: str) -> None:
        loop, driver = DoomedLoop(), bench.new()
        assert isinstance(driver, ResultStore)
        results, ref = driver, bench.message(queue).ref
        loop.run(driver.open())
        try:
            waits_idly(loop, lambda: results.result(ref, IDLE))
        finally:
            loop.bury(driver)

    async def test_many_may_wait_and_the_driver_goes_on(
        self, rig: Rig, driver: Driver, results: ResultStore, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 25))
        held = await rig.take(driver, queue, 25)
        waiting = [asyncio.ensure_future(results.result(d.ref, 60)) for d in held]
        await rig.nothing(driver, queue, "all of them are running")
        async with asyncio.timeout(2 * self.patience):
            await driver.settle([Ack(d, completed(d.ref, d.body)) for d in held])
            records = await asyncio.gather(*waiting)
        assert [r and r.value for r in records] == [d.body for d in held], "each its own result"

    async def test_closing_ends_a_wait(
        self, rig: Rig, driver: Driver, results: ResultStore, queue: str
    ) -> None:
        waiting = asyncio.ensure_future(results.result(rig.message(queue).ref, 60))
        await rig.nothing(driver, queue, "nothing was sent there")
        async with asyncio.timeout(2 * self.patience):
            await driver.close()
            try:
                assert await waiting is None
            except DriverClosed:
                return  # either says that no result came

    async def test_a_record_ends_with_its_keep_for(
        self, rig: Rig, driver: Driver, results: ResultStore, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 2))
        short, long = await rig.take(driver, queue, 2)
        records = completed(short.ref, keep_for=self.lease), completed(long.ref)
        ends = monotonic() + self.lease
        await driver.settle([Ack(short, records[0]), Ack(long, records[1])])
        record = await results.result(short.ref, 0.0)
        assert record is not None or monotonic() > ends - TICK, "it can be read at first"
        await self._gone(rig, driver, short.ref, self.lease)
        assert await results.result(long.ref, 0.0) is not None, "another record went with it"

    async def test_the_record_of_a_dead_task_may_end_before_the_task(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        record = Record(held.ref, "dead", FAILURE, self.lease)
        await driver.settle([DeadLetter(held, FAILURE, record)])
        await self._gone(rig, driver, held.ref, self.lease)
        if isinstance(driver, TaskStore):
            task = await driver.get(held.ref)
            assert task is not None, "dead_ttl is None: a dead task stays when its record ends"

    async def _gone(self, rig: Rig, driver: Driver, ref: TaskRef, keep_for: float) -> None:
        assert isinstance(driver, ResultStore)
        deadline = monotonic() + keep_for + self.patience
        while await driver.result(ref, 0.0) is not None and monotonic() < deadline:
            await rig.nothing(driver, rig.queue(), "nothing was sent there")
        assert await driver.result(ref, 0.0) is None, "a record ends with its keep_for"

    async def test_records_can_be_stored_by_themselves(
        self, rig: Rig, driver: Driver, results: ResultStore, queue: str
    ) -> None:
        refs = [message.ref for message in rig.messages(queue, 3)]
        await results.store([])
        await results.store([completed(ref, b"first") for ref in refs])
        for _ in range(2):
            await results.store([Record(refs[0], "dead", FAILURE, 60.0)])
        values = [await results.result(ref, 0.0) for ref in refs]
        assert [r and r.value for r in values] == [FAILURE, b"first", b"first"], (
            "the same ref again replaces what was there, and nothing else"
        )
        await rig.nothing(driver, queue, "a record by itself is no task")

    async def test_storing_wakes_who_waits(
        self, rig: Rig, results: ResultStore, second: Driver, queue: str
    ) -> None:
        assert isinstance(second, ResultStore)
        ref = rig.message(queue).ref
        waiting = asyncio.ensure_future(results.result(ref, rig.long_wait))
        await rig.nothing(second, queue, "nothing was sent there")
        await second.store([completed(ref)])
        assert await rig.ended(waiting, "the record came, and result slept on") is not None

    async def test_a_record_stored_again_is_kept_for_its_own_time(
        self, rig: Rig, driver: Driver, results: ResultStore, queue: str
    ) -> None:
        longer, shorter = (message.ref for message in rig.messages(queue, 2))
        brief = self.lease
        await results.store([completed(longer, keep_for=brief), completed(shorter)])
        await results.store([completed(longer, b"new"), completed(shorter, keep_for=brief)])
        await self._gone(rig, driver, shorter, brief)
        record = await results.result(longer, 0.0)
        assert record is not None, "the end of the record before ended the one that replaced it"
        assert record.value == b"new"

    async def test_a_record_belongs_to_one_address(
        self, rig: Rig, results: ResultStore, queue: str
    ) -> None:
        ref = rig.message(queue).ref
        await results.store([completed(ref)])
        assert await results.result(TaskRef(rig.queue(), ref.id), 0.0) is None
