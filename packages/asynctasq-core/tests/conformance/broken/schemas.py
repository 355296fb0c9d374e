"""Drivers that change a schema, or take part in a transaction, as it suits them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from asynctasq.driver import Ack, Delivery, Enqueued, Message, Migration, Renewed
from asynctasq.memory import MemoryDriver, MemoryTransaction

from ..migrating import STEPS, MigratingDriver  # noqa: TID252


class MigratesWithoutALock(MigratingDriver):
    """Whoever comes while another is at it applies the same steps."""

    caught_by = "Migrations"

    async def migrate(self) -> tuple[Migration, ...]:
        return await self._apply_pending()


class AppliesHalfAStep(MigratingDriver):
    """Writes down that a step is done before it is: dead in between, it never will be."""

    caught_by = "Migrations"

    async def _apply_pending(self) -> tuple[Migration, ...]:
        pending = await self.pending_migrations()
        for step in pending:
            self.schema.applied.append(step.version)
            await asyncio.sleep(0)
            self.schema.done.append(step.version)
        return pending

    async def open(self) -> None:
        await super().open()
        if len(self.schema.done) < len(STEPS):
            raise RuntimeError("no such column")


class AcknowledgesBeforeTheCommit(MigratingDriver):
    """A rollback of the task's writes leaves its acknowledgement."""

    caught_by = "SettlingInTransactions"

    async def settle_in(self, connection: Any, ack: Ack) -> bool:
        return not (await self.settle([ack])).lost


class NeverSaysLost(MigratingDriver):
    """A task whose lease was lost commits what it wrote."""

    caught_by = "SettlingInTransactions"

    async def settle_in(self, connection: MemoryTransaction, ack: Ack) -> bool:
        await super().settle_in(connection, ack)
        return True


class SaysLostOfWhatIsLocked(MigratingDriver):
    """A renewal takes what a transaction has locked for somebody else's."""

    caught_by = "SettlingInTransactions"

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        answer = await super().extend(deliveries)
        queues = {d.queue: self._store.queue(d.queue, self._now()) for d in deliveries}
        locked = (d for d in deliveries if queues[d.queue].is_locked(d))
        return Renewed((*answer.lost, *locked))


class CommitsWhateverHappens(MemoryDriver):
    """An error in the block is no reason to roll back."""

    caught_by = "OwnTransactions"

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[MemoryTransaction]:
        begun = MemoryTransaction()
        try:
            yield begun
        finally:
            begun.commit()


class KeepsErrorsToItself(MemoryDriver):
    """Rolls back, and lets the task think that it was committed."""

    caught_by = "OwnTransactions"

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[MemoryTransaction]:
        with suppress(Exception):
            async with super().transaction() as begun:
                yield begun


class NeverCommits(MemoryDriver):
    """The end of the block is no reason to commit."""

    caught_by = "OwnTransactions"

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[MemoryTransaction]:
        begun = MemoryTransaction()
        yield begun
        begun.rollback()


class MigratesEveryTime(MigratingDriver):
    """Applies all steps, whatever was applied before."""

    caught_by = "Migrations"

    async def pending_migrations(self) -> tuple[Migration, ...]:
        return STEPS


class JoinsAnything(MigratingDriver):
    """A connection of another kind is taken for one of its own, and nothing is stored."""

    caught_by = "Transactions"

    async def enqueue_in(self, connection: Any, messages: Sequence[Message]) -> Enqueued:
        if isinstance(connection, MemoryTransaction):
            return await super().enqueue_in(connection, messages)
        return Enqueued(tuple(message.id for message in messages))
