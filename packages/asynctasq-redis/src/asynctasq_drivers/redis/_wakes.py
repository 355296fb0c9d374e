"""Who waits here, and the one connection on which the scripts wake them.

A script that finds nothing writes down who waits; one that brings something takes as many from
that list as there is to take, and publishes to each. So nobody is woken in vain, and a wait holds
no connection. A wake that is lost with a connection or a process costs time, never a message: who
waits looks again every few seconds.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

from asynctasq.errors import BackendRefused
from asynctasq_drivers.redis._channel import subscribed
from asynctasq_drivers.redis._client import ReplyLost, disconnect, next_message
from asynctasq_drivers.redis._servers import Servers

PREFIX: Final = "asynctasq:wake:"
"""What the channels begin with: a user of Redis needs the right to them."""
LOOK_AGAIN: Final = 2.0
"""Seconds after which who waits looks again, although nobody woke it."""
QUIET: Final = 15.0
"""Seconds without a word after which the connection is tried."""

_numbers: Final = itertools.count(1)


class Waiter:
    """One call that waits."""

    def __init__(self, token: str) -> None:
        self.token = token
        """How it stands in the lists of those who wait."""
        self._told = asyncio.Event()
        self.queue = ""
        """The key of the queue for which it was woken; empty once it looks."""

    def tell(self, queue: str = "") -> None:
        """Let it look again."""
        self.queue = queue
        self._told.set()

    def looks(self) -> None:
        """What it is told from now on, it has not seen."""
        self._told.clear()
        self.queue = ""

    async def wait(self, seconds: float) -> None:
        """Until it is told, or the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return


class Wakes:
    """Listens while somebody waits, and for as long as the driver is open after that."""

    def __init__(self, servers: Servers, on_stray: Callable[[str], None]) -> None:
        # A cluster's nodes do not know who listens on another: '~' tells the scripts.
        self._channel = f"{PREFIX}{'~' if servers.splits else ''}{uuid4().hex}"
        self._servers = servers
        self._on_stray = on_stray
        self._waiters: dict[str, Waiter] = {}
        self._connection: Any = None
        self._connecting = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def listening(self) -> bool:
        """Whether what is told now is heard."""
        return self._connection is not None

    async def listen(self) -> bool:
        """Hear what is told from now on. Raises what a driver raises.

        False: it cannot be heard now, since Redis 8 lets nobody begin to with full memory.
        """
        async with self._connecting:
            if self._closed:
                return False
            if self._connection is None:
                try:
                    connection = await subscribed(self._servers, self._channel)
                except BackendRefused as error:
                    if "OOM" in str(error):
                        return False
                    raise
                self._connection = connection
                self._reader = asyncio.ensure_future(self._read(connection))
        return True

    @contextmanager
    def waiter(self) -> Generator[Waiter]:
        """Somebody who waits for as long as this block runs."""
        number = str(next(_numbers))
        waiter = self._waiters[number] = Waiter(f"{self._channel} {number}")
        try:
            yield waiter
        finally:
            del self._waiters[number]
            if waiter.queue:  # it was woken, and went without a look
                self._on_stray(waiter.queue)

    def tell_all(self) -> None:
        """Let all look again."""
        for waiter in tuple(self._waiters.values()):
            waiter.tell()

    async def _read(self, connection: Any) -> None:
        """Pass on what is told, until the connection ends; who waits then makes another."""
        try:
            while True:
                self._pass_on((await next_message(connection, QUIET)).decode(errors="replace"))
        except ReplyLost:
            return
        finally:
            if self._connection is connection:
                self._connection = None
            await disconnect(connection)
            self.tell_all()

    def _pass_on(self, told: str) -> None:
        number, _, queue = told.partition(" ")
        waiter = self._waiters.get(number)
        if waiter is not None:
            waiter.tell(queue)
        elif queue:
            self._on_stray(queue)

    async def close(self) -> None:
        """End all waits, and stop listening, also where somebody has just begun to."""
        self._closed = True
        self.tell_all()
        async with self._connecting:
            connection, self._connection = self._connection, None
            if self._reader is not None:
                self._reader.cancel()
                await asyncio.wait((self._reader,))
            if connection is not None:  # a task that was cancelled before it began ends nothing
                await disconnect(connection)
