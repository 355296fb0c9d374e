"""Part of somebody's transaction: messages of a caller, and the acknowledgement of a task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from asynctasq.driver import Ack, Enqueued, Message, check_messages
from asynctasq_drivers.postgres._callers import in_transaction_of
from asynctasq_drivers.postgres._client import ANSWER, Connection, Transaction
from asynctasq_drivers.postgres._errors import of_connecting, translated
from asynctasq_drivers.postgres._log import log
from asynctasq_drivers.postgres._outcomes import are_plain, columns_of
from asynctasq_drivers.postgres._rows import message_columns
from asynctasq_drivers.postgres._tasks import PostgresTasks


class PostgresTransactions(PostgresTasks):
    """`JoinsTransaction` and `SettlesInTransaction`."""

    async def enqueue_in(self, connection: Any, messages: Sequence[Message]) -> Enqueued:
        sql = self._running()
        check_messages(messages, self.capabilities)
        rows = await in_transaction_of(connection, sql.enqueue_in, message_columns(messages))
        self._commits.watch(str(rows[0][0]), {message.queue for message in messages})
        return Enqueued(tuple(message.id for message in messages))

    async def settle_in(self, connection: Any, ack: Ack) -> bool:
        sql = self._running()
        statement = sql.ack if are_plain([ack], self._context) else sql.settle
        columns = columns_of([ack], self._context)
        rows = await in_transaction_of(connection, statement, columns)
        return bool(rows[0][0])

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Any]:
        """A connection without any setting of ours, and a transaction on it."""
        self._running()
        connection = await self._users_pool.take()
        try:
            async with _begun(connection):
                yield connection
        finally:
            await self._give_back_used(connection)

    async def _give_back_used(self, connection: Connection) -> None:
        """Without anything that its user has set there."""
        try:
            if connection.is_in_transaction():
                connection.terminate()
            elif not (connection.is_closed() or self._options.postgres_pgbouncer):
                await connection.reset(timeout=ANSWER)
        except BaseException as error:
            connection.terminate()
            if not isinstance(error, Exception):
                raise
        finally:
            self._users_pool.give(connection)


@asynccontextmanager
async def _begun(connection: Connection) -> AsyncGenerator[None]:
    # Not the isolation that a database may have for all: a renewed lease would be a conflict.
    transaction = connection.transaction(isolation="read_committed")
    try:
        await _in_time(connection, transaction.start())
    except Exception as error:
        raise of_connecting(error) from error
    try:
        yield
    except BaseException:
        await _roll_back(connection, transaction)
        raise
    try:
        await _in_time(connection, transaction.commit())
    except Exception as error:
        raise translated(error) from error


async def _roll_back(connection: Connection, transaction: Transaction) -> None:
    """Also by ending the connection: without a commit nothing is stored."""
    try:
        if not connection.is_closed():
            await _in_time(connection, transaction.rollback())
    except Exception as error:
        log.debug("a connection had to be ended, to roll back on it: %s", error)


async def _in_time(connection: Connection, step: Coroutine[Any, Any, None]) -> None:
    """Where it does not end well, nobody knows in what state the connection is: it is ended."""
    try:
        async with asyncio.timeout(ANSWER):
            await step
    except BaseException:
        connection.terminate()
        raise
