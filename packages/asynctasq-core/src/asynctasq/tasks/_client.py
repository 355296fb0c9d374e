"""The open drivers of one event loop: what dispatches and results go through.

Made at the first use on a loop, replaced when `init()` has been called since, closed by
`asynctasq.close()` or, at the latest and with a ResourceWarning, when the loop shuts down.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

from asynctasq.config import Settings, current, make_driver
from asynctasq.driver import Driver, ResultStore
from asynctasq.errors import ResultUnavailable
from asynctasq.events import EventBus
from asynctasq.tasks._buses import event_bus
from asynctasq.tasks._config import TaskConfig
from asynctasq.tasks._definition import Definition
from asynctasq.tasks._one_lease import warn_of_lease
from asynctasq.tasks._outbox import Outbox
from asynctasq.tasks._policy import Policy, decide
from asynctasq.tasks._remote import RemoteClient


class Client:
    """Drivers by name, opened once each however many ask at the same time."""

    def __init__(self, settings: Settings, events: EventBus | None = None) -> None:
        self.settings = settings
        self.events: EventBus = events or event_bus(settings)
        self._opening: dict[str, asyncio.Task[Driver]] = {}
        self._outboxes: dict[str, Outbox] = {}
        self._policies: dict[Definition[Any], Policy] = {}
        self._closed = False
        self._guard = _close_with_loop(self)

    async def start(self) -> None:
        """Arrange that the loop's own shutdown closes this client, if nobody does before."""
        await anext(self._guard)

    async def driver(self, name: str) -> Driver:
        """The open driver of that name. Raises `PluginError`, `ConfigError`, `DriverError`."""
        opening = self._opening.get(name)
        if opening is None or (opening.done() and _failed(opening)):
            opening = self._opening[name] = asyncio.ensure_future(self._open(name))
        elif opening.done():
            return opening.result()
        # One caller's cancellation must not take the driver from the others.
        return await asyncio.shield(opening)

    def policy(self, definition: Definition[Any], own: TaskConfig) -> Policy:
        """How a call of this task with settings of its own is sent."""
        if own:
            return self._decided(definition, {**definition.config, **own})
        policy = self._policies.get(definition)
        if policy is None:
            policy = self._policies[definition] = self._decided(definition, definition.config)
        return policy

    def _decided(self, definition: Definition[Any], task: TaskConfig) -> Policy:
        policy = decide(self.settings.config, task)
        if "visibility_timeout" in task:
            warn_of_lease(definition.name, policy.visibility_timeout, policy.driver)
        return policy

    def outbox(self, name: str) -> Outbox:
        """Where messages for that driver are put."""
        if name not in self._outboxes:
            config = self.settings.config
            self._outboxes[name] = Outbox(lambda: self.driver(name), config.dispatch_timeout)
        return self._outboxes[name]

    async def result_store(self, driver_name: str) -> ResultStore:
        """Where the results of tasks on that driver are; raises `ResultUnavailable`."""
        own = await self.driver(driver_name)
        if isinstance(own, ResultStore):
            return own
        other = self.settings.config.result_driver
        if other is None:
            raise ResultUnavailable(
                f"the {driver_name} driver stores no results: name one that does in the option "
                "result_driver (for example sqlite, redis or postgres)"
            )
        store = await self.driver(other)
        if isinstance(store, ResultStore):
            return store
        raise ResultUnavailable(f"result_driver={other!r} stores no results either")

    async def close(self) -> None:
        """Finish what is under way, then close every driver. Idempotent."""
        await self.release()
        await self._guard.aclose()

    async def release(self) -> bool:
        """`close`, but for the generator that stands guard; False: it was closed before."""
        if self._closed:
            return False
        self._closed = True
        loop = asyncio.get_running_loop()
        if _clients.get(loop) is self:  # a client keeps its loop alive
            del _clients[loop]
        for outbox in self._outboxes.values():
            await outbox.drain()
        for opening in self._opening.values():
            await asyncio.wait((opening,))
            if not _failed(opening):
                await opening.result().close()
        return True

    async def _open(self, name: str) -> Driver:
        driver = make_driver(name, self.settings.config)
        await driver.open()
        return driver

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed


def _failed(opening: asyncio.Task[Driver]) -> bool:
    return opening.cancelled() or opening.exception() is not None


async def _close_with_loop(client: Client) -> AsyncGenerator[None]:
    """Suspended as long as the client lives: a loop closes its generators when it shuts down."""
    try:
        yield
    finally:
        if await client.release():
            warnings.warn(
                "asynctasq was not closed before its event loop ended: use asynctasq.run(main()), "
                "or await asynctasq.close()",
                ResourceWarning,
                stacklevel=1,
            )


_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Client] = WeakKeyDictionary()


_through: ContextVar[RemoteClient | None] = ContextVar("asynctasq_through", default=None)


def dispatch_through(client: Client, loop: asyncio.AbstractEventLoop) -> None:
    """Let all that is dispatched in this context go through a client of another loop."""
    _through.set(RemoteClient(client, loop))


async def current_client() -> Client | RemoteClient:
    """In a worker's tasks, the client of its I/O loop; else that of the running loop."""
    remote = _through.get()
    if remote is not None and remote.settings is current() and not remote.closed:
        return remote
    return await local_client()


def workers_driver_name() -> str:
    """The driver that the worker of this task takes from."""
    remote = _through.get()
    if remote is None or remote.settings is not current():
        raise RuntimeError("init() was called since this worker began: it works as it was set up")
    return remote.settings.config.driver


async def local_client() -> Client:
    """The client of the running loop, made anew if `init()` was called since."""
    loop = asyncio.get_running_loop()
    settings = current()
    old = _clients.get(loop)
    if old is not None and old.settings is settings and not old.closed:
        return old
    client = _clients[loop] = Client(settings)
    await client.start()
    if old is not None:
        await old.close()
    return client


async def close_current() -> None:
    """Close the client of the running loop, if there is one."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.close()
