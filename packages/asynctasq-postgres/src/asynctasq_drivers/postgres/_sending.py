"""The way of every statement of ours to a connection, and of its answer back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from asynctasq.errors import OutcomeUnknown
from asynctasq_drivers.postgres._client import sqlstate, was_sent
from asynctasq_drivers.postgres._errors import BROKEN_OFF, READ_ONLY, translated
from asynctasq_drivers.postgres._exchange import Statement, by_itself, in_transaction
from asynctasq_drivers.postgres._pool import Pool

AGAIN: Final = 5
"""How often a statement is sent that was broken off in favour of others, or found no server."""


class Sender:
    """Sends on whatever connection is free."""

    def __init__(self, pool: Pool, *, in_transactions: bool) -> None:
        self._pool = pool
        self._in_transactions = in_transactions
        """Whether each statement needs one around it."""

    async def send(
        self,
        sql: str,
        *arguments: Any,
        then: Statement | None = None,
        ids: Iterable[UUID] = (),
        urgent: bool = False,
    ) -> list[Any]:
        """Rows of a statement, all or nothing of which happens, together with another one.

        ``ids`` are those of the messages that it stores; what is urgent goes before the rest.
        Raises the contract's errors.
        """
        statements = ((sql, arguments),) if then is None else ((sql, arguments), then)
        alone = then is None and not self._in_transactions
        exchange = by_itself if alone else in_transaction
        for left in reversed(range(AGAIN)):
            connection = await self._pool.take(urgent=urgent)
            try:
                return await exchange(connection, *statements)
            except Exception as error:
                if left and (sqlstate(error) in BROKEN_OFF or not was_sent(error)):
                    continue
                told = translated(error, ids)
                if sqlstate(error) == READ_ONLY or isinstance(told, OutcomeUnknown):
                    connection.terminate()  # it may be another server by now
                raise told from error
            except BaseException:
                connection.terminate()  # what is under way there, nobody waits for
                raise
            finally:
                self._pool.give(connection)
        raise AssertionError("the last one raises")
