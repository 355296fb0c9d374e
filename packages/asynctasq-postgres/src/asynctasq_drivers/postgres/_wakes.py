"""Who waits here, and the one connection on which they are told of what comes.

A wait holds no connection of the pool. A word that is lost with the connection costs time, never a
message: who waits looks again every few seconds.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeAlias
from uuid import UUID

from asynctasq.errors import DriverUnavailable
from asynctasq_drivers.postgres._client import Connection
from asynctasq_drivers.postgres._errors import of_connecting
from asynctasq_drivers.postgres._log import log
from asynctasq_drivers.postgres._names import Names
from asynctasq_drivers.postgres._pool import ended

Connect: TypeAlias = Callable[[], Coroutine[Any, Any, Connection]]

LOOK_AGAIN: Final = 2.0
"""Seconds after which who waits looks again, although nobody told it to."""
QUIET: Final = 15.0
"""Seconds after which the connection is tried."""
TRY: Final = 5.0
"""Seconds that it has to answer."""


class Wakes:
    """Listens while somebody waits, and for as long as the driver is open after that."""

    def __init__(self, names: Names, connect: Connect) -> None:
        self._names = names
        self._connect = connect
        self._waiters: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        """By the name of a queue, or the id of a task."""
        self._connection: Connection | None = None
        self._hears_results = False
        self._connecting = asyncio.Lock()
        self._beginning: set[asyncio.Future[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def listening(self) -> bool:
        """Whether what is told now is heard."""
        return self._connection is not None

    @property
    def hears_results(self) -> bool:
        """Whether what is told now of results is heard."""
        return self._connection is not None and self._hears_results

    async def hears(self, *, results: bool = False) -> bool:
        """Whether what is told from now on is heard; else who waits has to look."""
        try:
            await self.listen(results=results)
        except DriverUnavailable as error:
            log.debug("nobody is told, until there is a connection for it: %s", error)
            return False
        return True

    async def listen(self, *, results: bool = False) -> None:
        """Hear what is told from now on. Raises what a driver raises."""
        if self.hears_results or (self.listening and not results):
            return
        # Never cancelled: the client library leaves a socket behind then.
        beginning = asyncio.ensure_future(self._begin(results))
        self._beginning.add(beginning)
        beginning.add_done_callback(self._seen)
        await asyncio.shield(beginning)

    def _seen(self, beginning: asyncio.Future[None]) -> None:
        """Whoever waited for it may have been cancelled: nobody needs to hear of its error."""
        self._beginning.discard(beginning)
        if not beginning.cancelled():
            beginning.exception()

    async def _begin(self, results: bool) -> None:
        async with self._connecting:
            if self._closed:
                return
            try:
                await self._listen(results)
            except Exception as error:
                await self._drop()
                raise of_connecting(error) from error

    async def _listen(self, results: bool) -> None:
        connection = self._connection or await self._listener()
        if results and not self._hears_results:
            async with asyncio.timeout(TRY):
                await connection.add_listener(self._names.results_channel, self._heard)
            # Held by all who wait for results, for as long as their connections live.
            lock = self._names.awaited_lock
            await connection.fetch("SELECT pg_advisory_lock_shared($1)", lock, timeout=TRY)
            self._hears_results = True

    async def _listener(self) -> Connection:
        connection = await self._connect()
        try:
            async with asyncio.timeout(TRY):
                await connection.add_listener(self._names.channel, self._heard)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
        connection.add_termination_listener(self._lost)
        self._watch = asyncio.ensure_future(self._keep(connection))
        return connection

    @contextmanager
    def waiting(self, words: Iterable[str]) -> Generator[asyncio.Event]:
        """An event that is set when one of these is told."""
        event = asyncio.Event()
        words = tuple(words)
        for word in words:
            self._waiters[word].add(event)
        try:
            yield event
        finally:
            for word in words:
                self._waiters[word].discard(event)
                if not self._waiters[word]:
                    del self._waiters[word]

    def tell(self, words: Iterable[str]) -> None:
        """Let those here look who wait for one of these."""
        for word in words if self._waiters else ():
            for event in self._waiters.get(word, ()):
                event.set()

    def _heard(self, _: Any, __: int, ___: str, told: str) -> None:
        self.tell(told.split())

    def _tell_all(self) -> None:
        for events in self._waiters.values():
            for event in events:
                event.set()

    def _lost(self, connection: Any) -> None:
        """It ended by itself: who waits makes another."""
        if self._connection is connection:
            self._connection = None
            self._hears_results = False
            if self._watch is not None:
                self._watch.cancel()
            self._tell_all()

    async def _keep(self, connection: Connection) -> None:
        """Try the connection every now and then: one that died in silence tells nothing."""
        while self._connection is connection:
            await asyncio.sleep(QUIET)
            try:
                async with self._connecting:
                    await connection.fetch("SELECT 1", timeout=TRY)
            except Exception:
                connection.terminate()
                return self._lost(connection)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._hears_results = False
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait((self._watch,))
        if connection is not None:
            await ended(connection)

    async def close(self) -> None:
        """End all waits, and stop listening."""
        self._closed = True
        self._tell_all()
        async with self._connecting:
            await self._drop()

    def abandon(self) -> None:
        """End the connection at once, from whatever thread."""
        if self._connection is not None:
            self._connection.terminate()


async def told(event: asyncio.Event, seconds: float) -> None:
    """Wait until it is set, or the time is over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def word_of(id: UUID) -> str:
    """What is told when a task of that id has ended."""
    return id.hex
