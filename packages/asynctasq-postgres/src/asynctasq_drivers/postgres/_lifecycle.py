"""Opening and closing, and what a driver has while it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from asynctasq.driver import Capabilities, Context, Migration
from asynctasq.errors import BackendRefused, DriverClosed
from asynctasq_drivers.postgres import _schema
from asynctasq_drivers.postgres._client import ANSWER, Connection, connect
from asynctasq_drivers.postgres._commits import Commits
from asynctasq_drivers.postgres._dsn import check_dsn
from asynctasq_drivers.postgres._errors import of_connecting
from asynctasq_drivers.postgres._exchange import ALIVE, SETTINGS
from asynctasq_drivers.postgres._log import log
from asynctasq_drivers.postgres._names import Names, names_of
from asynctasq_drivers.postgres._news import News, parts_of
from asynctasq_drivers.postgres._options import PostgresOptions
from asynctasq_drivers.postgres._pool import Pool, ended
from asynctasq_drivers.postgres._sending import Sender
from asynctasq_drivers.postgres._statements import Statements
from asynctasq_drivers.postgres._sweeping import sweep_for_ever
from asynctasq_drivers.postgres._wakes import Wakes, word_of

T = TypeVar("T")

OLDEST: Final = 14
WARM_AFTER: Final = 1.0
"""Seconds after which somebody who consumes has all connections that it is to have."""
LAST_WAIT: Final = 10.0
"""Seconds that `close` gives to statements that are under way."""
SOON: Final = 0.005
RESULTS_SOON: Final = 0.02
"""Seconds in which what is to be told of messages, and of results, is collected."""


class Lifecycle:
    """What a driver is without its verbs: `Migrates` too, as it needs no open driver."""

    capabilities: Capabilities

    def __init__(self, options: PostgresOptions, context: Context) -> None:
        check_dsn(options.postgres_dsn.reveal())
        self._options = options
        self._context = context
        self._names = names_of(options)
        self._dsn = options.postgres_dsn.reveal()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._opened = self._closed = False
        self._pool = Pool(self._connected, options.postgres_max_pool_size)
        self._send = Sender(self._pool, in_transactions=options.postgres_pgbouncer).send
        self._users_pool = Pool(self._plain, options.postgres_max_pool_size)
        self._under_way: set[asyncio.Future[Any]] = set()
        self._sweeping: asyncio.Task[None] | None = None
        self._warming: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        if self._closed:
            raise DriverClosed("this postgres driver is closed for good: make another")
        if self._opened:
            return
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
        opening = self._opening
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            raise
        except BaseException:
            if self._opening is opening:
                self._opening = None  # so that it may be called again
            raise
        if self._closed:
            raise DriverClosed("this postgres driver was closed while it was opened")

    async def _open(self) -> None:
        self._loop = asyncio.get_running_loop()
        connection = await self._pool.take()
        try:
            names = await _prepared(connection, self._names, self._options.postgres_auto_migrate)
        except BaseException as error:
            connection.terminate()
            if not isinstance(error, Exception):
                raise
            raise of_connecting(error) from error
        finally:
            self._pool.give(connection)
        self._start(names)

    def _start(self, names: Names) -> None:
        self._names, self._sql = names, Statements(names)
        self._wakes = Wakes(names, self._plain)
        # As statements of our own, which tell nobody, they may still run while the driver closes.
        # A crowd of senders is not to hold up what wakes those who would take what they send.
        self._say = partial(self._send, urgent=True)
        self._news = News(self._tell, SOON)
        self._results_news = News(self._tell_of_results, RESULTS_SOON)
        self._commits = Commits(partial(self._say, self._sql.committed), self._announce)
        self._opened = True

    async def _tell(self, queues: Iterable[str]) -> None:
        await self._say(self._sql.notify, self._names.channel, parts_of(queues))

    async def _tell_of_results(self, ids: Iterable[UUID]) -> None:
        """If anybody waits for any."""
        ((awaited,),) = await self._say(self._sql.awaited, self._names.awaited_lock)
        if awaited:
            words = parts_of(map(word_of, ids))
            await self._say(self._sql.notify, self._names.results_channel, words)

    def _connected(self) -> Coroutine[Any, Any, Connection]:
        """A connection for statements of ours."""
        return self._connect(SETTINGS)

    def _plain(self) -> Coroutine[Any, Any, Connection]:
        """A connection as a user would make it."""
        return self._connect(ALIVE)

    def _connect(self, settings: Mapping[str, str]) -> Coroutine[Any, Any, Connection]:
        if self._options.postgres_pgbouncer:  # which lets no settings pass
            return connect(self._dsn, {}, prepares=False)
        return connect(self._dsn, settings, prepares=True)

    async def close(self) -> None:
        self._closed = True
        if self._loop is None:
            return
        if self._loop is not asyncio.get_running_loop():
            self._abandon()
            return
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    def _abandon(self) -> None:
        """Its loop is gone: nobody can say good-bye there."""
        self._pool.abandon()
        self._users_pool.abandon()
        if self._opened:
            self._wakes.abandon()

    async def _close(self) -> None:
        if self._opening is not None:
            await asyncio.wait((self._opening,))
            if not self._opening.cancelled():
                self._opening.exception()
        if self._opened:
            try:
                async with asyncio.timeout(LAST_WAIT):
                    await self._finish()
            except TimeoutError:
                log.warning("PostgreSQL did not answer while the driver was closed")
            for task in self._under_way:
                task.cancel()
        await asyncio.gather(self._pool.close(LAST_WAIT), self._users_pool.close(LAST_WAIT))

    async def _finish(self) -> None:
        await self._wakes.close()
        if self._warming is not None:
            self._warming.cancel()
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait((self._sweeping,))
        while self._under_way:  # what was taken, and is being given back
            await asyncio.wait(tuple(self._under_way))
        await self._commits.close()
        await self._news.told()
        await self._results_news.told()

    def _running(self) -> Statements:
        """The statements, of a driver that is open on this loop."""
        if self._closed or not self._opened:
            state = "closed" if self._closed else "new"
            raise DriverClosed(f"this postgres driver is {state}: open() it first, close() last")
        if self._loop is not asyncio.get_running_loop():
            raise DriverClosed(
                "this postgres driver was opened on another event loop: make another"
            )
        return self._sql

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Do something that `close` waits for."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    def _begin_consuming(self) -> None:
        """Who asks for messages keeps connections for it, and clears away what has expired."""
        if self._sweeping is None:
            self._sweeping = asyncio.ensure_future(sweep_for_ever(self._send, self._sql.sweep))
            # Who only takes a message or two needs no more than it uses.
            loop = asyncio.get_running_loop()
            self._warming = loop.call_later(WARM_AFTER, self._warm)

    def _warm(self) -> None:
        self._spawn(self._pool.warm(self._options.postgres_min_pool_size))

    def _announce(self, queues: Iterable[str]) -> None:
        """Something has come to these queues: tell whoever waits for it."""
        queues = frozenset(queues)
        self._wakes.tell(queues)
        self._news.add(queues)

    async def migrate(self) -> tuple[Migration, ...]:
        return await self._apart(partial(_schema.migrate, names=self._names))

    async def pending_migrations(self) -> tuple[Migration, ...]:
        return await self._apart(partial(_schema.pending, names=self._names))

    async def _apart(self, step: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """Do something on a connection of its own, open or not."""
        try:
            connection = await self._plain()
        except Exception as error:
            raise of_connecting(error) from error
        try:
            return await step(connection)
        except Exception as error:
            raise of_connecting(error) from error
        finally:
            await ended(connection)


async def _prepared(connection: Connection, names: Names, auto_migrate: bool) -> Names:
    """See that the server and the schema are fit for us; where the tables are."""
    version = connection.get_server_version()[0]
    if version < OLDEST:
        raise BackendRefused(f"PostgreSQL {version} is too old: this driver needs 14 or newer")
    if auto_migrate:
        await _schema.migrate(connection, names)
    else:
        await _schema.require_current(connection, names)
    sql = "SELECT current_setting('fsync'), current_setting('synchronous_commit')"
    settings = tuple((await connection.fetch(sql, timeout=ANSWER))[0])
    if "off" in settings:
        log.warning(
            "fsync is %s and synchronous_commit %s there: a crash of the server loses tasks that "
            "were accepted",
            *settings,
        )
    return await _schema.located(connection, names)
