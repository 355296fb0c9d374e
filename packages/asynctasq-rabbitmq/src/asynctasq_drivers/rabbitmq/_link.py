"""A connection that is made when it is needed, and made anew once it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from aiormq import exceptions as client

from asynctasq.errors import BackendRefused, DriverClosed, DriverError
from asynctasq_drivers.rabbitmq._client import Connection
from asynctasq_drivers.rabbitmq._errors import of_connecting
from asynctasq_drivers.rabbitmq._url import shown

_WORTH_ANOTHER_HOST: Final = (OSError, TimeoutError, client.AMQPError)


class Link:
    """One connection at a time, to the first of its hosts that lets us in."""

    def __init__(self, hosts: Sequence[str], name: str, on_new: Callable[[], None]) -> None:
        self._hosts = hosts
        self._name = name
        self._on_new = on_new
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._closed = False

    async def connection(self) -> Connection:
        """The one that is open. Raises `DriverUnavailable`, `BackendRefused`, `DriverClosed`."""
        if self._connection is not None and self._connection.is_open:
            return self._connection
        if self._connecting is None:
            # Whoever is cancelled leaves it to the others, or to the next one who asks.
            self._connecting = asyncio.ensure_future(self._connect())
            self._connecting.add_done_callback(self._connected)
        return await asyncio.shield(self._connecting)

    def _connected(self, connecting: asyncio.Task[Connection]) -> None:
        self._connecting = None
        if not connecting.cancelled():
            connecting.exception()  # who waited has it

    async def _connect(self) -> Connection:
        error: DriverError | None = None
        for url in self._hosts:
            if self._closed:
                break
            made = Connection(url, self._name)
            try:
                await made.open()
            except _WORTH_ANOTHER_HOST as one:
                # Of several, one that refuses is the one to tell of.
                if not isinstance(error, BackendRefused):
                    error = of_connecting(one, shown(url))
                    error.__cause__ = one
                continue
            if self._closed:
                await made.close()
                break
            self._connection = made
            self._on_new()
            return made
        raise error or DriverClosed("this rabbitmq driver was closed")

    def abort(self) -> None:
        """End it as if the network had: what was not answered is not known."""
        if self._connection is not None:
            self._connection.abort()

    async def close(self) -> None:
        """Say good-bye. Never raises."""
        self._closed = True
        if self._connecting is not None:
            await asyncio.wait((self._connecting,))
        if self._connection is not None:
            await self._connection.close()
