"""The backend is stopped and started: all of it is there, and the same drivers go on."""

from __future__ import annotations

import asyncio

from asynctasq.driver import Ack, DeadLetter, Driver, Message, Record, ResultStore, TaskStore
from asynctasq.errors import DriverUnavailable, OutcomeUnknown
from asynctasq.testing._group import needs
from asynctasq.testing._outage import OutageGroup
from asynctasq.testing._outcomes import FAILURE
from asynctasq.testing._rig import Rig


@needs("restart_backend")
class Restarts(OutageGroup):
    """The hook ``restart_backend``."""

    async def test_all_that_was_stored_is_there(self, rig: Rig, driver: Driver) -> None:
        pending, scheduled, running = rig.queues(3)
        await rig.put(driver, rig.messages(pending, 3))
        await rig.put(driver, rig.messages(scheduled, 2, delay=self.lease))
        await rig.put(driver, rig.messages(running, 2, visibility_timeout=self.lease))
        held = await rig.take(driver, running, 2)
        await self.restart_backend()
        await driver.close()
        after = await self._reopened(rig)
        for queue, count in ((pending, 3), (scheduled, 2), (running, 2)):
            came = await self._take(after, queue, count)
            assert len({d.id for d in came}) == count, "a message came twice after the restart"
        assert {d.id for d in came} == {d.id for d in held}, "what was running comes back"

    async def test_what_ended_stays_ended(self, rig: Rig, driver: Driver, queue: str) -> None:
        await rig.put(driver, rig.messages(queue, 4, visibility_timeout=self.lease))
        held = await rig.take(driver, queue, 4)
        failed = DeadLetter(held[0], FAILURE, Record(held[0].ref, "dead", FAILURE, None))
        stores = isinstance(driver, ResultStore)
        await driver.settle([failed if stores else DeadLetter(held[0], FAILURE)])
        await driver.settle([Ack(d) for d in held[1:]])
        await self.restart_backend()
        after = await self._reopened(rig)
        wait = rig.runs_for(held) + self.quiet
        await rig.nothing(after, queue, "settle had answered before the restart", wait=wait)
        if isinstance(after, TaskStore):
            task = await after.get(held[0].ref)
            assert (task and task.state) == "dead", "a dead task is gone"
        if isinstance(after, ResultStore):
            assert await after.result(held[0].ref, 0.0) is not None, "a record is gone"

    async def test_the_same_instance_goes_on_after_a_restart(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 2))
        await self.restart_backend()
        await self._until_it_works(lambda: driver.stats([queue]))
        came = await self._take(driver, queue, 2)
        await self._until_it_works(lambda: driver.settle([Ack(d) for d in came]))
        message = rig.message(queue)
        await self._until_it_works(lambda: driver.enqueue([message]))
        assert (await self._take(driver, queue, 1))[0].id == message.id

    async def test_a_waiting_dequeue_hears_again_after_a_restart(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        waiting = asyncio.ensure_future(self._take(driver, queue, 1))
        await rig.nothing(second, rig.queue(), "nothing was sent there")
        await self.restart_backend()
        message = rig.message(queue)
        await self._until_it_works(lambda: second.enqueue([message]))
        assert (await waiting)[0].id == message.id, "one exception ended a consumer for good"

    async def test_what_was_confirmed_meanwhile_is_there(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        confirmed: list[Message] = []
        unknown: list[Message] = []
        restarted = asyncio.Event()

        async def produce() -> None:
            while not restarted.is_set():
                message = rig.message(queue)
                try:
                    await driver.enqueue([message])
                    confirmed.append(message)
                except DriverUnavailable:
                    await asyncio.sleep(0.01)
                except OutcomeUnknown:
                    unknown.append(message)

        producing = asyncio.ensure_future(produce())
        await self.restart_backend()
        restarted.set()
        await producing
        after = await self._reopened(rig)
        came = await self._take(after, queue, len(confirmed))
        # What was not confirmed may be there as well, and may come first.
        while more := await after.dequeue([queue], limit=len(unknown) + 1, wait=self.lease):
            came += more
        ids = [d.id for d in came]
        assert len(ids) == len(set(ids)), "a message was stored twice"
        assert {m.id for m in confirmed} <= set(ids), "enqueue had confirmed a lost message"
        assert set(ids) <= {m.id for m in (*confirmed, *unknown)}, (
            "DriverUnavailable promises that nothing was stored"
        )
