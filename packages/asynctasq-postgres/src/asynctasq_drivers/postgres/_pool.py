"""Connections for statements: few, used by one at a time, made when they are needed.

A statement leaves nothing behind on a connection, so nothing is reset when it is given back. Who
settles, renews or wakes others goes first, so that no crowd of senders can cost a lease.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeAlias

from asynctasq.errors import DriverClosed, DriverError
from asynctasq_drivers.postgres._client import Connection, sqlstate
from asynctasq_drivers.postgres._errors import NO_CONNECTION_LEFT, of_connecting

Connect: TypeAlias = Callable[[], Coroutine[Any, Any, Connection]]

GOODBYE: Final = 2.0
"""Seconds that a server has to say good-bye."""


class Pool:
    """Up to ``size`` connections. One that ended is replaced when the next is needed."""

    def __init__(self, connect: Connect, size: int) -> None:
        self._connect = connect
        self._size = size
        self._made = 0
        """Those that are idle, in use, or being made."""
        self._making: set[asyncio.Future[Connection]] = set()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._waiting: tuple[deque[asyncio.Future[Connection | None]], ...] = (deque(), deque())
        self._unused = asyncio.Event()
        self._unused.set()
        self._closed = False

    async def take(self, *, urgent: bool = False) -> Connection:
        """A connection that nobody else uses. Raises what the contract knows; nothing was sent."""
        while not self._closed:
            connection = self._idle_one()
            if connection is None:
                connection = await self._another(urgent)
            if connection is not None:
                self._busy.add(connection)
                return connection
        raise DriverClosed("this postgres driver is closed")

    def _idle_one(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                self._unused.clear()
                return connection
            self._made -= 1
        return None

    async def _another(self, urgent: bool) -> Connection | None:
        """A new one, or one that is given back; None: look again."""
        if self._made < self._size:
            try:
                return await self._make()
            except DriverError as error:
                if not (_none_left(error.__cause__) and self._made):
                    raise
            if self._idle:  # given back meanwhile
                return None
        return await self._wait(urgent)

    async def _make(self) -> Connection:
        """A new one."""
        self._made += 1
        self._unused.clear()
        # Never cancelled: the client library leaves a socket behind then.
        making = asyncio.ensure_future(self._connect())
        self._making.add(making)
        making.add_done_callback(self._making.discard)
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            # Also where it was cancelled itself, with all else on its loop.
            making.add_done_callback(self._made_for_nobody)
            raise
        except Exception as error:
            self._gone(error)
            raise of_connecting(error) from error

    def _made_for_nobody(self, making: asyncio.Future[Connection]) -> None:
        """Of a caller that was cancelled meanwhile."""
        if making.cancelled():
            self._gone()
        elif error := making.exception():
            self._gone(error)
        else:
            self._pass_on(making.result())

    async def _wait(self, urgent: bool) -> Connection | None:
        """One that is given back; None: look again."""
        line = self._waiting[0 if urgent else 1]
        future: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        line.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if not future.done():
                line.remove(future)
            elif not (future.cancelled() or future.exception()):
                self._pass_on(future.result())
            raise

    def give(self, connection: Connection) -> None:
        """Give back what `take` gave, in whatever state it is."""
        self._busy.discard(connection)
        if self._closed:  # it was in use for longer than `close` waited
            connection.terminate()
        if connection.is_closed():
            self._gone()
        else:
            self._pass_on(connection)

    def _gone(self, error: BaseException | None = None) -> None:
        """There is one less: who waits may make another, unless there is none to be had."""
        self._made -= 1
        if error is not None and not self._made:
            self._refuse_all(of_connecting(error))
        # Where the server has none left, who waits would only be told the same.
        self._pass_on(None, wake=not _none_left(error))

    def _refuse_all(self, error: DriverError) -> None:
        """Nothing will come back that somebody could be given."""
        for line in self._waiting:
            for future in line:
                if not future.done():
                    future.set_exception(error)
            line.clear()

    def _pass_on(self, connection: Connection | None, *, wake: bool = True) -> None:
        for line in self._waiting:
            while wake and line:
                future = line.popleft()
                if not future.done():
                    future.set_result(connection)
                    return
        if connection is not None:
            self._idle.append(connection)
        if self._made == len(self._idle):
            self._unused.set()

    async def warm(self, count: int) -> None:
        """Make connections, one by one, until there are so many, or one cannot be had."""
        while self._made < min(count, self._size) and not self._closed:
            try:
                made = await self._make()
            except DriverError:
                return
            self.give(made)

    async def close(self, seconds: float) -> None:
        """Wait for what is under way, for so long at most; then end it, and all connections."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._unused.is_set():  # somebody may take one before this goes on
                    await self._unused.wait()
        self._closed = True
        for connection in self._busy:
            connection.terminate()
        if self._making:
            await asyncio.wait(self._making)
        idle, self._idle = self._idle, []
        await asyncio.gather(*(ended(connection) for connection in idle))

    def abandon(self) -> None:
        """End all that is idle at once, from whatever thread."""
        for connection in self._idle:
            connection.terminate()


async def ended(connection: Connection) -> None:
    """End a connection, politely where the server listens."""
    try:
        await connection.close(timeout=GOODBYE)
    except Exception:
        connection.terminate()


def _none_left(error: BaseException | None) -> bool:
    """Whether the server has as many connections as it may have."""
    return error is not None and sqlstate(error) == NO_CONNECTION_LEFT
