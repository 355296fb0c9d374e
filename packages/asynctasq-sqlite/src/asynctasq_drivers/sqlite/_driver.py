"""The verbs of the contract: each checks what it is given, and hands the work to the thread."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from asynctasq.driver import (
    API,
    Capabilities,
    Context,
    Delivery,
    Enqueued,
    Message,
    Migration,
    Outcome,
    Purged,
    QueueStats,
    Record,
    Release,
    Renewed,
    Retry,
    Settled,
    StoredTask,
    TaskPage,
    TaskRef,
    TaskState,
    check_messages,
    check_outcomes,
)
from asynctasq.errors import DriverClosed
from asynctasq_drivers.sqlite import _outcomes, _queue, _schema, _tasks
from asynctasq_drivers.sqlite._desk import LONGEST_LOOK
from asynctasq_drivers.sqlite._engine import Engine
from asynctasq_drivers.sqlite._job import Job
from asynctasq_drivers.sqlite._options import SqliteOptions
from asynctasq_drivers.sqlite._self_wait import SelfWait
from asynctasq_drivers.sqlite._session import Session
from asynctasq_drivers.sqlite._transaction import enqueue_in

T = TypeVar("T")


class SqliteDriver:
    """Keeps messages in one SQLite file, which any number of processes of a machine may use."""

    name = "sqlite"
    api = API
    capabilities: Capabilities = Capabilities(
        lease="timed",
        max_lease=None,
        max_delay=None,
        delay_resolution=LONGEST_LOOK,  # until another process has seen what it waits for
        max_body=999_000_000,  # of the 1,000,000,000 bytes of a row
        retention=None,
        atomic=frozenset(("ack", "retry", "dead_letter", "release")),
        per_message_lease=True,
        idempotent_enqueue=True,
        uncounted_release=True,
        reports_lost=True,
        fifo=True,
        strict_queue_order=True,
        wakes=False,  # another process looks at the file: see _desk.py
        exact_stats=True,
        counts_scheduled=True,
        purges_scheduled=True,
    )

    def __init__(self, options: SqliteOptions, context: Context) -> None:
        self._options = options
        self._context = context
        self._engine: Engine | None = None
        self._closing: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        if self._closed:
            raise DriverClosed("this sqlite driver is closed for good: make another")
        engine = self._engine = self._engine or self._started(self._ready_session)
        try:
            await asyncio.shield(engine.opened)
        except asyncio.CancelledError:
            raise
        except BaseException:
            if self._engine is engine:
                self._engine = None  # so that it may be called again
            raise
        if self._closed:
            raise DriverClosed("this sqlite driver was closed while it was opened")
        if engine.gone is not None:
            raise engine.gone

    @cached_property
    def _file(self) -> Path:
        """The file as it is called where the driver was first used."""
        return Path(self._options.sqlite_path).absolute()

    def _started(self, open_session: Callable[[threading.Event], Session]) -> Engine:
        loop = asyncio.get_running_loop()
        self._self_wait = SelfWait(loop, self._file)
        engine = Engine(loop, open_session, self._self_wait)
        weakref.finalize(self, engine.stop).atexit = False
        engine.start()
        return engine

    def _ready_session(self, stopping: threading.Event) -> Session:
        session = self._connected(stopping, create=self._options.sqlite_auto_migrate)
        try:
            if self._options.sqlite_auto_migrate:
                _schema.migrate(session)
            else:
                _schema.require_current(session)
        except BaseException:
            session.close()
            raise
        return session

    def _connected(self, stopping: threading.Event, *, create: bool) -> Session:
        session = Session(self._file, self._options.sqlite_busy_timeout, stopping)
        session.on_locked = self._self_wait.refuse
        session.open(self._options.sqlite_synchronous, create=create)
        return session

    async def close(self) -> None:
        self._closed = True
        if self._engine is None or self._engine.gone is not None:
            return
        if self._engine.loop is not asyncio.get_running_loop():
            self._engine.stop()
            return
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close(self._engine))
        await asyncio.shield(self._closing)

    @staticmethod
    async def _close(engine: Engine) -> None:
        barrier: asyncio.Future[None] = engine.loop.create_future()
        if not engine.opened.done():
            engine.stop()
        engine.end_waits()
        engine.submit(Job(work=lambda cursor: None, future=barrier, writes=False))
        await asyncio.wait((barrier,))
        # Whoever was cancelled with an answer on the way has given it back by now.
        engine.stop()
        await engine.ended
        engine.join(1.0)
        barrier.exception()
        engine.opened.exception()

    def _running(self) -> Engine:
        engine = self._engine
        if self._closed or engine is None or not engine.opened.done():
            state = "closed" if self._closed else "new"
            raise DriverClosed(f"this sqlite driver is {state}: open() it first, close() last")
        if engine.gone is not None:
            raise engine.gone
        if engine.loop is not asyncio.get_running_loop():
            raise DriverClosed("this sqlite driver was opened on another event loop: make another")
        return engine

    async def _do(self, work: Callable[[sqlite3.Cursor], T], *, writes: bool, **more: Any) -> T:
        engine = self._running()
        future: asyncio.Future[T] = engine.loop.create_future()
        job = Job(work=work, future=future, writes=writes, **more)
        engine.submit(job)
        try:
            return await future
        except asyncio.CancelledError:
            if not future.cancelled() and future.done() and future.exception() is None:
                job.take_back(future.result())
            raise

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        self._running()
        check_messages(messages, self.capabilities)
        ids = tuple(message.id for message in messages)
        work = partial(_queue.enqueue, messages=tuple(messages))
        await self._do(work, writes=True, announces=True, ids=ids)
        return Enqueued(ids)

    async def enqueue_in(self, connection: Any, messages: Sequence[Message]) -> Enqueued:
        self._running()
        check_messages(messages, self.capabilities)
        await enqueue_in(connection, messages, self._file, self._options.sqlite_busy_timeout)
        return Enqueued(tuple(message.id for message in messages))

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        queues = tuple(queues)
        return await self._do(
            partial(_queue.take, queues=queues, limit=limit),
            writes=True,
            until=monotonic() + wait,
            ready=partial(_queue.until_due, queues=queues),
            nothing=(),
            undo=self._give_back,
        )

    def _give_back(self, taken: tuple[Delivery, ...]) -> None:
        """Of a dequeue that was cancelled: the next one takes it, or another instance."""
        if taken and self._engine is not None:
            future: asyncio.Future[Settled] = self._engine.loop.create_future()
            work = partial(_outcomes.settle, outcomes=[*map(Release, taken)], context=self._context)
            self._engine.submit(Job(work=work, future=future, writes=True, announces=True))
            future.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        self._running()
        check_outcomes(outcomes, self.capabilities)
        work = partial(_outcomes.settle, outcomes=tuple(outcomes), context=self._context)
        return await self._do(work, writes=True, announces=_announces(outcomes))

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        return await self._do(partial(_queue.extend, given=tuple(deliveries)), writes=True)

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        return await self._do(partial(_queue.stats, queues=queues), writes=False)

    async def purge(self, queue: str) -> Purged:
        return await self._do(partial(_queue.purge, queue=queue), writes=True)

    async def get(self, ref: TaskRef) -> StoredTask | None:
        return await self._do(partial(_tasks.get, ref=ref), writes=False)

    async def list(
        self, status: TaskState, queue: str | None, limit: int, cursor: str | None = None
    ) -> TaskPage:
        work = partial(
            _tasks.list_tasks,
            status=status,
            queue=queue,
            limit=limit,
            after=_tasks.place(cursor),
            scan_limit=self._context.task_scan_limit,
        )
        return await self._do(work, writes=False)

    async def retry_dead(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        return await self._do(partial(_tasks.retry_dead, refs=refs), writes=True, announces=True)

    async def delete(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        return await self._do(partial(_tasks.delete, refs=refs), writes=True)

    async def result(self, ref: TaskRef, wait: float) -> Record | None:
        return await self._do(
            partial(_tasks.result, ref=ref),
            writes=False,
            until=monotonic() + wait,
            ready=partial(_tasks.until_recorded, ref=ref),
        )

    async def store(self, records: Sequence[Record]) -> None:
        await self._do(partial(_outcomes.store, records=records), writes=True, announces=True)

    async def migrate(self) -> tuple[Migration, ...]:
        return await self._apart(_schema.migrate, create=True)

    async def pending_migrations(self) -> tuple[Migration, ...]:
        if not os.path.exists(self._file):  # noqa: ASYNC240 - one look
            return _schema.MIGRATIONS
        return await self._apart(_schema.pending, create=False)

    async def _apart(self, step: Callable[[Session], T], *, create: bool) -> T:
        """Do something on a connection of its own, open or not."""
        answers: list[T] = []

        def connect(stopping: threading.Event) -> Session:
            session = self._connected(stopping, create=create)
            try:
                answers.append(step(session))
            except BaseException:
                session.close()
                raise
            return session

        engine = self._started(connect)
        try:
            await asyncio.shield(engine.opened)
        finally:
            engine.stop()
        await engine.ended
        engine.join(1.0)
        return answers[0]


def _announces(outcomes: Sequence[Outcome]) -> bool:
    """Whether somebody may wait for what they bring: a message, or a record."""
    return any(isinstance(o, Retry | Release) or o.record is not None for o in outcomes)
