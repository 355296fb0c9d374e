"""Where copies of what ended may come again, each delivery says which sending it stems from."""

from __future__ import annotations

from typing import get_args

from asynctasq.driver import Ack, Delivery, Driver, OutcomeName, Release, TaskStore
from asynctasq.testing._group import Group, needs
from asynctasq.testing._outcomes import dead, retry
from asynctasq.testing._rig import Rig


class Origins(Group):
    """`Delivery.origin`: a worker drops by it what it has finished, and nothing else."""

    async def test_it_is_there_where_outcomes_are_copies_and_only_there(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        if self._steps(driver):
            assert held.origin is None, "nothing that ended comes again: there is nothing to drop"
        else:
            assert held.origin, "without it a worker runs the copy of what it has finished"

    async def test_it_stays_the_same_in_every_copy(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        first = await rig.one(driver, queue)
        held, later = first, 2 * self.quiet
        within = later + driver.capabilities.delay_resolution + self.patience
        for end, delay in ((retry, 0.0), (retry, later), (Release, 0.0), (Release, later)):
            outcome = end(held, delay)
            await driver.settle([outcome])
            held = await rig.one(driver, queue, within=within)
            assert held.origin == first.origin, f"other after {outcome.name}: it would run again"

    async def test_it_stays_the_same_when_the_lease_is_lost(self, rig: Rig) -> None:
        stale = await rig.stale(2)
        assert [d.origin for d in stale.new] == [d.origin for d in stale.old]

    async def test_every_message_has_its_own(self, rig: Rig, driver: Driver, queue: str) -> None:
        await rig.put(driver, rig.messages(queue, 10))
        origins = {held.origin for held in await rig.take(driver, queue, 10)}
        assert len(origins) == (1 if self._steps(driver) else 10), "one ended: others are dropped"

    async def test_an_id_that_is_sent_again_has_another(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        message = rig.message(queue)
        await rig.put(driver, [message])
        first = await rig.one(driver, queue)
        await driver.settle([Ack(first)])
        await rig.put(driver, [message])
        self._differs(driver, first, await rig.one(driver, queue), "sent again")

    @needs(TaskStore)
    async def test_a_replay_has_another(self, rig: Rig, driver: Driver, queue: str) -> None:
        assert isinstance(driver, TaskStore)
        await rig.put(driver, [rig.message(queue)])
        first = await rig.one(driver, queue)
        await driver.settle([dead(first)])
        assert tuple(await driver.retry_dead([first.ref])) == (first.ref,)
        second = await rig.one(driver, queue)
        self._differs(driver, first, second, "replayed")
        await driver.settle([dead(second)])
        assert tuple(await driver.retry_dead([first.ref])) == (first.ref,)
        self._differs(driver, second, await rig.one(driver, queue), "replayed twice")

    @staticmethod
    def _steps(driver: Driver) -> bool:
        """Whether every outcome is one step."""
        return driver.capabilities.atomic >= frozenset(get_args(OutcomeName))

    def _differs(self, driver: Driver, old: Delivery, new: Delivery, how: str) -> None:
        if not self._steps(driver):
            assert new.origin != old.origin, f"{how}: the worker that had it would drop it"
