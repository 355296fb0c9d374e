"""A driver that reaches its backend through sockets: the memory driver, behind a server.

It is for trying out what the suite does to connections: restarts, cuts, and death at any await.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Literal
from uuid import UUID

from msgspec import structs

from asynctasq.driver import (
    API,
    Capabilities,
    Context,
    Delivery,
    Enqueued,
    Message,
    Outcome,
    Purged,
    QueueStats,
    Record,
    Release,
    Renewed,
    Settled,
    StoredTask,
    TaskPage,
    TaskRef,
    TaskState,
    check_messages,
    check_outcomes,
)
from asynctasq.errors import DriverClosed, DriverUnavailable, OutcomeUnknown
from asynctasq.memory import MemoryDriver

from .remote_server import HOST, read, write


class RemoteDriver:
    """One connection for each call. ``options`` is the port."""

    name = "remote"
    api = API
    capabilities: Capabilities = structs.replace(MemoryDriver.capabilities, process_local=False)

    def __init__(self, options: int, context: Context) -> None:
        self._port = options
        self._context = context
        self._state: Literal["new", "open", "closed"] = "new"
        self._waiting: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self._stopping: set[asyncio.Task[Any]] = set()
        self._kept: list[Delivery] = []

    async def open(self) -> None:
        if self._state == "closed":
            raise DriverClosed("this driver is closed for good")
        await self._request("stats", [])
        self._state = "open"

    async def close(self) -> None:
        self._state = "closed"
        for task in tuple(self._waiting):
            self._stop(task)
        if self._stopping:
            await asyncio.wait(self._stopping)
        kept, self._kept = self._kept, []
        if kept:
            with suppress(DriverUnavailable, OutcomeUnknown):
                await self._request("settle", [Release(delivery) for delivery in kept])

    def _check_open(self) -> None:
        if self._state != "open":
            raise DriverClosed(f"this driver is {self._state}")

    async def _call(self, method: str, *arguments: object, ids: Iterable[UUID] = ()) -> Any:
        self._check_open()
        return await self._request(method, *arguments, ids=ids)

    async def _request(
        self, method: str, *arguments: object, ids: Iterable[UUID] = (), **options: object
    ) -> Any:
        try:
            reader, writer = await asyncio.open_connection(HOST, self._port)
        except OSError as error:
            raise DriverUnavailable(f"no server on port {self._port}: {error}") from error
        this = asyncio.current_task()
        assert this is not None
        self._waiting[this] = writer
        try:
            write(writer, (self._context, method, arguments, options))
            await writer.drain()
            good, answer = await read(reader)
        except (OSError, EOFError) as error:
            raise OutcomeUnknown(ids) from error
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            del self._waiting[this]
        if good:
            return answer
        raise answer

    async def _wait(self, method: str, *arguments: object, **options: object) -> Any:
        """A call that `close` and a cancellation can stop, without losing its answer."""
        self._check_open()
        task = asyncio.ensure_future(self._request(method, *arguments, **options))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done():
                self._keep(task)
            else:
                task.add_done_callback(self._keep)
                self._stop(task)
            raise

    def _stop(self, task: asyncio.Task[Any]) -> None:
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
        if task in self._waiting:
            if not self._waiting[task].is_closing():  # else it has its answer
                self._waiting[task].write(b"!")
        else:
            task.cancel()

    def _keep(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is None and isinstance(task.result(), tuple):
            self._kept += task.result()

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        self._check_open()
        check_messages(messages, self.capabilities)
        answer: Enqueued = await self._call("enqueue", messages, ids=[m.id for m in messages])
        return answer

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        self._check_open()
        while self._stopping:
            await asyncio.wait(tuple(self._stopping))
        if kept := await self._still_ours(queues, limit):
            return kept
        return await self._wait("dequeue", queues, limit=limit, wait=wait) or ()

    async def _still_ours(self, queues: Sequence[str], limit: int) -> tuple[Delivery, ...]:
        """What a cancelled dequeue had taken, unless its lease was lost meanwhile."""
        kept = [delivery for delivery in self._kept if delivery.queue in queues][:limit]
        if not kept:
            return ()
        lost = (await self.extend(kept)).lost
        # Cancelled just now, they stay; meanwhile another call may have given them.
        mine = [delivery for delivery in kept if delivery in self._kept]
        self._kept = [delivery for delivery in self._kept if delivery not in kept]
        return tuple(delivery for delivery in mine if delivery not in lost)

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        self._check_open()
        check_outcomes(outcomes, self.capabilities)
        ids = [outcome.delivery.id for outcome in outcomes]
        answer: Settled = await self._call("settle", outcomes, ids=ids)
        return answer

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        ids = [delivery.id for delivery in deliveries]
        answer: Renewed = await self._call("extend", deliveries, ids=ids)
        return answer

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        answer: tuple[QueueStats, ...] = await self._call("stats", queues)
        return answer

    async def purge(self, queue: str) -> Purged:
        answer: Purged = await self._call("purge", queue)
        return answer

    async def get(self, ref: TaskRef) -> StoredTask | None:
        answer: StoredTask | None = await self._call("get", ref)
        return answer

    async def list(
        self, status: TaskState, queue: str | None, limit: int, cursor: str | None = None
    ) -> TaskPage:
        answer: TaskPage = await self._call("list", status, queue, limit, cursor)
        return answer

    async def retry_dead(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        answer: tuple[TaskRef, ...] = await self._call("retry_dead", refs)
        return answer

    async def delete(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        answer: tuple[TaskRef, ...] = await self._call("delete", refs)
        return answer

    async def result(self, ref: TaskRef, wait: float) -> Record | None:
        answer: Record | None = await self._wait("result", ref, wait)
        return answer

    async def store(self, records: Sequence[Record]) -> None:
        await self._call("store", records)
