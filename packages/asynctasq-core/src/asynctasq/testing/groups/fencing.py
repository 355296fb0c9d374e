"""Fencing: a worker that lost its lease can change nothing any more."""

from __future__ import annotations

from asynctasq.driver import Ack, Delivery, Driver
from asynctasq.testing._group import Group
from asynctasq.testing._outcomes import EVERY_OUTCOME, one_of_each
from asynctasq.testing._rig import Rig, Stale


class Fencing(Group):
    """What a stale receipt can do: nothing. What equal payloads have in common: nothing."""

    async def test_a_lost_delivery_can_be_settled_in_no_way(self, rig: Rig) -> None:
        stale = await rig.stale(4)
        for outcome in EVERY_OUTCOME:
            answer = await stale.holder.settle([outcome(d) for d in stale.old])
            self._all_named(stale, answer.lost)
        await self._still_owned(rig, stale)

    async def test_a_lost_lease_cannot_be_renewed_nor_taken_back(self, rig: Rig) -> None:
        stale = await rig.stale(3)
        answer = await stale.holder.extend(stale.old)
        self._all_named(stale, answer.lost)
        await self._still_owned(rig, stale)

    async def test_a_lost_delivery_takes_nothing_from_the_batch_it_is_in(self, rig: Rig) -> None:
        stale = await rig.stale(4)
        queue = rig.queue()
        await rig.put(stale.holder, rig.messages(queue, 4))
        good = await rig.take(stale.holder, queue, 4)
        pairs = zip(one_of_each(stale.old), one_of_each(good), strict=True)
        mixed = [outcome for pair in pairs for outcome in pair]
        answer = await stale.holder.settle(mixed)
        self._all_named(stale, answer.lost)
        came = await rig.take(stale.holder, queue, 2)
        assert sorted(d.attempt for d in came) == [1, 2], "the others of the batch were not settled"
        await self._still_owned(rig, stale)

    async def test_renewing_names_the_lost_and_renews_the_rest(self, rig: Rig) -> None:
        stale = await rig.stale(2)
        queue = rig.queue()
        await rig.put(stale.holder, rig.messages(queue, 2))
        good = await rig.take(stale.holder, queue, 2)
        answer = await stale.holder.extend([stale.old[0], *good, stale.old[1]])
        self._all_named(stale, answer.lost)
        assert (await stale.holder.settle([Ack(d) for d in good])).lost == ()

    async def test_what_was_settled_cannot_be_renewed(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 4))
        held = await rig.take(driver, queue, 4)
        await driver.settle(one_of_each(held))
        answer = await driver.extend(held)
        if driver.capabilities.reports_lost:
            assert {d.id for d in answer.lost} == {d.id for d in held}, "no longer held"
        await rig.take(driver, queue, 2, why="renewing a settled delivery hid its message again")

    async def test_equal_payloads_do_not_collide(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, (rig.message(queue, b"same", headers={"a": "b"}) for _ in range(4)))
        first, second, third, fourth = await rig.take(driver, queue, 4)
        await driver.settle([Ack(first)])
        assert (await driver.extend([second])).lost == (), "another message of equal payload ended"
        assert (await driver.settle([Ack(d) for d in (second, third, fourth)])).lost == (), (
            "acknowledging one message took another of equal payload with it"
        )
        await rig.nothing(driver, queue, "all four were acknowledged")

    @staticmethod
    def _all_named(stale: Stale, lost: tuple[Delivery, ...]) -> None:
        old, named = ({(d.id, d.receipt) for d in part} for part in (stale.old, lost))
        assert named <= old, "lost names a delivery that is held"
        if stale.holder.capabilities.reports_lost:
            assert named == old, (
                "reports_lost is declared: a delivery handed out again since is in lost"
            )

    async def _still_owned(self, rig: Rig, stale: Stale) -> None:
        """The owner has its messages, nobody else has, and each is settled as the owner says."""
        queue = stale.new[0].queue
        again = await stale.owner.extend(stale.new)
        assert again.lost == (), "a stale receipt took the lease of the new owner"
        answer = await stale.owner.settle([Ack(d) for d in stale.new])
        assert answer.lost == (), "a worker that lost its lease ended the run of its successor"
        await rig.nothing(stale.owner, queue, "a stale receipt gave back what another worker held")
