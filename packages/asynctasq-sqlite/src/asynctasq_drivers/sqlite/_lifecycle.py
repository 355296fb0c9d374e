"""Opening, closing, and the way of every call to the thread and back."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from asynctasq.driver import Context, Migration
from asynctasq.errors import DriverClosed
from asynctasq_drivers.sqlite import _schema
from asynctasq_drivers.sqlite._engine import Engine
from asynctasq_drivers.sqlite._job import Job
from asynctasq_drivers.sqlite._options import SqliteOptions
from asynctasq_drivers.sqlite._self_wait import SelfWait
from asynctasq_drivers.sqlite._session import Session

T = TypeVar("T")


class Lifecycle:
    """What a driver is without its verbs: `Migrates` too, as it needs no open driver."""

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
