"""Part of somebody's transaction: messages of a caller, and the acknowledgement of a task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from asynctasq.driver import Ack, Context, Enqueued, Message, check_messages
from asynctasq.errors import DriverUnavailable, Unsupported
from asynctasq_drivers.postgres._callers import in_transaction_of
from asynctasq_drivers.postgres._client import ANSWER, Connection, Transaction
from asynctasq_drivers.postgres._errors import of_connecting, translated
from asynctasq_drivers.postgres._log import log
from asynctasq_drivers.postgres._options import PostgresOptions
from asynctasq_drivers.postgres._outcomes import are_plain, columns_of
from asynctasq_drivers.postgres._pool import GOODBYE
from asynctasq_drivers.postgres._rows import message_columns
from asynctasq_drivers.postgres._tasks import PostgresTasks

_FORGET: Final = "SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; DISCARD TEMP; DISCARD SEQUENCES"
"""What the client library's own reset does not do."""
_PREPARED: Final = "SELECT quote_ident(name) FROM pg_prepared_statements WHERE from_sql"
"""By SQL: those of the client library are its own."""


class PostgresTransactions(PostgresTasks):
    """`JoinsTransaction` and `SettlesInTransaction`."""

    def __init__(self, options: PostgresOptions, context: Context) -> None:
        super().__init__(options, context)
        self._ended_in: dict[int, list[UUID]] = {}
        """Tasks with results, by the id of the connection on whose commit they wait."""

    async def enqueue_in(self, connection: Any, messages: Sequence[Message]) -> Enqueued:
        sql = self._running()
        check_messages(messages, self.capabilities)
        rows = await in_transaction_of(connection, sql.enqueue_in, message_columns(messages))
        self._commits.watch(str(rows[0][0]), {message.queue for message in messages})
        return Enqueued(tuple(message.id for message in messages))

    async def settle_in(self, connection: Any, ack: Ack) -> bool:
        sql = self._running()
        _check_open(connection)
        statement = sql.ack if are_plain([ack], self._context) else sql.settle
        columns = columns_of([ack], self._context)
        try:
            async with asyncio.timeout(ANSWER):
                rows = await in_transaction_of(connection, statement, columns)
        except TimeoutError as error:
            raise DriverUnavailable("PostgreSQL did not answer in time, before a commit") from error
        settled = bool(rows[0][0])
        if settled and ack.record and id(connection) in self._ended_in:
            self._ended_in[id(connection)].append(ack.delivery.id)
        return settled

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Any]:
        """A connection without any setting of ours, and a transaction on it."""
        self._running()
        connection = await self._users_pool.take()
        ended: list[UUID] = []
        self._ended_in[id(connection)] = ended
        try:
            async with _begun(connection):
                yield connection
            self._announce_results(ended)
        finally:
            del self._ended_in[id(connection)]
            self._spawn(self._give_back_used(connection))  # nobody has to wait for that

    async def _give_back_used(self, connection: Connection) -> None:
        """Without anything that its user has set there."""
        try:
            if connection.is_in_transaction():
                connection.terminate()
            elif not (connection.is_closed() or self._options.postgres_pgbouncer):
                await _forget(connection)
        except BaseException as error:
            connection.terminate()
            if not isinstance(error, Exception):
                raise
        finally:
            self._users_pool.give(connection)


def _check_open(connection: Connection) -> None:
    if connection.is_closed():
        raise DriverUnavailable(
            "the connection of this transaction() ended in its block, so that nothing is stored"
        )
    if not connection.is_in_transaction():
        raise Unsupported(
            "the block of this transaction() has ended it, so that the task cannot be "
            "acknowledged with it: leave COMMIT and ROLLBACK to the end of the block"
        )


async def _forget(connection: Connection) -> None:
    """Undo what a user has done to the session."""
    await connection.reset(timeout=ANSWER)
    await connection.execute(_FORGET, timeout=ANSWER)
    for (name,) in await connection.fetch(_PREPARED, timeout=ANSWER):
        await connection.execute(f"DEALLOCATE {name}", timeout=ANSWER)


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
            # Briefly: this may be a time-out of the task, which is to end.
            await _in_time(connection, transaction.rollback(), GOODBYE)
    except Exception as error:
        log.debug("a connection had to be ended, to roll back on it: %s", error)


async def _in_time(
    connection: Connection, step: Coroutine[Any, Any, None], seconds: float | None = None
) -> None:
    """Where it does not end well, nobody knows in what state the connection is: it is ended."""
    try:
        async with asyncio.timeout(ANSWER if seconds is None else seconds):
            await step
    except BaseException:
        connection.terminate()
        raise
