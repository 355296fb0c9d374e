"""On a connection of the driver's own: what a task writes, and its acknowledgement."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import pytest

from asynctasq.driver import Ack, Driver, JoinsTransaction, SettlesInTransaction
from asynctasq.errors import DriverClosed
from asynctasq.testing._group import Group, needs
from asynctasq.testing._rig import Rig


class Refused(Exception):
    """Of a test, to leave a transaction with."""


@needs(SettlesInTransaction)
class OwnTransactions(Group):
    """`SettlesInTransaction.transaction`: begun by the driver itself, for code of users."""

    @pytest.fixture
    def own(self, driver: Driver) -> SettlesInTransaction:
        """The open driver, as what begins transactions of its own."""
        assert isinstance(driver, SettlesInTransaction), (
            "this driver has no transactions of its own: set driver_class, "
            "and these tests are not collected"
        )
        return driver

    async def _also(self, rig: Rig, driver: Driver, connection: Any, queue: str) -> list[bytes]:
        """Enqueue one more in the transaction, where that can be; what is then to be there."""
        if not isinstance(driver, JoinsTransaction):
            return []
        await driver.enqueue_in(connection, [rig.message(queue, b"its own")])
        return [b"its own"]

    async def test_its_end_commits(
        self, rig: Rig, driver: Driver, own: SettlesInTransaction, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue, visibility_timeout=self.lease)])
        held = await rig.one(driver, queue)
        async with own.transaction() as connection:
            expected = await self._also(rig, driver, connection, queue)
            assert await own.settle_in(connection, Ack(held)), "the lease was held"
        why = "committed at the end of the block"
        came = await rig.take(driver, queue, len(expected), why=why)
        assert [d.body for d in came] == expected
        await rig.nothing(driver, queue, why, wait=rig.runs_for([held]) + self.quiet)
        assert (await driver.settle([Ack(held)])).lost == (held,), "it was acknowledged"

    async def test_until_its_end_nobody_else_is_handed_what_it_acknowledges(
        self, rig: Rig, second: Driver, own: SettlesInTransaction, queue: str
    ) -> None:
        await rig.put(second, [rig.message(queue, visibility_timeout=self.lease)])
        held = await rig.one(second, queue)
        with suppress(Refused):
            async with own.transaction() as connection:
                assert await own.settle_in(connection, Ack(held))
                why = "its lease has ended, but a transaction acknowledges it"
                await rig.nothing(second, queue, why, wait=rig.runs_for([held]) + self.quiet)
                raise Refused
        assert (await rig.one(second, queue)).deliveries == 2, "it was rolled back"

    async def test_its_end_may_come_in_another_task(
        self, rig: Rig, driver: Driver, own: SettlesInTransaction, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        begun = own.transaction()
        assert await own.settle_in(await begun.__aenter__(), Ack(held))
        await asyncio.create_task(_commit(begun))
        assert (await driver.settle([Ack(held)])).lost == (held,), "it was acknowledged"

    @pytest.mark.parametrize("error", [Refused, asyncio.CancelledError])
    async def test_an_error_rolls_back_and_passes_unchanged(
        self,
        rig: Rig,
        driver: Driver,
        own: SettlesInTransaction,
        queue: str,
        error: type[BaseException],
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        raised = error()

        async def fail() -> None:
            async with own.transaction() as connection:
                await self._also(rig, driver, connection, queue)
                assert await own.settle_in(connection, Ack(held))
                raise raised

        with pytest.raises(error) as caught:
            await fail()
        assert caught.value is raised
        await rig.nothing(driver, queue, "the transaction was rolled back")
        assert (await driver.settle([Ack(held)])).lost == (), "so was the acknowledgement"

    async def test_a_lost_delivery_leaves_nothing_of_it(
        self, rig: Rig, driver: Driver, own: SettlesInTransaction, queue: str
    ) -> None:
        stale = await rig.stale(1)
        with suppress(Refused):
            async with own.transaction() as connection:
                await self._also(rig, driver, connection, queue)
                assert not await own.settle_in(connection, Ack(stale.old[0])), "it was lost"
                raise Refused
        await rig.nothing(driver, queue, "the transaction was rolled back")
        assert (await stale.owner.settle([Ack(stale.new[0])])).lost == ()

    async def test_it_can_be_begun_again_and_again(
        self, rig: Rig, driver: Driver, own: SettlesInTransaction, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 20))
        held = await rig.take(driver, queue, 20)
        for number, delivery in enumerate(held):
            with suppress(Refused):
                async with own.transaction() as connection:
                    assert await own.settle_in(connection, Ack(delivery))
                    if number % 2:
                        raise Refused
        lost = (await driver.settle([Ack(delivery) for delivery in held])).lost
        assert sorted(d.id for d in lost) == sorted(d.id for d in held[::2])

    async def test_a_closed_driver_begins_none(
        self, driver: Driver, own: SettlesInTransaction
    ) -> None:
        await driver.close()
        with pytest.raises(DriverClosed):
            async with own.transaction():
                pass


async def _commit(begun: AbstractAsyncContextManager[Any]) -> None:
    await begun.__aexit__(None, None, None)
