"""Attempts and deliveries are counted apart, and nothing of a message wears off."""

from __future__ import annotations

from asynctasq.driver import Delivery, Driver, Message, Release, TaskStore
from asynctasq.testing._group import Group, needs
from asynctasq.testing._outcomes import dead, retry
from asynctasq.testing._rig import Rig

BODY = bytes(range(256))
HEADERS = {"correlation": "größe \N{SNOWMAN}", "max_attempts": "9"}


class Attempts(Group):
    """`Delivery.attempt`, ``deliveries`` and ``losses`` after every kind of end."""

    async def test_a_retry_is_one_attempt_and_one_delivery_more(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        message = await self._sent(rig, driver, queue)
        for attempt in range(1, 6):
            delivery = await rig.one(driver, queue)
            self._whole(delivery, message)
            assert delivery.attempt == attempt, "attempt is 1, then one more with each Retry"
            assert delivery.deliveries == attempt, "every hand-out is counted"
            assert delivery.losses == 0, "no run of it was lost"
            await driver.settle([retry(delivery)])

    async def test_a_release_is_no_attempt(self, rig: Rig, driver: Driver, queue: str) -> None:
        message = await self._sent(rig, driver, queue)
        for released in range(4):
            delivery = await rig.one(driver, queue)
            self._whole(delivery, message)
            assert delivery.attempt == 1, "a release gives the message back unrun"
            if driver.capabilities.uncounted_release:
                assert delivery.deliveries == 1, (
                    "uncounted_release is declared: the delivery that ended so does not count"
                )
            else:
                assert delivery.deliveries == 1 + released, (
                    "every hand-out counts; if releases do not, declare uncounted_release"
                )
            await driver.settle([Release(delivery)])

    async def test_a_lost_lease_is_a_loss_and_no_attempt(self, rig: Rig, queue: str) -> None:
        driver = await rig.open()
        message = await self._sent(rig, driver, queue, visibility_timeout=self.lease)
        delivery = await rig.one(driver, queue)
        for losses in range(1, 4):
            following = await rig.open()
            (delivery,) = await rig.retake(driver, [delivery], following)
            driver = following
            self._whole(delivery, message)
            assert (delivery.attempt, delivery.losses) == (1, losses), (
                "a task that kills its worker must be seen to do so: each lost run is counted"
            )

    async def test_losses_stay_when_the_task_fails(self, rig: Rig, queue: str) -> None:
        first, second = await rig.open(), await rig.open()
        await self._sent(rig, first, queue, visibility_timeout=self.lease)
        held = await rig.one(first, queue)
        (again,) = await rig.retake(first, [held], second)
        await second.settle([retry(again)])
        third = await rig.one(second, queue)
        assert (third.attempt, third.deliveries, third.losses) == (2, 3, 1)

    async def test_losses_stay_when_it_is_given_back(self, rig: Rig, queue: str) -> None:
        driver = await rig.open()
        await self._sent(rig, driver, queue, visibility_timeout=self.lease)
        held = await rig.one(driver, queue)
        for _ in range(3):
            following = await rig.open()
            (held,) = await rig.retake(driver, [held], following)
            driver = following
        delay, uncounted = 2 * self.quiet, driver.capabilities.uncounted_release
        within = delay + driver.capabilities.delay_resolution + self.patience
        for releases, after in enumerate((0.0, delay, 0.0), 1):
            # Extended, so that a slow machine adds no loss of its own.
            await driver.extend([held])
            await driver.settle([Release(held, after)])
            held = await rig.one(driver, queue, within=within)
            assert (held.attempt, held.losses) == (1, 3 if uncounted else 3 + releases), (
                "a task that kills its workers is never found out if a release clears its losses"
            )
        await driver.settle([retry(held, delay)])
        last = await rig.one(driver, queue, within=within)
        assert (last.attempt, last.losses) == (2, held.losses), "a retry clears no losses"

    @needs(TaskStore)
    async def test_losses_are_told_of_a_dead_task(self, rig: Rig) -> None:
        stale = await rig.stale(1)
        (held,) = stale.new
        await stale.owner.settle([dead(held)])
        assert isinstance(stale.owner, TaskStore)
        task = await stale.owner.get(held.ref)
        assert task is not None
        assert (task.attempt, task.deliveries) == (1, 2), "it died with its losses, and says so"

    async def test_a_release_with_a_delay_counts_as_one_without(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await self._sent(rig, driver, queue)
        await driver.settle([Release(await rig.one(driver, queue), self.quiet)])
        within = self.quiet + driver.capabilities.delay_resolution + self.patience
        again = await rig.one(driver, queue, within=within)
        uncounted = driver.capabilities.uncounted_release
        assert again.deliveries == (1 if uncounted else 2), (
            "uncounted_release says whether the delivery that ended so counts, delayed or not"
        )

    async def test_an_attempt_of_the_callers_goes_on_from_there(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await self._sent(rig, driver, queue, attempt=4)
        await driver.settle([retry(await rig.one(driver, queue))])
        again = await rig.one(driver, queue)
        assert (again.attempt, again.losses) == (5, 0), "no run of it was lost"

    async def _sent(self, rig: Rig, driver: Driver, queue: str, **fields: object) -> Message:
        message = rig.message(queue, BODY, headers=HEADERS, **fields)
        await rig.put(driver, [message])
        return message

    @staticmethod
    def _whole(delivery: Delivery, message: Message) -> None:
        assert (delivery.id, delivery.queue) == (message.id, message.queue)
        assert delivery.body == message.body, "the body comes back byte for byte, always"
        assert dict(delivery.headers) == dict(message.headers), "headers travel with the body"
        assert delivery.visibility_timeout == message.visibility_timeout, "it asks for that lease"
