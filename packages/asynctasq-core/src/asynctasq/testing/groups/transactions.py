"""On the caller's own connection: both commit, or neither does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Protocol

import pytest

from asynctasq.driver import Ack, Driver, JoinsTransaction, SettlesInTransaction
from asynctasq.errors import DriverClosed, DriverError, InvalidMessage, Unsupported
from asynctasq.testing._group import Group, needs
from asynctasq.testing._rig import Rig


class Transaction(Protocol):
    """What the hook ``transaction()`` gives, in ``async with``: a transaction of the caller's.

    Leaving the block without a commit rolls back.
    """

    @property
    def connection(self) -> Any:
        """What a user would give as ``connection=``."""

    def commit(self) -> Awaitable[None]:
        """Commit."""
        ...

    def rollback(self) -> Awaitable[None]:
        """Roll back."""
        ...


class TransactionGroup(Group):
    """A driver and the transactions of somebody else."""

    def _begin(self) -> AbstractAsyncContextManager[Transaction]:
        begun: AbstractAsyncContextManager[Transaction] = self.transaction()
        return begun


@needs(JoinsTransaction, "transaction")
class Transactions(TransactionGroup):
    """`JoinsTransaction`."""

    @pytest.fixture
    def joining(self, driver: Driver) -> JoinsTransaction:
        """The open driver, as what joins a transaction."""
        assert isinstance(driver, JoinsTransaction), (
            "this driver does not join transactions: set driver_class, "
            "and these tests are not collected"
        )
        return driver

    async def test_it_holds_from_the_commit_on(
        self, rig: Rig, driver: Driver, joining: JoinsTransaction, queue: str
    ) -> None:
        batch = rig.messages(queue, 3)
        async with self._begin() as mine:
            answer = await joining.enqueue_in(mine.connection, batch)
            assert sorted(answer.stored) == sorted(m.id for m in batch)
            await rig.nothing(driver, queue, "the transaction is not committed")
            await mine.commit()
        came = await rig.take(driver, queue, 3, why="the transaction is committed")
        assert {d.id: d.body for d in came} == {m.id: m.body for m in batch}

    async def test_after_a_rollback_nothing_was_sent(
        self, rig: Rig, driver: Driver, joining: JoinsTransaction, queue: str
    ) -> None:
        async with self._begin() as mine:
            await joining.enqueue_in(mine.connection, rig.messages(queue, 2))
            await mine.rollback()
        async with self._begin() as forgotten:
            await joining.enqueue_in(forgotten.connection, rig.messages(queue, 2))
        await rig.nothing(driver, queue, "neither transaction was committed")

    async def test_a_waiting_consumer_gets_it_after_the_commit(
        self, rig: Rig, joining: JoinsTransaction, second: Driver, queue: str
    ) -> None:
        async with self._begin() as mine:
            await joining.enqueue_in(mine.connection, [rig.message(queue)])
            await rig.woken(second, queue, mine.commit)

    async def test_delays_count_there_too(
        self, rig: Rig, driver: Driver, joining: JoinsTransaction, queue: str
    ) -> None:
        async with self._begin() as mine:
            later = rig.message(queue, b"later", delay=0.3)
            await joining.enqueue_in(mine.connection, [later, rig.message(queue, b"now")])
            await mine.commit()
        within = 0.3 + driver.capabilities.delay_resolution + self.patience
        came = await rig.take(driver, queue, 2, within=within)
        assert [d.body for d in came] == [b"now", b"later"]

    async def test_two_transactions_do_not_mix(
        self, rig: Rig, driver: Driver, joining: JoinsTransaction, queue: str
    ) -> None:
        kept, dropped, later = (rig.message(queue) for _ in range(3))
        async with self._begin() as one, self._begin() as other:
            await joining.enqueue_in(one.connection, [kept])
            with suppress(DriverError):  # of a backend with one writer at a time, and soon
                async with asyncio.timeout(self.patience):
                    await joining.enqueue_in(other.connection, [dropped])
            await other.rollback()
            await one.commit()
            await joining.enqueue_in(other.connection, [later])
            await other.commit()
        came = await rig.take(driver, queue, 2, why="both transactions were committed")
        assert {d.id for d in came} == {kept.id, later.id}
        await rig.nothing(driver, queue, "the rest was rolled back, or refused")

    async def test_a_refusal_leaves_the_transaction_as_it_was(
        self, rig: Rig, driver: Driver, joining: JoinsTransaction, queue: str
    ) -> None:
        good = rig.message(queue)
        async with self._begin() as mine:
            await joining.enqueue_in(mine.connection, [good])
            for bad in (rig.message("no name"), rig.message(queue, delay=-1.0)):
                with pytest.raises(InvalidMessage):
                    await joining.enqueue_in(mine.connection, [rig.message(queue), bad])
            await mine.commit()
        assert (await rig.one(driver, queue)).id == good.id
        await rig.nothing(driver, queue, "a batch was refused, and part of it stored")

    async def test_an_id_that_is_stored_already_spoils_nothing(
        self, rig: Rig, driver: Driver, joining: JoinsTransaction, queue: str
    ) -> None:
        if not driver.capabilities.idempotent_enqueue:
            return
        (known,) = await rig.put(driver, [rig.message(queue)])
        new = rig.message(queue)
        async with self._begin() as mine:
            await joining.enqueue_in(mine.connection, [known])
            await joining.enqueue_in(mine.connection, [new])
            await mine.commit()
        came = await rig.take(driver, queue, 2, why="enqueuing a stored id is no error")
        assert {d.id for d in came} == {known.id, new.id}
        await rig.nothing(driver, queue, "the id was stored already")

    @pytest.mark.parametrize("foreign", [None, object(), "dsn", 7], ids=type)
    async def test_a_connection_of_another_kind_is_refused(
        self, rig: Rig, joining: JoinsTransaction, queue: str, foreign: object
    ) -> None:
        with pytest.raises(Unsupported):
            await joining.enqueue_in(foreign, [rig.message(queue)])

    async def test_a_closed_driver_joins_nothing(
        self, rig: Rig, driver: Driver, joining: JoinsTransaction, queue: str
    ) -> None:
        await driver.close()
        async with self._begin() as mine:
            with pytest.raises(DriverClosed):
                await joining.enqueue_in(mine.connection, [rig.message(queue)])


@needs(SettlesInTransaction, "transaction")
class SettlingInTransactions(TransactionGroup):
    """`SettlesInTransaction`."""

    @pytest.fixture
    def settling(self, driver: Driver) -> SettlesInTransaction:
        """The open driver, as what acknowledges in a transaction."""
        assert isinstance(driver, SettlesInTransaction), (
            "this driver does not settle in transactions: set driver_class, "
            "and these tests are not collected"
        )
        return driver

    async def test_committed_it_is_acknowledged(
        self, rig: Rig, driver: Driver, settling: SettlesInTransaction, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue, visibility_timeout=self.lease)])
        held = await rig.one(driver, queue)
        async with self._begin() as mine:
            assert await settling.settle_in(mine.connection, Ack(held)), "the lease was held"
            await mine.commit()
        why = "acknowledged with the task's own writes"
        await rig.nothing(driver, queue, why, wait=rig.runs_for([held]) + self.quiet)

    async def test_rolled_back_it_is_held_as_before(
        self, rig: Rig, driver: Driver, settling: SettlesInTransaction, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        async with self._begin() as mine:
            assert await settling.settle_in(mine.connection, Ack(held))
            await mine.rollback()
        assert (await driver.settle([Ack(held)])).lost == (), "the acknowledgement was rolled back"

    async def test_a_lost_delivery_is_said_to_be_lost(
        self, rig: Rig, driver: Driver, settling: SettlesInTransaction
    ) -> None:
        stale = await rig.stale(1)
        async with self._begin() as mine:
            assert not await settling.settle_in(mine.connection, Ack(stale.old[0])), (
                "False: the lease was lost, so the task's writes are to be rolled back"
            )
            await mine.rollback()
        assert (await stale.owner.settle([Ack(stale.new[0])])).lost == ()

    async def test_renewing_never_waits_for_a_locked_row(
        self, rig: Rig, driver: Driver, settling: SettlesInTransaction, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 3))
        held = await rig.take(driver, queue, 3)
        async with self._begin() as mine:
            assert await settling.settle_in(mine.connection, Ack(held[0]))
            async with asyncio.timeout(self.patience):
                answer = await driver.extend(held)
            assert answer.lost == (), "what a transaction has locked is skipped, not lost"
            await mine.commit()
        assert (await driver.settle([Ack(d) for d in held[1:]])).lost == ()
