"""Cancelling a call, at any await of it, may lose its answer, never a message."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID

from asynctasq.driver import Ack, Delivery, Driver, Enqueued, Message, Outcome, Renewed, Settled
from asynctasq.testing._group import Group
from asynctasq.testing._interrupt import interrupt, interrupted_everywhere
from asynctasq.testing._outcomes import EVERY_OUTCOME
from asynctasq.testing._rig import Rig


class Cancellation(Group):
    """Leases outlive these tests, so that what is lost does not come back by time."""

    async def test_a_cancelled_dequeue_gives_what_it_took_to_the_next(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        sent = await rig.put(driver, rig.messages(queue, 60))

        async def dequeue() -> tuple[Delivery, ...]:
            return await driver.dequeue([queue], limit=2, wait=self.patience)

        came = [d async for answer in interrupted_everywhere(dequeue) for d in answer or ()]
        why = "what a cancelled dequeue had taken is in the next one's answer"
        came += await rig.take(driver, queue, len(sent) - len(came), why=why)
        assert {d.id for d in came} == {m.id for m in sent}, "each exactly once"
        assert (await driver.settle([Ack(d) for d in came])).lost == ()

    async def test_a_cancelled_wait_takes_nothing_with_it(
        self, rig: Rig, driver: Driver, second: Driver
    ) -> None:
        for turns, queue in enumerate(rig.queues(10)):
            waiting = asyncio.ensure_future(driver.dequeue([queue], limit=5, wait=60))
            await rig.nothing(driver, rig.queue(), "nothing was sent there", wait=0.02)
            sending = asyncio.ensure_future(rig.put(second, [rig.message(queue)]))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait((waiting, sending))
            if waiting.cancelled():
                why = "a message came just as dequeue was cancelled, and went with it"
                await rig.one(driver, queue, why=why)

    async def test_close_releases_what_a_cancelled_dequeue_had_taken(
        self, rig: Rig, second: Driver, queue: str
    ) -> None:
        sent = {m.id for m in await rig.put(second, rig.messages(queue, 40))}
        given: set[UUID] = set()
        for late in (False, True):
            for after in range(6):
                driver = await rig.open()
                call = driver.dequeue([queue], limit=2, wait=0)
                taken = (await interrupt(call, after, late=late)).answer or ()
                await driver.settle([Ack(d) for d in taken])
                given |= {d.id for d in taken}
                await driver.close()
        why = "what a cancelled dequeue had taken is released by close"
        came = await rig.take(second, queue, len(sent - given), why=why)
        assert {d.id for d in came} == sent - given
        if second.capabilities.uncounted_release:
            assert {d.losses for d in came} <= {0}, "what close gives back was never run nor lost"

    async def test_what_a_cancelled_dequeue_had_taken_comes_as_it_was_asked_for(
        self, rig: Rig, driver: Driver
    ) -> None:
        for turn, (queue, other) in enumerate(rig.queues(2) for _ in range(6)):
            await rig.put(driver, rig.messages(queue, 5))
            came = await self._cancelled(driver, queue, 5, turn)
            await rig.nothing(driver, other, "it was taken from another queue", wait=0)
            while len(came) < 5:
                got = await driver.dequeue([queue], limit=2, wait=self.patience)
                assert 1 <= len(got) <= 2, f"limit=2 gave {len(got)}, what was kept included"
                came += got
            assert len({d.id for d in came}) == 5, "each once"

    async def test_what_it_had_taken_is_not_given_once_the_lease_is_lost(
        self, rig: Rig, driver: Driver, second: Driver
    ) -> None:
        if driver.capabilities.lease == "connection":
            return  # as long as it lives, it loses nothing
        kept: list[str] = []
        for turn, queue in enumerate(rig.queues(6)):
            await rig.put(driver, [rig.message(queue, visibility_timeout=self.lease)])
            if not await self._cancelled(driver, queue, 1, turn):
                kept.append(queue)
        if kept:
            # The lease of what nobody has seen is at most as long as that of what comes.
            within = 2 * self.lease + self.patience
            came = await rig.take(second, kept, len(kept), within=within)
            if (await second.settle([Ack(d) for d in came])).lost == ():
                await rig.nothing(driver, kept, "its lease had ended, another instance had it")

    @staticmethod
    async def _cancelled(driver: Driver, queue: str, limit: int, turn: int) -> list[Delivery]:
        """What a dequeue answered all the same that was cancelled, each turn at another place."""
        call = driver.dequeue([queue], limit=limit, wait=0)
        return list((await interrupt(call, turn // 2, late=turn % 2 == 0)).answer or ())

    async def test_a_cancelled_settle_can_be_repeated(self, rig: Rig, driver: Driver) -> None:
        for outcome in EVERY_OUTCOME:
            queue = rig.queue()
            await rig.put(driver, [rig.message(queue)])
            done = outcome(await rig.one(driver, queue))

            async def settle(batch: tuple[Outcome, ...] = (done,)) -> Settled:
                return await driver.settle(batch)

            async for _ in interrupted_everywhere(settle):
                pass
            await driver.settle([done])
            attempts = {"retry": [2], "release": [1]}.get(done.name, [])
            came = await rig.take(driver, queue, len(attempts))
            assert [d.attempt for d in came] == attempts, f"{done.name}, cancelled, was lost"
            await rig.nothing(driver, queue, f"{done.name}, cancelled, happened twice")

    async def test_a_cancelled_extend_leaves_the_lease_alone_or_renews_it(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)

        async def extend() -> Renewed:
            return await driver.extend([held])

        async for answer in interrupted_everywhere(extend):
            assert answer is None or answer.lost == (), "the lease ran all the time"
        await rig.nothing(driver, queue, "a cancelled renewal ended the lease")
        assert (await driver.settle([Ack(held)])).lost == ()

    async def test_a_cancelled_enqueue_stores_each_message_once_or_not(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        batches: list[list[Message]] = []
        confirmed: set[UUID] = set()

        async def enqueue() -> Enqueued:
            batches.append(rig.messages(queue, 3))
            return await driver.enqueue(batches[-1])

        async for answer in interrupted_everywhere(enqueue):
            confirmed |= set(answer.stored) if answer else set()
            if driver.capabilities.idempotent_enqueue:
                confirmed |= set((await driver.enqueue(batches[-1])).stored)
        came = await rig.take(driver, queue, len(confirmed))
        # What was not confirmed may be there as well, and may come first.
        while more := await driver.dequeue([queue], limit=1000, wait=self.quiet):
            came += more
        missing = len(confirmed - {d.id for d in came})
        came += await rig.take(driver, queue, missing, why="what enqueue confirmed is not there")
        counts = Counter(d.id for d in came)
        assert set(counts.values()) <= {1}, "a cancelled enqueue stored a message twice"
        assert confirmed <= set(counts), "what enqueue confirmed is not there"

    async def test_a_cancelled_call_leaves_the_driver_usable(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        for _ in range(30):
            calls = [driver.dequeue([queue], limit=1, wait=60), driver.stats([queue])]
            tasks = [asyncio.ensure_future(call) for call in calls]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        await rig.put(driver, [rig.message(queue)])
        await driver.settle([Ack(await rig.one(driver, queue))])
