"""Drivers that open, close or refuse badly."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from msgspec import structs

from asynctasq.driver import API, Context, Delivery, Enqueued, Message, Outcome, Renewed, Settled
from asynctasq.errors import DriverClosed, DriverUnavailable, OutcomeUnknown
from asynctasq.memory import MemoryDriver

from ..remote import RemoteDriver  # noqa: TID252


class OpensManyPools(MemoryDriver):
    """Looks whether it is open, connects, and only then remembers: five at once open five."""

    caught_by = "Lifecycle"

    def __init__(self, options: None, context: Context) -> None:
        super().__init__(options, context)
        self._pools: list[tuple[socket.socket, socket.socket]] = []
        self._connected = False

    async def open(self) -> None:
        if not self._connected:
            await asyncio.sleep(0)
            mine, other = socket.socketpair()
            asyncio.get_running_loop().add_reader(mine, mine.recv, 1)
            self._pools.append((mine, other))
            self._connected = True
        await super().open()

    async def close(self) -> None:
        while self._pools:
            mine, other = self._pools.pop()
            asyncio.get_running_loop().remove_reader(mine)
            mine.close()
            other.close()
        await super().close()


class LeavesItsMover(MemoryDriver):
    """Closes, and a background task of it goes on."""

    caught_by = "Lifecycle"

    async def open(self) -> None:
        await super().open()
        self._mover = asyncio.create_task(asyncio.sleep(3600))


class ClosesDeaf(MemoryDriver):
    """A consumer that waits does not hear that its driver was closed."""

    caught_by = "Lifecycle"

    async def close(self) -> None:
        self._state = "closed"


class RaisesWhatItLikes(MemoryDriver):
    """An exception that nobody outside can know leaves the driver."""

    caught_by = "Lifecycle"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        try:
            return await super().dequeue(queues, limit=limit, wait=wait)
        except DriverClosed as error:
            raise RuntimeError("pool is closed") from error


class LetsClientErrorsOut(RemoteDriver):
    """The client library's own error passes the driver's door."""

    caught_by = "Cuts"

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        try:
            return await super().extend(deliveries)
        except DriverUnavailable as error:
            raise OSError("connection refused") from error


class AcceptsAnyName(MemoryDriver):
    """Queue names go into the backend as they come."""

    caught_by = "Limits"

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        self._check_open()
        self._add(messages)
        return Enqueued(tuple(message.id for message in messages))


class SettlesOneByOne(RemoteDriver):
    """A round trip for each outcome."""

    caught_by = "Settle"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        answers = [await super(SettlesOneByOne, self).settle([outcome]) for outcome in outcomes]
        return Settled(tuple(delivery for answer in answers for delivery in answer.lost))


class ConfirmsWhatItOnlySent(RemoteDriver):
    """Enqueue answers before the backend does."""

    caught_by = "Cuts"

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        try:
            return await super().enqueue(messages)
        except (DriverUnavailable, OutcomeUnknown):
            return Enqueued(tuple(message.id for message in messages))


class StaysDown(RemoteDriver):
    """After one lost connection it is down for good."""

    caught_by = "Restarts"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        if getattr(self, "_down", False):
            await asyncio.sleep(wait)
            return ()
        try:
            return await super().dequeue(queues, limit=limit, wait=wait)
        except (DriverUnavailable, OutcomeUnknown):
            self._down = True
            raise


class RaisesAtClose(RemoteDriver):
    """Says goodbye to the backend, and fails if that is away."""

    caught_by = "Cuts"

    async def close(self) -> None:
        if self._state == "open":
            await self.stats([])
        await super().close()


class DeclaresMoreThanItsClass(MemoryDriver):
    """An instance can what its class cannot."""

    caught_by = "Lifecycle"
    capabilities = structs.replace(MemoryDriver.capabilities, fifo=False)

    def __init__(self, options: None, context: Context) -> None:
        super().__init__(options, context)
        self.capabilities = MemoryDriver.capabilities


class HasHalfAProtocol(MemoryDriver):
    """Tells results, and keeps none."""

    caught_by = "Lifecycle"
    store: Any = property()


class NeedsAnApiOfTomorrow(MemoryDriver):
    """Written for a contract that is not there yet."""

    caught_by = "Lifecycle"
    api = (API[0] + 1, 0)
