"""Leases: how long a message is hidden, and that it comes back when nobody renews."""

from __future__ import annotations

import asyncio
from time import monotonic

from asynctasq.driver import Ack, Driver, Release
from asynctasq.testing._group import Group
from asynctasq.testing._loops import wall_clock_off_by
from asynctasq.testing._outcomes import one_of_each, retry
from asynctasq.testing._rig import TICK, Rig

HOUR = 3600.0


class Leases(Group):
    """Hidden while the lease runs, back when it ends. Time where it is timed, else connections."""

    async def test_a_message_is_hidden_while_its_lease_runs(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 3))
        await rig.take(driver, queue, 3)
        for other in (driver, second):
            await rig.nothing(other, queue, "each is hidden from all for its lease")

    async def test_it_comes_back_when_its_lease_ends(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue, b"again", visibility_timeout=self.lease)])
        start = monotonic()
        first = await rig.one(driver, queue)
        (again,) = await rig.retake(driver, [first], second)
        if driver.capabilities.lease == "timed":
            assert monotonic() - start > first.lease - TICK, (
                f"a lease of {first.lease} s was granted, another worker had it before that"
            )
        assert (again.id, again.body, again.attempt) == (first.id, b"again", 1)
        assert again.deliveries == 2, "a lost lease is a delivery: losses are counted by the driver"
        assert again.receipt != first.receipt, "each delivery has a receipt of its own"

    async def test_a_lease_tied_to_a_connection_does_not_end_by_time(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue, visibility_timeout=self.lease)])
        held = await rig.one(driver, queue)
        if driver.capabilities.lease == "connection":
            why = "lease='connection' is declared: held while the connection lives"
            await rig.nothing(second, queue, why, wait=2 * self.lease)
        assert (await driver.settle([Ack(held)])).lost == ()

    async def test_a_waiting_consumer_gets_it_with_nobody_else_at_work(
        self, rig: Rig, second: Driver, queue: str
    ) -> None:
        first = await rig.open()
        await rig.put(first, rig.messages(queue, 2, visibility_timeout=self.lease))
        held = await rig.take(first, queue, 2)
        within = rig.runs_for(held) + self.patience
        waiting = asyncio.ensure_future(rig.take(second, queue, 2, within=within))
        await rig.nothing(second, rig.queue(), "nothing was sent there")
        await first.close()
        await waiting

    async def test_extending_hides_it_for_another_lease(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue, visibility_timeout=max(self.lease, 0.5))])
        held = await rig.one(driver, queue)
        # Nobody looks for it meanwhile: on a slow machine it is renewed after its end.
        part = held.lease * 0.6 if driver.capabilities.lease == "timed" else self.quiet
        await rig.nothing(second, rig.queue(), "nothing was sent there", wait=part)
        start = monotonic()
        assert (await driver.extend([held])).lost == (), "held until it is handed out again"
        if driver.capabilities.lease == "connection":
            await rig.nothing(second, queue, "its connection lives")
        await rig.retake(driver, [held], second)
        if driver.capabilities.lease == "timed":
            assert monotonic() - start > held.lease - TICK, "renewed for less than its lease"

    async def test_a_renewed_lease_runs_from_now_on(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue, visibility_timeout=self.lease)])
        held = await rig.one(driver, queue)
        for _ in range(int((self.patience + held.lease) / held.lease) + 2):
            await driver.extend([held])
        await rig.retake(driver, [held], second)

    async def test_many_leases_are_renewed_in_one_call(self, rig: Rig, driver: Driver) -> None:
        queues = rig.queues(3)
        await rig.put(driver, (m for queue in queues for m in rig.messages(queue, 40)))
        held = await rig.take(driver, queues, 120)
        assert (await driver.extend(held)).lost == ()
        assert (await driver.settle([Ack(d) for d in held])).lost == (), (
            "renewing does not change the receipt"
        )

    async def test_each_of_many_is_renewed_for_its_whole_lease(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        lease = max(2 * self.lease, 2.0)
        await rig.put(driver, rig.messages(queue, 120, visibility_timeout=lease))
        start = monotonic()
        held = await rig.take(driver, queue, 120)
        # Nobody looks for them meanwhile: on a slow machine they are renewed after their end.
        part = 0.6 * lease - (monotonic() - start)
        await rig.nothing(second, rig.queue(), "nothing was sent there", wait=max(part, 0.0))
        renewed = monotonic()
        assert (await driver.extend(held)).lost == ()
        why = "one of many was not renewed, or for less than its lease"
        ends, by = renewed + lease, renewed + 0.7 * lease
        await rig.hidden(second, queue, why, held=held, ends=ends, by=by)

    async def test_later_deliveries_have_the_lease_of_the_first(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        lease = max(2 * self.lease, 2.0)
        await rig.put(driver, rig.messages(queue, 2, visibility_timeout=lease))
        first = await rig.take(driver, queue, 2)
        await driver.settle([Release(first[0]), retry(first[1])])
        start = monotonic()
        again = await rig.take(driver, queue, 2)
        assert {d.lease for d in again} == {d.lease for d in first}, "each asks for the same lease"
        why = "given back, it was hidden for less than the lease it asks for"
        ends, by = start + lease, start + 0.85 * lease
        await rig.hidden(second, queue, why, held=again, ends=ends, by=by)

    async def test_a_lease_that_merely_ran_out_may_still_be_settled(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 4, visibility_timeout=self.lease))
        held = await rig.take(driver, queue, 4)
        await rig.nothing(driver, rig.queue(), "nothing was sent there", rig.runs_for(held) + TICK)
        answer = await driver.settle(one_of_each(held))
        assert answer.lost == (), "a receipt is held until its message is handed out again"
        came = await rig.take(driver, queue, 2)
        assert sorted(d.attempt for d in came) == [1, 2]
        await driver.settle([Ack(d) for d in came])  # so that they do not come again by time
        await rig.nothing(driver, queue, "the other two are done or dead")

    async def test_a_lease_that_merely_ran_out_may_still_be_renewed(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        # Once renewed, it is to outlast a pause of this process.
        lease = max(self.lease, 1.0)
        await rig.put(driver, [rig.message(queue, visibility_timeout=lease)])
        held = await rig.one(driver, queue)
        await rig.nothing(
            driver, rig.queue(), "nothing was sent there", rig.runs_for([held]) + TICK
        )
        start = monotonic()
        assert (await driver.extend([held])).lost == (), "held until it is handed out again"
        ends, by = start + held.lease, start + self.quiet
        is_held = await rig.hidden(
            second, queue, "its lease was renewed", held=[held], ends=ends, by=by
        )
        assert (await driver.settle([Ack(held)])).lost == () or not is_held

    async def test_any_instance_can_settle_a_timed_delivery(self, rig: Rig, queue: str) -> None:
        first, second = await rig.open(), await rig.open()
        await rig.put(first, rig.messages(queue, 8))
        held = await rig.take(first, queue, 8)
        if first.capabilities.lease == "connection":
            return  # there only the instance that received it can
        await first.close()
        assert (await second.extend(held)).lost == (), "any instance can renew a timed lease"
        assert (await second.settle(one_of_each(held))).lost == (), "and settle what it holds"
        came = await rig.take(second, queue, 4)
        assert sorted(d.attempt for d in came) == [1, 1, 2, 2]

    async def test_leases_differ_from_message_to_message_where_declared(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        short = rig.message(queue, visibility_timeout=self.lease)
        long = rig.message(queue)
        await rig.put(driver, [long, short])
        held = {d.id: d for d in await rig.take(driver, queue, 2)}
        if not driver.capabilities.per_message_lease:
            assert held[short.id].lease == held[long.id].lease, (
                "leases differ from message to message: declare per_message_lease"
            )
            return
        assert held[short.id].lease < held[long.id].lease, "per_message_lease is declared"
        assert held[short.id].lease >= self.lease, "less was granted than the message asked for"
        again = await rig.retake(driver, [held[short.id]], second)
        await second.settle([Ack(d) for d in again])  # so that it does not come again by time
        await rig.nothing(second, queue, "the other message's lease runs on")

    async def test_a_clients_wall_clock_moves_no_lease(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        for hours in (1, -1):
            with wall_clock_off_by(hours * HOUR):
                why = "a client whose clock is an hour off took a lease that runs"
                await rig.nothing(second, queue, why)
        with wall_clock_off_by(-HOUR):
            assert (await driver.extend([held])).lost == ()
        await rig.nothing(second, queue, "a client whose clock is slow renewed into the past")
        assert (await driver.settle([Ack(held)])).lost == ()
