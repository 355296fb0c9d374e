"""Numbers: exact where declared, None where they cannot be known, never a false 0."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from asynctasq.driver import Ack, Driver, QueueStats, Release
from asynctasq.testing._group import Group
from asynctasq.testing._outcomes import dead, retry
from asynctasq.testing._rig import Rig


class Stats(Group):
    """`Driver.stats`."""

    async def _of(self, driver: Driver, queue: str) -> QueueStats:
        (stats,) = await driver.stats([queue])
        assert stats.queue == queue, "the queues given, in that order"
        return stats

    async def _eventually(
        self, rig: Rig, driver: Driver, queue: str, holds: Callable[[QueueStats], bool]
    ) -> QueueStats:
        """The numbers at once where they are declared exact, else once they have caught up."""
        stats = await self._of(driver, queue)
        rounds = 0 if driver.capabilities.exact_stats else int(self.patience / self.quiet)
        for _ in range(rounds):
            if holds(stats):
                break
            await rig.nothing(driver, rig.queue(), "nothing was sent there")
            stats = await self._of(driver, queue)
        return stats

    async def test_each_state_is_counted_or_unknown(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 2 + 3 + 4))
        held = await rig.take(driver, queue, 3 + 4)
        await driver.settle([dead(d) for d in held[:4]])
        await rig.put(driver, rig.messages(queue, 5, delay=rig.long_delay()))

        def right(stats: QueueStats) -> bool:
            counts = (stats.pending, stats.scheduled, stats.running, stats.dead)
            return all(n in (None, real) for n, real in zip(counts, (2, 5, 3, 4), strict=True))

        stats = await self._eventually(rig, driver, queue, right)
        assert right(stats), f"2 pending, 5 scheduled, 3 running, 4 dead; never a false 0: {stats}"
        if driver.capabilities.exact_stats:
            assert stats.pending == 2, "exact_stats is declared: counts are known"
        if driver.capabilities.counts_scheduled:
            assert stats.scheduled == 5, "counts_scheduled is declared"
        else:
            assert stats.scheduled is None, "scheduled is counted: declare counts_scheduled"

    async def test_numbers_follow_what_happens(self, rig: Rig, driver: Driver, queue: str) -> None:
        await rig.put(driver, rig.messages(queue, 3))
        await driver.settle([Ack(d) for d in await rig.take(driver, queue, 3)])

        def empty(stats: QueueStats) -> bool:
            return stats.pending in (None, 0) and stats.running in (None, 0)

        stats = await self._eventually(rig, driver, queue, empty)
        assert empty(stats), f"all of it was acknowledged: {stats}"

    async def test_what_became_due_is_pending(self, rig: Rig, driver: Driver, queue: str) -> None:
        if not driver.capabilities.exact_stats:
            return
        await rig.put(driver, rig.messages(queue, 2, delay=self.quiet))
        await rig.nothing(driver, rig.queue(), "nothing was sent there", wait=2 * self.quiet)
        stats = await self._of(driver, queue)
        assert (stats.pending, stats.scheduled) in ((2, 0), (2, None)), (
            f"counts are exact, and both are due: {stats}"
        )

    async def test_what_lost_its_lease_is_pending(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        if not driver.capabilities.exact_stats or driver.capabilities.lease == "connection":
            return
        await rig.put(driver, rig.messages(queue, 2, visibility_timeout=self.lease))
        held = await rig.take(driver, queue, 2)
        wait = rig.runs_for(held) + 2 * self.quiet
        await rig.nothing(driver, rig.queue(), "nothing was sent there", wait=wait)
        stats = await self._of(driver, queue)
        assert stats.pending == 2, f"counts are exact, and both leases have ended: {stats}"
        assert stats.running in (0, None), f"nobody has them any more: {stats}"

    async def test_what_waits_for_its_next_attempt_is_counted(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 5))
        held = await rig.take(driver, queue, 5)
        later = rig.long_delay()
        await driver.settle([retry(held[0]), Release(held[1]), retry(held[2], later)])
        await driver.settle([retry(held[3], later), Release(held[4], later)])

        def right(stats: QueueStats) -> bool:
            return stats.pending in (2, None) and stats.scheduled in (3, None)

        stats = await self._eventually(rig, driver, queue, right)
        assert right(stats), f"2 given back at once and 3 for later, never a false 0: {stats}"
        if driver.capabilities.counts_scheduled:
            assert stats.scheduled == 3, "counts_scheduled is declared"

    async def test_the_oldest_pending_has_an_age(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 2))
        wait = 0.3
        await rig.nothing(driver, rig.queue(), "nothing was sent there", wait=wait)
        age = (await self._of(driver, queue)).oldest_pending
        assert age is None or wait - 0.05 < age < wait + 2 * self.patience, (
            f"seconds since the oldest pending message became due, or None; not {age}"
        )
        await rig.take(driver, queue, 2)
        stats = await self._eventually(rig, driver, queue, lambda s: s.oldest_pending is None)
        assert stats.oldest_pending is None, "none is pending, so none is the oldest"

    async def test_the_age_counts_from_when_it_became_due(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        delay, start = 0.5, monotonic()
        await rig.put(driver, [rig.message(queue, delay=delay)])
        await rig.nothing(driver, rig.queue(), "nothing was sent there", wait=delay)
        stats = await self._eventually(rig, driver, queue, lambda s: s.pending != 0)
        age, since_due = stats.oldest_pending, monotonic() - start - delay
        assert age is None or age < since_due + delay / 2, (
            f"due for {since_due:.2f} s and enqueued {delay:g} s before that, yet {age:.2f} s old"
        )

    async def test_what_is_not_due_has_no_age(self, rig: Rig, driver: Driver, queue: str) -> None:
        await rig.put(driver, [rig.message(queue, delay=rig.long_delay())])
        assert (await self._of(driver, queue)).oldest_pending is None

    async def test_a_queue_nobody_used_has_zeros(self, driver: Driver, queue: str) -> None:
        stats = await self._of(driver, queue)
        counts = {stats.pending, stats.scheduled, stats.running, stats.dead}
        assert counts <= {0, None}, f"an unknown queue has zeros: {stats}"
        assert not driver.capabilities.exact_stats or stats.pending == 0
        assert stats.oldest_pending is None

    async def test_queues_come_in_the_order_they_were_given(self, rig: Rig, driver: Driver) -> None:
        used, unused, other = rig.queues(3)
        await rig.put(driver, [rig.message(used), rig.message(other)])
        for names in ([used, unused, other], [other, used], []):
            assert [s.queue for s in await driver.stats(names)] == names

    async def test_without_names_every_queue_by_name(self, rig: Rig, driver: Driver) -> None:
        mine = rig.queues(3)
        await rig.put(driver, (rig.message(queue) for queue in mine))
        names = [stats.queue for stats in await driver.stats()]
        assert names == sorted(set(names)), "all queues, by name, each once"
        assert set(mine) <= set(names), "a queue that holds messages is missing"

    async def test_a_queue_is_listed_whatever_it_holds(self, rig: Rig, driver: Driver) -> None:
        running, buried, delayed = rig.queues(3)
        await rig.put(driver, [rig.message(running), rig.message(buried)])
        await rig.put(driver, [rig.message(delayed, delay=rig.long_delay())])
        await rig.one(driver, running)
        await driver.settle([dead(await rig.one(driver, buried))])
        names = {stats.queue for stats in await driver.stats()}
        missing = [
            state
            for state, queue in (("running", running), ("dead", buried), ("scheduled", delayed))
            if queue not in names
        ]
        assert not missing, f"queues that hold nothing but {missing} tasks are missing"


class Purge(Group):
    """`Driver.purge`."""

    async def test_pending_goes_and_the_rest_stays(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 5))
        held = await rig.take(driver, queue, 2)
        await driver.settle([dead(held[0])])
        await self._purge(driver, queue, 3)
        await rig.nothing(driver, queue, "pending messages were purged")
        assert (await driver.settle([Ack(held[1])])).lost == (), "running stays"
        (stats,) = await driver.stats([queue])
        assert stats.dead in (1, None), "dead stays"

    async def test_scheduled_goes_where_declared_and_else_stays(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 2, delay=3 * self.quiet))
        dropped = 2 if driver.capabilities.purges_scheduled else 0
        await self._purge(driver, queue, dropped)
        if driver.capabilities.purges_scheduled:
            why = "purges_scheduled is declared: what is not due is dropped as well"
            await rig.nothing(driver, queue, why, wait=5 * self.quiet)
        else:
            why = "what is not due was dropped: declare purges_scheduled"
            within = driver.capabilities.delay_resolution + self.patience
            await rig.take(driver, queue, 2, within=within, why=why)

    async def test_what_was_given_back_goes_as_well(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        delay = max(0.5, 10 * self.quiet)
        await rig.put(driver, rig.messages(queue, 4))
        held = await rig.take(driver, queue, 4)
        await driver.settle([retry(held[0]), Release(held[1])])
        await driver.settle([retry(held[2], delay), Release(held[3], delay)])
        left = 0 if driver.capabilities.purges_scheduled else 2
        await self._purge(driver, queue, 4 - left)
        within = delay + driver.capabilities.delay_resolution + self.patience
        why = "what is not due was dropped: declare purges_scheduled"
        await rig.take(driver, queue, left, within=within, why=why)
        why = "what was given back is pending or scheduled, and was purged"
        await rig.nothing(driver, queue, why, wait=delay + self.quiet)

    async def test_other_queues_stay(self, rig: Rig, driver: Driver, queue: str) -> None:
        near = queue + "-1"
        await rig.put(driver, [rig.message(queue), rig.message(near)])
        await driver.purge(queue)
        await rig.one(driver, near, why="another queue was purged with it")

    async def test_an_empty_queue_may_be_purged_and_used_again(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await self._purge(driver, queue, 0)
        await rig.put(driver, [rig.message(queue)])
        await self._purge(driver, queue, 1)
        await rig.put(driver, [rig.message(queue)])
        await rig.one(driver, queue, why="a purge is about what is there, not about what comes")

    async def test_what_is_given_back_after_a_purge_stays(self, rig: Rig, driver: Driver) -> None:
        first, lease = await rig.open(), self.lease
        while True:
            queue, start = rig.queue(), monotonic()
            await rig.put(driver, [rig.message(queue, visibility_timeout=lease)])
            held = await rig.one(first, queue)
            await driver.purge(queue)
            if not 0 < rig.runs_for([held]) < monotonic() - start:
                break
            lease *= 2  # on a slow machine it may have ended before the purge
        await rig.retake(first, [held], driver)

    async def _purge(self, driver: Driver, queue: str, count: int) -> None:
        answer = await driver.purge(queue)
        assert answer.count in (count, None), (
            f"{count} were dropped, purge says {answer.count}; None where the backend does not say"
        )
