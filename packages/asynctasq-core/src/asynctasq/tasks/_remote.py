"""The way from a worker's tasks to its I/O loop, whose open drivers send what they dispatch."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from asynctasq.driver import Message, Record, ResultStore, TaskRef
from asynctasq.tasks._config import TaskConfig
from asynctasq.tasks._definition import Definition
from asynctasq.tasks._policy import Policy

if TYPE_CHECKING:
    from asynctasq.tasks._client import Client

T = TypeVar("T")


class RemoteClient:
    """A `Client` of another loop, as code on this one may use it."""

    def __init__(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = client.settings
        self.events = client.events
        self._client = client
        self._loop = loop

    @property
    def closed(self) -> bool:
        """Whether the worker has ended since."""
        return self._client.closed or self._loop.is_closed()

    def policy(self, definition: Definition[Any], own: TaskConfig) -> Policy:
        """As `Client.policy`."""
        return self._client.policy(definition, own)

    def outbox(self, name: str) -> RemoteOutbox:
        """Where messages for that driver are put."""
        return RemoteOutbox(self, name)

    async def result_store(self, driver_name: str) -> ResultStore:
        """As `Client.result_store`."""
        return RemoteResults(self, await self.there(self._client.result_store(driver_name)))

    async def put(self, name: str, message: Message) -> None:
        """On the other loop: as `Outbox.put`."""
        await self._client.outbox(name).put(message)

    async def send(self, name: str, messages: Sequence[Message]) -> Mapping[UUID, Exception]:
        """On the other loop: as `Outbox.send`."""
        return await self._client.outbox(name).send(messages)

    async def there(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the other loop, and wait for it here."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


class RemoteOutbox:
    """As `Outbox`, from another loop."""

    def __init__(self, client: RemoteClient, name: str) -> None:
        self._client = client
        self._name = name

    async def put(self, message: Message) -> None:
        """As `Outbox.put`."""
        await self._client.there(self._client.put(self._name, message))

    async def send(self, messages: Sequence[Message]) -> Mapping[UUID, Exception]:
        """As `Outbox.send`."""
        return await self._client.there(self._client.send(self._name, messages))


class RemoteResults:
    """As the `ResultStore` of a driver, from another loop."""

    def __init__(self, client: RemoteClient, store: ResultStore) -> None:
        self._client = client
        self._store = store

    async def result(self, ref: TaskRef, wait: float) -> Record | None:
        """As `ResultStore.result`."""
        return await self._client.there(self._store.result(ref, wait))

    async def store(self, records: Sequence[Record]) -> None:
        """As `ResultStore.store`."""
        await self._client.there(self._store.store(records))
