"""The same id a second time: nothing happens where that is declared, and no silent loss else."""

from __future__ import annotations

from asynctasq.driver import (
    Ack,
    DeadLetter,
    Delivery,
    Driver,
    Failure,
    Message,
    Record,
    ResultStore,
    Retry,
)
from asynctasq.testing._group import Group, needs
from asynctasq.testing._rig import Rig


class Idempotence(Group):
    """`Capabilities.idempotent_enqueue`, both ways."""

    async def test_an_id_that_is_pending(self, rig: Rig, driver: Driver, queue: str) -> None:
        message = rig.message(queue, b"first")
        await rig.put(driver, [message])
        await self._again(rig, driver, message, once=1)

    async def test_an_id_that_is_scheduled(self, rig: Rig, driver: Driver, queue: str) -> None:
        message = rig.message(queue, b"first", delay=0.3)
        await rig.put(driver, [message])
        within = 0.3 + driver.capabilities.delay_resolution + self.patience
        await self._again(rig, driver, message, once=1, within=within)

    async def test_an_id_that_is_scheduled_stays_so(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        message = rig.message(queue, b"first", delay=rig.long_delay())
        await rig.put(driver, [message])
        if not driver.capabilities.idempotent_enqueue:
            return
        await rig.put(driver, [rig.message(queue, id=message.id)])
        await rig.nothing(driver, queue, "enqueuing a stored id moved its due time")

    async def test_known_and_new_ids_in_one_batch(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        if not driver.capabilities.idempotent_enqueue:
            return
        known = await rig.put(driver, rig.messages(queue, 2))
        new = rig.messages(queue, 2)
        await rig.put(driver, [known[0], new[0], known[1], new[1]])
        came = await rig.take(driver, queue, 4, why="a known id took the new ones with it")
        assert {d.id for d in came} == {m.id for m in (*known, *new)}
        await rig.nothing(driver, queue, "two ids were stored already")

    async def test_an_id_that_was_purged_is_new(self, rig: Rig, driver: Driver, queue: str) -> None:
        (message,) = await rig.put(driver, [rig.message(queue)])
        await driver.purge(queue)
        await rig.put(driver, [message])
        delivery = await rig.one(driver, queue, why="nothing is left of what was purged")
        assert (delivery.id, delivery.deliveries) == (message.id, 1)

    async def test_an_id_that_ended_without_a_record_is_new(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        (message,) = await rig.put(driver, [rig.message(queue)])
        await driver.settle([Ack(await rig.one(driver, queue))])
        await rig.put(driver, [message])
        why = "no record of it is kept, so its id is new, and enqueue said that it is stored"
        delivery = await rig.one(driver, queue, why=why)
        assert (delivery.id, delivery.deliveries) == (message.id, 1)

    async def test_an_id_that_another_queue_holds(self, rig: Rig, driver: Driver) -> None:
        one, other = rig.queues(2)
        message = rig.message(one, b"one")
        await rig.put(driver, [message])
        await rig.put(driver, [rig.message(other, b"other", id=message.id)])
        came = [await rig.one(driver, one), await rig.one(driver, other)]
        assert [d.body for d in came] == [b"one", b"other"], "an address is a queue and an id"
        await driver.settle([Ack(came[0])])
        assert (await driver.settle([Ack(came[1])])).lost == (), "the other queue's message went"

    async def test_an_id_that_is_running(self, rig: Rig, driver: Driver, queue: str) -> None:
        message = rig.message(queue, b"first")
        await rig.put(driver, [message])
        held = await rig.one(driver, queue)
        await self._again(rig, driver, message, once=0)
        answer = await driver.settle([Ack(held)])
        assert answer.lost == (), "enqueuing a stored id changes nothing, its lease included"

    async def test_an_id_that_is_dead(self, rig: Rig, driver: Driver, queue: str) -> None:
        message = rig.message(queue, b"first")
        await rig.put(driver, [message])
        held = await rig.one(driver, queue)
        await driver.settle([DeadLetter(held, Failure("ValueError"))])
        await self._again(rig, driver, message, once=0)

    async def test_an_id_that_waits_for_its_second_attempt(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        message = rig.message(queue, b"first")
        await rig.put(driver, [message])
        await driver.settle([Retry(await rig.one(driver, queue), 0.0, Failure("ValueError"))])
        came = await self._again(rig, driver, message, once=1)
        assert 2 in {d.attempt for d in came}, "enqueuing a stored id started its attempts anew"

    @needs(ResultStore)
    async def test_an_id_whose_record_is_kept(self, rig: Rig, driver: Driver, queue: str) -> None:
        message = rig.message(queue, b"first")
        await rig.put(driver, [message])
        record = Record(message.ref, "completed", b"done", 60.0)
        await driver.settle([Ack(await rig.one(driver, queue), record)])
        await self._again(rig, driver, message, once=0)

    async def _again(
        self,
        rig: Rig,
        driver: Driver,
        message: Message,
        *,
        once: int,
        within: float | None = None,
    ) -> list[Delivery]:
        """Enqueue once more, with another body. ``once``: how many come where that does nothing."""
        other = rig.message(message.queue, b"second", id=message.id)
        answer = await driver.enqueue([other])
        if not driver.capabilities.idempotent_enqueue:
            copies = once + len(answer.stored)
            why = "enqueue said stored: without idempotent_enqueue that is one message more"
            return await rig.take(driver, message.queue, copies, within=within, why=why)
        assert answer.stored == (message.id,), "an id that is stored already is no error"
        came = await rig.take(driver, message.queue, once, within=within)
        await rig.nothing(driver, message.queue, "the id was stored already, and ran twice")
        assert all(d.body == b"first" for d in came), "enqueuing a stored id changes nothing"
        return came
