"""Taking what is due."""

from __future__ import annotations

import asyncio
from time import monotonic

from asynctasq.driver import Ack, Driver, Failure, Retry
from asynctasq.testing._group import Group
from asynctasq.testing._rig import Rig


class Dequeue(Group):
    """`Driver.dequeue`, as long as there is something to take."""

    async def test_never_more_than_the_limit(self, rig: Rig, driver: Driver, queue: str) -> None:
        await rig.put(driver, rig.messages(queue, 7))
        first = await driver.dequeue([queue], limit=3, wait=self.patience)
        assert 1 <= len(first) <= 3, f"limit=3 gave {len(first)}"
        await rig.take(driver, queue, 7 - len(first), why="beyond the limit nothing is taken")

    async def test_the_limit_holds_across_queues(self, rig: Rig, driver: Driver) -> None:
        queues = rig.queues(3)
        await rig.put(driver, (m for queue in queues for m in rig.messages(queue, 2)))
        first = await driver.dequeue(queues, limit=3, wait=self.patience)
        assert 1 <= len(first) <= 3, f"limit=3 gave {len(first)} from three queues"
        rest = await rig.take(driver, queues, 6 - len(first))
        assert len({d.id for d in (*first, *rest)}) == 6, "every queue that was given is served"

    async def test_it_answers_at_once_when_any_is_due(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        start = monotonic()
        came = await driver.dequeue([queue], limit=50, wait=4 * self.patience)
        assert len(came) == 1
        assert monotonic() - start < 2 * self.patience, (
            "one message was due and the limit was 50: dequeue waits for the first, not for all"
        )

    async def test_without_waiting_it_takes_what_is_due(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        came = await driver.dequeue([queue], limit=1, wait=0)
        assert len(came) == 1, "wait=0: answers at once when any is due"

    async def test_of_many_queues_each_is_looked_at(self, rig: Rig, driver: Driver) -> None:
        queues = rig.queues(40)
        await rig.put(driver, [rig.message(queues[-1])])
        delivery = await rig.one(driver, queues, why="the last of forty queues has a message")
        assert delivery.queue == queues[-1]

    async def test_only_from_the_queues_it_was_given(self, rig: Rig, driver: Driver) -> None:
        asked, other = rig.queues(2)
        await rig.put(driver, [rig.message(other)])
        await rig.nothing(driver, asked, "a queue that was not asked for stays as it is")
        assert (await rig.one(driver, other)).queue == other

    async def test_names_that_differ_little_are_different_queues(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        names = [queue, queue.upper(), queue + "-", queue + "-1", queue + "_1", queue[:-1]]
        await rig.put(driver, (rig.message(name, name.encode()) for name in names))
        for name in names:
            delivery = await rig.one(driver, name)
            assert delivery.body == name.encode(), f"{name} was given what {delivery.queue} holds"

    async def test_a_queue_nobody_used_is_empty_and_no_error(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.nothing(driver, queue, "nothing was ever sent there")

    async def test_one_message_goes_to_one_consumer(self, rig: Rig, queue: str) -> None:
        consumers = [await rig.open() for _ in range(3)]
        await rig.put(consumers[0], [rig.message(queue)])
        calls = [c.dequeue([queue], limit=5, wait=rig.long_wait) for c in consumers]
        waiting = {asyncio.ensure_future(call): c for call, c in zip(calls, consumers, strict=True)}
        await asyncio.wait(waiting, timeout=2 * self.patience, return_when=asyncio.FIRST_COMPLETED)
        await rig.nothing(consumers[0], rig.queue(), "nothing was sent there", 2 * self.quiet)
        for call, consumer in waiting.items():
            if call.done():  # settled, so that closing gives it to nobody else
                await consumer.settle([Ack(delivery) for delivery in call.result()])
        await asyncio.gather(*(consumer.close() for consumer in consumers))
        came = await asyncio.gather(*waiting)
        assert sum(map(len, came)) == 1, "a message is in one hand at a time"

    async def test_no_two_deliveries_share_a_receipt(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 3))
        tokens = {(d.id, d.receipt) for d in await rig.take(driver, queue, 3)}
        assert len(tokens) == 3, "a receipt, with its id, stands for one delivery of one message"

    async def test_each_delivery_of_a_message_has_a_receipt_of_its_own(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        receipts: set[object] = set()
        for _ in range(4):
            delivery = await rig.one(driver, queue)
            receipts.add(delivery.receipt)
            await driver.settle([Retry(delivery, 0.0, Failure("ValueError"))])
        assert len(receipts) == 4, "the receipt is the fencing token: other for every delivery"

    async def test_a_large_backlog_is_drained_whole(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        sent = await rig.put(driver, rig.messages(queue, 1000))
        came = await rig.take(driver, queue, len(sent), within=4 * self.patience)
        await driver.settle([Ack(d) for d in came])
        assert {d.id for d in came} == {m.id for m in sent}
        await rig.nothing(driver, queue, "all of it was acknowledged")
