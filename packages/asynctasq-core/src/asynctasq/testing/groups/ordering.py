"""In the order of the queues, then first in first out."""

from __future__ import annotations

from asynctasq.driver import Delivery, Driver, Failure, Message, Release, Retry
from asynctasq.testing._group import Group
from asynctasq.testing._rig import Rig


class Ordering(Group):
    """`Capabilities.fifo` and ``strict_queue_order``; without them, only that all arrives."""

    async def test_first_in_first_out(self, rig: Rig, driver: Driver, queue: str) -> None:
        sent: list[Message] = []
        for _ in range(4):
            sent += await rig.put(driver, rig.messages(queue, 10))
        self._in_order(driver, await rig.take(driver, queue, len(sent)), sent)

    async def test_what_became_due_first_comes_first(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        later, sooner = rig.message(queue, delay=0.4), rig.message(queue, delay=0.2)
        now, last = rig.message(queue), rig.message(queue)
        await rig.put(driver, [later, sooner, now])
        within = 0.4 + driver.capabilities.delay_resolution + self.patience
        came = await rig.take(driver, queue, 3, within=within)
        await rig.put(driver, [last])
        came += await rig.take(driver, queue, 1)
        self._in_order(driver, came, [now, sooner, later, last])

    async def test_a_release_stands_before_its_juniors(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        sent = await rig.put(driver, rig.messages(queue, 8))
        held = await rig.take(driver, queue, 4)
        await driver.settle([Release(d) for d in reversed(held)])
        self._in_order(driver, await rig.take(driver, queue, 8), sent)

    async def test_so_does_a_release_of_a_later_attempt(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        (senior,) = await rig.put(driver, [rig.message(queue)])
        await driver.settle([Retry(await rig.one(driver, queue), 0.0, Failure("ValueError"))])
        held = await rig.one(driver, queue)
        juniors = await rig.put(driver, rig.messages(queue, 2))
        await driver.settle([Release(held)])
        self._in_order(driver, await rig.take(driver, queue, 3), [senior, *juniors])

    async def test_a_retry_stands_behind_what_is_due(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        sent = await rig.put(driver, rig.messages(queue, 3))
        held = await rig.one(driver, queue)
        await driver.settle([Retry(held, 0.0, Failure("ValueError"))])
        retried = next(m for m in sent if m.id == held.id)
        rest = [m for m in sent if m is not retried]
        self._in_order(driver, await rig.take(driver, queue, 3), [*rest, retried])

    async def test_an_earlier_queue_is_emptied_first(self, rig: Rig, driver: Driver) -> None:
        high, low = rig.queues(2)
        await rig.put(driver, rig.messages(low, 4))
        await rig.put(driver, rig.messages(high, 4))
        came = await rig.take(driver, [high, low], 3) + await rig.take(driver, [high, low], 5)
        if driver.capabilities.strict_queue_order:
            assert [d.queue for d in came] == [high] * 4 + [low] * 4, (
                "strict_queue_order is declared: nothing from a queue while an earlier one has more"
            )
        assert len({d.id for d in came}) == 8, "whatever the order, each comes once"

    async def test_the_order_of_the_queues_is_the_callers(self, rig: Rig, driver: Driver) -> None:
        queues = sorted(rig.queues(3), reverse=True)
        for queue in sorted(queues):
            await rig.put(driver, rig.messages(queue, 2))
        came = await rig.take(driver, queues, 6)
        if driver.capabilities.strict_queue_order:
            expected = [queue for queue in queues for _ in range(2)]
            assert [d.queue for d in came] == expected, "neither by name nor by age"

    @staticmethod
    def _in_order(driver: Driver, came: list[Delivery], sent: list[Message]) -> None:
        assert {d.id for d in came} == {m.id for m in sent}, "whatever the order, each comes once"
        if driver.capabilities.fifo:
            places = {message.id: place for place, message in enumerate(sent)}
            assert [places[d.id] for d in came] == list(range(len(sent))), (
                "fifo is declared: due messages come in the order in which they became due"
            )
