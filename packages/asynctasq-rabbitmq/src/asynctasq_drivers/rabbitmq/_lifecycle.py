"""Opening and closing, and what a driver has while it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from asynctasq.driver import Capabilities, Context, Delivery, Release
from asynctasq.errors import DriverClosed, DriverError, OutcomeUnknown
from asynctasq_drivers.rabbitmq._consumer import Consumer
from asynctasq_drivers.rabbitmq._errors import of_asking
from asynctasq_drivers.rabbitmq._link import Link
from asynctasq_drivers.rabbitmq._log import log
from asynctasq_drivers.rabbitmq._management import Management
from asynctasq_drivers.rabbitmq._options import RabbitmqOptions
from asynctasq_drivers.rabbitmq._publisher import Publisher
from asynctasq_drivers.rabbitmq._queue_list import QueueList
from asynctasq_drivers.rabbitmq._session import Held, Session
from asynctasq_drivers.rabbitmq._sessions import Sessions
from asynctasq_drivers.rabbitmq._settling import Settling
from asynctasq_drivers.rabbitmq._statistics import Statistics
from asynctasq_drivers.rabbitmq._topology import Names, Topology
from asynctasq_drivers.rabbitmq._url import hosts

T = TypeVar("T")

LAST_WAIT: Final = 10.0
"""Seconds that `close` gives to what is under way."""


class Lifecycle:
    """What a driver is without its verbs: two connections, one that it publishes on."""

    capabilities: Capabilities

    def __init__(self, options: RabbitmqOptions, context: Context) -> None:
        self._hosts = hosts(options.rabbitmq_url.reveal())
        self._options = options
        self._context = context
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened = self._closed = False
        self._closing: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Future[Any]] = set()
        self._names = Names(options.rabbitmq_exchange_name)
        at = options.rabbitmq_management_url
        management = None if at is None else Management(at.reveal())
        self._statistics = Statistics(management, self._hosts[0])

    def _make(self) -> None:
        """All that belongs to the loop that it is opened on."""
        topology = Topology(self._names, self._note_queue)
        self._publishing = Link(self._hosts, "asynctasq: publishing", topology.forget)
        self._consuming = Link(self._hosts, "asynctasq: consuming", topology.forget)
        self._publisher = Publisher(self._publishing, topology)
        self._queue_list = QueueList(self._names, self._publisher)
        self._sessions = Sessions(self._consuming, topology, self._lost)
        self._consumer = Consumer(
            self._sessions,
            self._options.rabbitmq_prefetch_count,
            self._give_back,
            self._drop,
            self._spawn,
        )
        self._settling = Settling(
            self._names, self._publisher, self._sessions, self._consumer, self._context.dead_ttl
        )

    async def open(self) -> None:
        if self._closed:
            raise DriverClosed("this rabbitmq driver is closed for good: make another")
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._make()
        await self._publishing.connection()
        self._opened = True
        if self._closed:
            raise DriverClosed("this rabbitmq driver was closed while it was opened")

    async def close(self) -> None:
        self._closed = True
        if self._loop is None:
            return
        if self._loop is not asyncio.get_running_loop():
            self._publishing.abort()
            self._consuming.abort()
            return
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._consumer.stop()
        try:
            async with asyncio.timeout(LAST_WAIT):
                await self._finish()
        except TimeoutError:
            log.warning("RabbitMQ did not answer while the driver was closed")
        except DriverError as error:
            log.debug("what was not given back comes back by itself: %s", error)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(self._consuming.close(), self._publishing.close())

    async def _finish(self) -> None:
        await self._ended()
        await self._consumer.close()
        await self._ended()

    async def _ended(self) -> None:
        while self._under_way:
            await asyncio.wait(tuple(self._under_way))

    def _running(self) -> None:
        """Raises `DriverClosed`, unless it is open on this loop."""
        if self._closed or not self._opened:
            state = "closed" if self._closed else "new"
            raise DriverClosed(f"this rabbitmq driver is {state}: open() it first, close() last")
        if self._loop is not asyncio.get_running_loop():
            raise DriverClosed(
                "this rabbitmq driver was opened on another event loop: make another"
            )

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Do something that `close` waits for, and that no caller cancels."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever was to hear of it has, or was cancelled

    async def _spawned(self, work: Coroutine[Any, Any, T], ids: Iterable[UUID] = ()) -> T:
        """The same, and wait for it. ``ids``: what may be stored by it, or not."""
        task = self._spawn(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if not task.cancelled():
                raise  # whoever waited was cancelled
            raise OutcomeUnknown(ids, "RabbitMQ did not answer until the end") from error

    async def _note_queue(self, queue: str) -> None:
        await self._queue_list.add(queue)

    async def _queue_names(self) -> list[str]:
        connection = await self._publishing.connection()
        try:
            return await self._queue_list.names(connection)
        except Exception as error:
            raise of_asking(error) from error

    def _lost(self) -> None:
        self._consumer.lost()

    async def _give_back(self, deliveries: Sequence[Delivery]) -> bool:
        """What was pushed, and nobody has asked for. Whether that is done."""
        try:
            await self._settling.settle([Release(delivery) for delivery in deliveries])
        except DriverError as error:
            log.debug("%d deliveries are not given back: %s", len(deliveries), error)
            return False
        return True

    def _drop(self, session: Session, held: Held) -> None:
        """A copy of what somebody here is at work on."""
        self._spawn(self._acknowledged(session, held))

    async def _acknowledged(self, session: Session, held: Held) -> None:
        log.info("a second copy of task %s is dropped", held.delivery.id)
        try:
            await self._settling.acknowledge(session, [held])
        except Exception as error:
            log.debug("it comes again: %s", error)
